// SPDX-License-Identifier: Apache-2.0
// OTLP's JSON as the protobuf that it stands for. Large ones are read in a thread of their own, one at a time.
import { Worker } from 'node:worker_threads';
import { StackwellError } from '../../errors.js';
import { Gate } from '../gate.js';

/** What is read within a few milliseconds. */
const INLINE_BYTES = 32 * 1024;
/** JSON in memory is many times what it is on the wire. */
const MAX_BYTES = 16 * 1024 * 1024;
const HEAP_MB = 512;

const gate = new Gate(1, 64, 'JSON requests');

export type Converted = { bytes: Uint8Array } | { reason: string };

/** @throws SW_OTLP_INVALID, SW_PPROF_LIMIT, SW_SERVER_BUSY */
export async function otlpFromJson(json: Uint8Array): Promise<Uint8Array> {
  if (json.length > MAX_BYTES) throw tooLarge(json.length);
  const converted =
    json.length <= INLINE_BYTES
      ? (await import('./otlp-json-worker.js')).convert(json)
      : await gate.run(() => inThread(json));
  if ('reason' in converted) throw new StackwellError('SW_OTLP_INVALID', { reason: converted.reason });
  return converted.bytes;
}

function tooLarge(value: number): StackwellError {
  return new StackwellError('SW_PPROF_LIMIT', { limit: 'bytes of JSON', value, max: MAX_BYTES });
}

function inThread(json: Uint8Array): Promise<Converted> {
  return new Promise((resolve, reject) => {
    // TypeScript sources (tests) start the compiled thread, too: threads take JavaScript only on Node.js 20.
    const here = import.meta.url.replace(/\/src\/(server\/ingest\/[^/]+)\.ts$/, '/dist/$1.js');
    const worker = new Worker(new URL('./otlp-json-worker.js', here), {
      // The view's own bytes: cloning a view would take all of the buffer that it is of.
      workerData: new Uint8Array(json),
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.once('message', (converted: Converted) => {
      resolve(converted);
      void worker.terminate();
    });
    worker.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooLarge(json.length) : error),
    );
    worker.once('exit', () => reject(new Error('the thread that reads JSON ended')));
  });
}
