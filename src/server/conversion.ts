// SPDX-License-Identifier: Apache-2.0
// Conversions between protobuf and JSON that would hold the event loop: in a thread of their own, one at a time. JSON in
// memory is many times what it is on the wire.
import { Worker } from 'node:worker_threads';
import { compiled } from '../compiled.js';
import { Gate } from './gate.js';

const HEAP_MB = 512;
/** As much is converted in the time that a thread takes to start. */
export const INLINE_BYTES = 32 * 1024;

const gate = new Gate(1, 64, 'conversions of JSON');

export type Converted = { bytes: Uint8Array } | { reason: string };

/** What a module of conversions exports as `convert`; `what` is of the things that it knows. */
export type Convert = (bytes: Uint8Array, what: string) => Converted;

/**
 * @param module the URL of the conversion's module
 * @returns null when the thread's memory did not suffice
 * @throws SW_SERVER_BUSY
 */
export function convertInThread(module: URL, bytes: Uint8Array, what: string): Promise<Converted | null> {
  return gate.run(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(compiled(new URL('./conversion-thread.js', import.meta.url)), {
          // The view's own bytes: cloning a view would take all of the buffer that it is of.
          workerData: { module: compiled(module).href, bytes: new Uint8Array(bytes), what },
          resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
        });
        worker.once('message', (converted: Converted) => {
          resolve(converted);
          void worker.terminate();
        });
        worker.once('error', (error: NodeJS.ErrnoException) =>
          error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? resolve(null) : reject(error),
        );
        worker.once('exit', () => reject(new Error('the thread of a conversion ended')));
      }),
  );
}
