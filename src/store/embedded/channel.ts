// SPDX-License-Identifier: Apache-2.0
// Calls to a worker thread and back. The thread starts with the first call, and anew after it died.
import { parentPort, type Transferable, Worker, workerData } from 'node:worker_threads';
import { compiled } from '../../compiled.js';
import { type ErrorCode, StackwellError } from '../../errors.js';

interface Call {
  id: number;
  method: string;
  argument: unknown;
}

type Reply =
  | { id: number; result: unknown }
  | { id: number; error: { code: ErrorCode; details: Record<string, unknown> } };

/** The calling side. Transferred buffers of `call` are gone afterwards. */
export class Channel {
  #worker: Worker | null = null;
  #next = 0;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

  constructor(
    private readonly file: string,
    private readonly data: Record<string, unknown>,
  ) {}

  call<T>(method: string, argument: unknown, transfer: Transferable[] = []): Promise<T> {
    this.#worker ??= this.#start();
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker!.postMessage({ id, method, argument } satisfies Call, transfer);
    });
  }

  get started(): boolean {
    return this.#worker !== null;
  }

  /** Waits for the thread to end; calls under way must have been answered. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    await this.call('close', null).catch(() => {});
    await worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(compiled(new URL(`./${this.file}.js`, import.meta.url)), {
      workerData: this.data,
      // The heap of these threads is small (SQLite's memory is outside it); a small young generation keeps it so.
      resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 8 },
    });
    worker.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('error' in reply) waiting?.reject(new StackwellError(reply.error.code, reply.error.details));
      else waiting?.resolve(reply.result as never);
    });
    let reason = 'its thread ended';
    worker.on('error', error => {
      reason = `its thread died: ${error.message}`;
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of waiting) reject(new StackwellError('SW_STORE_UNAVAILABLE', { reason }));
    });
    return worker;
  }
}

/** What a worker's handler gives back when it has buffers to hand over. */
export class Transfer<T> {
  constructor(
    readonly value: T,
    readonly buffers: ArrayBuffer[],
  ) {}
}

/** The worker's side: answers each call with what `handle` gives. */
export function serve(
  handle: (method: string, argument: unknown) => unknown,
  toError: (error: unknown) => StackwellError,
): void {
  const port = parentPort!;
  port.on('message', ({ id, method, argument }: Call) => {
    void (async () => {
      try {
        const result = await handle(method, argument);
        if (result instanceof Transfer) port.postMessage({ id, result: result.value }, result.buffers);
        else port.postMessage({ id, result });
      } catch (error) {
        const { code, details } = toError(error);
        port.postMessage({ id, error: { code, details } });
      }
    })();
  });
}

export function workerOptions<T>(): T {
  return workerData as T;
}
