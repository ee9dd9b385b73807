// SPDX-License-Identifier: Apache-2.0
// The thread of ./conversion.ts: converts what it is started with, and ends.
import { parentPort, workerData } from 'node:worker_threads';
import type { Convert } from './conversion.js';

const { module, bytes, what } = workerData as { module: string; bytes: Uint8Array; what: string };
const { convert } = (await import(module)) as { convert: Convert };
parentPort!.postMessage(convert(bytes, what));
