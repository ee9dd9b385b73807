// SPDX-License-Identifier: Apache-2.0
// One run of the symbolizer child: start, ask, watch, end.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sendDescriptor, socketPair } from '#native/descriptors';
import { StackwellError } from '../errors.js';
import { ANSWER_HEADER, encodeQuestion, HELLO, MAX_ANSWER } from './protocol.js';

/** How a child ended while it was asked: over time, by its own fault, or killed from outside (perhaps innocent). */
export type Death = 'time' | 'crash' | 'killed';

export class ChildDied extends Error {
  constructor(readonly death: Death) {
    super(`the symbolizer child ended: ${death}`);
  }
}

export interface Answer {
  status: number;
  /** 4-byte aligned. */
  payload: Uint8Array;
}

interface Pending {
  sequence: number;
  resolve(answer: Answer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

export interface ChildOptions {
  path: string;
  memoryBytes: number;
  /** Descriptors that the child may hold. */
  descriptors: number;
}

/** The program of this checkout. */
export function symbolizerPath(): string {
  // From src/… when run from source, from dist/… when compiled: the same depth.
  return fileURLToPath(new URL('../../build/stackwell-symbolizer', import.meta.url));
}

const START_MS = 10_000;
const KEPT_STDERR = 2000;

export class Child {
  /** Private and resident memory when it answered last. */
  dataBytes = 0;
  residentBytes = 0;
  #process: ChildProcess;
  #socket: number;
  #sequence = 0;
  #pending: Pending | null = null;
  #killed: Death | null = null;
  #ended = false;
  #stderr = '';
  #header = Buffer.alloc(4);
  #message: Buffer | null = null;
  /** Bytes that the header, or else the message, has so far. */
  #filled = 0;
  #hello: ((error: string | null) => void) | null = null;
  readonly #exit: Promise<void>;

  private constructor(process: ChildProcess, socket: number) {
    this.#process = process;
    this.#socket = socket;
    this.#exit = new Promise(resolve => {
      process.on('error', error => {
        this.#stderr += error.message;
        // Only when it never started; otherwise 'exit' follows.
        if (process.pid === undefined) this.#end('crash', resolve);
      });
      process.on('exit', (_code, signal) => {
        const outside = signal === 'SIGKILL' || signal === 'SIGTERM' || signal === 'SIGINT';
        this.#end(this.#killed ?? (outside ? 'killed' : 'crash'), resolve);
      });
    });
    process.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
    process.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-KEPT_STDERR);
    });
    // A write to a child that just died: its exit tells.
    process.stdin?.on('error', () => {});
  }

  /** Resolves when its sandbox is closed. Rejects with SW_SYMBOLIZER when it does not come up. */
  static async start(options: ChildOptions): Promise<Child> {
    const [ours, theirs] = socketPair();
    let child: Child;
    try {
      const process = spawn(options.path, [String(options.memoryBytes), String(options.descriptors)], {
        stdio: ['pipe', 'pipe', 'pipe', theirs],
        cwd: '/',
        env: {},
      });
      child = new Child(process, ours);
    } catch (error) {
      closeSync(ours);
      throw new StackwellError('SW_SYMBOLIZER', { reason: (error as Error).message }, error);
    } finally {
      closeSync(theirs);
    }
    const timer = setTimeout(() => child.kill('time'), START_MS);
    const failure = await new Promise<string | null>(resolve => {
      child.#hello = resolve;
      void child.#exit.then(() => resolve(child.#stderr.trim() || 'it ended at once'));
    });
    clearTimeout(timer);
    if (failure !== null) {
      child.kill('crash');
      throw new StackwellError('SW_SYMBOLIZER', { reason: `${options.path}: ${failure}` });
    }
    return child;
  }

  get pid(): number | null {
    return this.#ended ? null : (this.#process.pid ?? null);
  }

  get alive(): boolean {
    return !this.#ended && this.#killed === null;
  }

  /** Hands a descriptor over, before the question that names it. False when the socket has no room. */
  give(id: number, descriptor: number): boolean {
    try {
      return this.alive && sendDescriptor(this.#socket, id, descriptor);
    } catch {
      return false; // It is gone: the question that follows tells how.
    }
  }

  /** One question at a time. Rejects with ChildDied, also when it takes longer than `timeoutMs`. */
  ask(kind: number, file: number, rest: Uint32Array, timeoutMs: number): Promise<Answer> {
    if (!this.alive) return Promise.reject(new ChildDied(this.#killed ?? 'killed'));
    if (this.#pending !== null) throw new Error('one question at a time');
    const sequence = ++this.#sequence;
    return new Promise((resolve, reject) => {
      // The timer can be late because this process was; then the answer is waiting to be read: look once more.
      const timer = setTimeout(
        () => setImmediate(() => this.#pending?.sequence === sequence && this.kill('time')),
        timeoutMs,
      );
      this.#pending = { sequence, resolve, reject, timer };
      this.#process.stdin?.write(encodeQuestion(sequence, kind, file, rest));
    });
  }

  kill(death: Death): void {
    if (this.#ended) return;
    this.#killed ??= death;
    this.#process.kill('SIGKILL');
  }

  /** Ends it and waits until it is gone. */
  async close(): Promise<void> {
    this.kill('killed');
    await this.#exit;
  }

  #end(death: Death, done: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    closeSync(this.#socket);
    this.residentBytes = 0;
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) {
      clearTimeout(pending.timer);
      pending.reject(new ChildDied(death));
    }
    done();
  }

  /** Puts messages together. What does not follow the format ends the child: it may be in someone else's hands. */
  #read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.alive) {
      const into = this.#message ?? this.#header;
      const copied = chunk.copy(into, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < into.length) return;
      this.#filled = 0;
      if (this.#message !== null) {
        const message = this.#message;
        this.#message = null;
        this.#take(message);
      } else if (this.#hello !== null) {
        const greeting = this.#header.readUInt32LE(0);
        this.#hello(greeting === HELLO ? null : 'it is of another version');
        this.#hello = null;
      } else {
        const length = this.#header.readUInt32LE(0);
        if (length < ANSWER_HEADER - 4 || length > MAX_ANSWER) {
          this.kill('crash');
          return;
        }
        // Not from Node's pool: the typed arrays of the answer need alignment, and keep it.
        this.#message = Buffer.from(new ArrayBuffer(length));
      }
    }
  }

  #take(message: Buffer): void {
    const pending = this.#pending;
    const sequence = message.readUInt32LE(0);
    if (pending === null || pending.sequence !== sequence) {
      this.kill('crash');
      return;
    }
    this.#pending = null;
    clearTimeout(pending.timer);
    this.dataBytes = message.readUInt32LE(8) * 1024;
    this.residentBytes = message.readUInt32LE(12) * 1024;
    pending.resolve({ status: message.readUInt32LE(4), payload: message.subarray(ANSWER_HEADER - 4) });
  }
}
