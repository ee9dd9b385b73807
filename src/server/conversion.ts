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

/** `type`: full name of the message. */
export interface Conversion {
  name: 'otlp-from-json' | 'querier-to-json';
  type: string;
  bytes: Uint8Array;
}

/**
 * @returns null when the thread's memory did not suffice
 * @throws SW_SERVER_BUSY
 */
export function convertInThread(conversion: Conversion): Promise<Converted | null> {
  return gate.run(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(compiled(new URL('./conversion-thread.js', import.meta.url)), {
          // The view's own bytes: cloning a view would take all of the buffer that it is of.
          workerData: { ...conversion, bytes: new Uint8Array(conversion.bytes) } satisfies Conversion,
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
