// SPDX-License-Identifier: Apache-2.0
// Asks the child about files, and copes with its end: another child is started, gets the same descriptors, and is
// asked again, more carefully about the file that ended the one before.
import { StackwellError } from '../errors.js';
import { type Answer, Child, ChildDied, type ChildOptions, type Death } from './child.js';
import { closeDescriptor } from './opener.js';
import {
  decodeDescription,
  decodeLookup,
  encodeAddresses,
  encodeFunctions,
  type FileDescription,
  type LookupAnswer,
  QUESTION,
  STATUS,
} from './protocol.js';
import type { FileTable, Held, SourceFile } from './source-file.js';
import { isTable } from './unwind-table.js';

export interface ReaderOptions extends ChildOptions {
  /** Resident memory of the child, file pages included, that files are closed to keep. */
  residentBytes: number;
  /** A question about a file that was read before. */
  timeoutMs: number;
  /** The first ones: its tables are built then. */
  coldTimeoutMs: number;
}

const NOTHING = new Uint32Array(0);

/** Of its limit, what the child's private memory may reach before files are closed. The rest is for the next file. */
const PRESSED = 0.5;

export class Reader {
  #child: Child | null = null;
  /** Runs so far; stands for the child in SourceFile.run. */
  #run = 0;
  #closed = false;

  constructor(
    readonly table: FileTable,
    readonly options: ReaderOptions,
  ) {}

  get restarts(): number {
    return Math.max(0, this.#run - 1);
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get residentBytes(): number {
    return this.#child?.residentBytes ?? 0;
  }

  /** The run that answers now; a new one when the last one ended. Rejects with SW_SYMBOLIZER. */
  async running(): Promise<number> {
    if (this.#child?.alive !== true) {
      this.#orClosed();
      this.#child = await Child.start(this.options);
      this.#run++;
      if (!this.#closed) return this.#run;
      await this.#child.close();
      this.#orClosed();
    }
    return this.#run;
  }

  #orClosed(): void {
    if (this.#closed) throw new StackwellError('SW_SYMBOLIZER', { reason: 'it was closed' });
  }

  /** What an opened ELF file is; null when it is damaged, 'not-elf' when it is something else. */
  async describe(file: SourceFile): Promise<FileDescription | 'not-elf' | null> {
    while (file.level !== 'none') {
      try {
        const answer = await this.#load(file);
        if (answer.status === STATUS.ok) return decodeDescription(answer.payload);
        if (answer.status === STATUS.notElf) return 'not-elf';
        file.level = 'none';
      } catch (error) {
        blame(file, error);
      }
    }
    return null;
  }

  /** Offers a debug or supplementary file. Takes `opened` over; null when it is not the right one. */
  async attach(
    file: SourceFile,
    opened: Held,
    role: 'debug' | 'supplement',
  ): Promise<FileDescription | true | null> {
    const offer = { id: this.table.nextNumber(), file: opened, role };
    while (file.level === 'lines') {
      try {
        await this.#ensure(file);
        const answer = await this.#attach(file, offer);
        if (answer.status !== STATUS.ok) break;
        file.opened.push(offer);
        return role === 'debug' ? decodeDescription(answer.payload) : true;
      } catch (error) {
        blame(file, error);
      }
    }
    closeDescriptor(opened.descriptor);
    return null;
  }

  /** Names for the addresses; null when the file cannot be read at all. */
  async lookup(file: SourceFile, addresses: number[]): Promise<LookupAnswer | null> {
    while (file.level !== 'none') {
      try {
        await this.#ensure(file);
        const question = encodeAddresses(file.level === 'lines', addresses, false);
        const answer = await this.#ask(file, QUESTION.lookup, question);
        if (answer.status === STATUS.ok) {
          file.warm = true;
          file.killed = false;
          return decodeLookup(answer.payload);
        }
        file.demote();
        // Its tables may be half built.
        await this.#forgetInChild(file);
      } catch (error) {
        blame(file, error);
      }
    }
    return null;
  }

  /**
   * How to unwind through the file's code: blocks as bpf/profile/table.h has them, after four words that say how many,
   * which one is the root, levels and rows. Null when the file cannot be read at all.
   */
  async unwindTable(file: SourceFile): Promise<Uint8Array | null> {
    while (file.level !== 'none') {
      try {
        await this.#ensure(file);
        // Debug information is part of it as long as reading it did no harm.
        const question = Uint32Array.of(file.level === 'lines' ? 1 : 0);
        // The whole file is read, whatever was asked about it before.
        const answer = await this.#ask(file, QUESTION.unwind, question, this.options.coldTimeoutMs);
        if (answer.status === STATUS.ok && isTable(answer.payload)) return answer.payload;
        file.demote();
        await this.#forgetInChild(file);
      } catch (error) {
        blame(file, error);
      }
    }
    return null;
  }

  /** Whether the running child has the file. */
  async isLoaded(file: SourceFile): Promise<boolean> {
    return file.run === (await this.running());
  }

  /**
   * Opens a Java virtual machine by its memory and its libjvm.so, which is mapped at `mapping`. What the unwinder must
   * know of it; null when the machine does not tell, or not yet.
   */
  async openMachine(
    file: SourceFile,
    library: SourceFile,
    mapping: { start: bigint; offset: bigint },
  ): Promise<Uint8Array | null> {
    if (file.level === 'none') return null;
    try {
      await this.#ensure(library);
      const place = new Uint32Array(new BigUint64Array([mapping.start, mapping.offset]).buffer);
      const answer = await this.#load(file, Uint32Array.of(library.number, ...place));
      return answer.status === STATUS.ok ? answer.payload : null;
    } catch (error) {
      blame(file, error);
      return null;
    }
  }

  /**
   * Where a process has the context of its threads, if it is a variable of `library`, which is mapped at `start`; as
   * bpf/profile/publisher.h has it. 'absent' when the file has no such variable; null when the process does not tell.
   */
  async findThreads(
    memory: SourceFile,
    library: SourceFile,
    { start, offset, context, musl }: { start: bigint; offset: bigint; context: bigint; musl: boolean },
  ): Promise<Uint8Array | 'absent' | null> {
    if (memory.level === 'none') return null;
    try {
      await this.#ensure(library);
      const places = new Uint32Array(new BigUint64Array([start, offset, context]).buffer);
      const answer = await this.#load(memory, Uint32Array.of(library.number, ...places, musl ? 1 : 0));
      if (answer.status === STATUS.notElf) return 'absent';
      return answer.status === STATUS.ok ? answer.payload : null;
    } catch (error) {
      blame(memory, error);
      return null;
    }
  }

  /** Names for frames of a Java virtual machine; null when it cannot be read. */
  async lookupFrames(file: SourceFile, question: Uint32Array): Promise<LookupAnswer | null> {
    try {
      const answer = await this.#ask(file, QUESTION.lookupJava, question);
      if (answer.status !== STATUS.ok) return null;
      file.warm = true;
      return decodeLookup(answer.payload);
    } catch (error) {
      blame(file, error);
      return null;
    }
  }

  /**
   * Names for functions of a V8, by its process's memory and its program. Null when there is none that is known, or it
   * cannot be read.
   */
  async lookupFunctions(
    memory: SourceFile,
    program: SourceFile,
    functions: bigint[],
  ): Promise<LookupAnswer | null> {
    if (memory.level === 'none') return null;
    try {
      if (memory.run !== (await this.running())) {
        await this.#ensure(program);
        const opened = await this.#load(memory, Uint32Array.of(program.number));
        if (opened.status !== STATUS.ok) {
          memory.level = 'none';
          return null;
        }
      }
      const answer = await this.#ask(memory, QUESTION.lookup, encodeFunctions(functions));
      if (answer.status !== STATUS.ok) return null;
      memory.warm = true;
      return decodeLookup(answer.payload);
    } catch (error) {
      blame(memory, error);
      return null;
    }
  }

  /** Closes a file in the child and here. */
  async forget(file: SourceFile): Promise<void> {
    await this.#forgetInChild(file);
    file.release();
  }

  /** Closes what was not used for longest until the limits are kept; `current` stays. */
  async trim(current: SourceFile | null): Promise<void> {
    const pressed = (): boolean => (this.#child?.dataBytes ?? 0) > this.options.memoryBytes * PRESSED;
    // Answers are cached, so a file that is closed early costs only what it takes to open it for its next new address.
    const large = (): boolean => (this.#child?.residentBytes ?? 0) > this.options.residentBytes;
    for (let excess = this.table.excess(current, pressed() || large()); excess !== null; ) {
      await this.forget(excess);
      excess = this.table.excess(current, pressed() || large());
    }
    // Nothing is left to close, and still it is big: its heap is in pieces. A fresh one starts in milliseconds.
    if (current === null && pressed()) await this.#child?.close();
  }

  /** Hands over an open kallsyms; bounds of the kernel's text without their base. Null when it shows no addresses. */
  async openKernel(number: number, descriptor: number): Promise<{ start: number; end: number } | null> {
    await this.running();
    this.#child?.give(number, descriptor);
    const answer = await this.#child!.ask(QUESTION.openKernel, number, NOTHING, this.options.coldTimeoutMs);
    if (answer.status !== STATUS.ok) return null;
    const words = Buffer.from(answer.payload);
    const offset = (at: number): number => Number(words.readBigUInt64LE(at) & 0xffff_ffff_ffffn);
    return { start: offset(0), end: offset(8) };
  }

  async lookupKernel(number: number, addresses: number[]): Promise<LookupAnswer | null> {
    const question = encodeAddresses(false, addresses, true);
    const answer = await this.#child!.ask(QUESTION.lookup, number, question, this.options.timeoutMs);
    return answer.status === STATUS.ok ? decodeLookup(answer.payload) : null;
  }

  async closeKernel(number: number): Promise<void> {
    if (this.#child?.alive === true)
      await this.#child.ask(QUESTION.close, number, NOTHING, this.options.timeoutMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#child?.close();
    this.table.releaseAll();
  }

  /** Opens the file in the running child, if it is not: itself, then its debug files. */
  async #ensure(file: SourceFile): Promise<void> {
    if (file.run === (await this.running())) return;
    const answer = await this.#load(file);
    if (answer.status !== STATUS.ok) {
      file.level = 'none';
      return;
    }
    for (const part of file.opened.filter(other => other.role !== 'self')) await this.#attach(file, part);
  }

  async #load(file: SourceFile, rest = NOTHING): Promise<Answer> {
    const run = await this.running();
    const self = file.opened.find(part => part.role === 'self');
    if (self === undefined) throw new Error(`${file.key} is not open`);
    this.#child?.give(file.number, self.file.descriptor);
    file.warm = false;
    file.reopenMs = 0;
    const answer = await this.#ask(file, OPEN[file.kind], rest);
    if (answer.status === STATUS.ok) file.run = run;
    return answer;
  }

  #attach(file: SourceFile, part: SourceFile['opened'][number]): Promise<Answer> {
    this.#child?.give(part.id, part.file.descriptor);
    const kind = part.role === 'debug' ? QUESTION.attachDebug : QUESTION.attachSupplement;
    return this.#ask(file, kind, Uint32Array.of(part.id));
  }

  async #ask(file: SourceFile, kind: number, rest: Uint32Array, ms?: number): Promise<Answer> {
    if (this.#child === null) throw new ChildDied('killed');
    const { timeoutMs, coldTimeoutMs } = this.options;
    if (file.warm || kind === QUESTION.unwind) {
      return this.#child.ask(kind, file.number, rest, ms ?? (file.warm ? timeoutMs : coldTimeoutMs));
    }
    const asked = performance.now();
    const answer = await this.#child.ask(kind, file.number, rest, ms ?? coldTimeoutMs);
    file.reopenMs += performance.now() - asked;
    return answer;
  }

  async #forgetInChild(file: SourceFile): Promise<void> {
    if (file.run !== this.#run || this.#child?.alive !== true) return;
    file.run = 0;
    try {
      await this.#ask(file, QUESTION.close, NOTHING);
    } catch (error) {
      if (!(error instanceof ChildDied)) throw error;
    }
  }
}

const OPEN = {
  elf: QUESTION.openElf,
  'perf-map': QUESTION.openPerfMap,
  'jit-dump': QUESTION.openJitDump,
  java: QUESTION.openJava,
  v8: QUESTION.openV8,
  threads: QUESTION.findThreads,
} as const;

/** The file that was asked about when the child ended takes the blame, unless it was killed from outside. */
function blame(file: SourceFile, error: unknown): void {
  if (!(error instanceof ChildDied)) throw error;
  const death: Death = error.death;
  file.run = 0;
  file.warm = false;
  if (death === 'killed' && !file.killed) file.killed = true;
  else file.demote();
}
