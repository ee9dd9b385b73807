// SPDX-License-Identifier: Apache-2.0
// The thread of ./conversion.ts: converts what it is started with, and ends.
import { parentPort, workerData } from 'node:worker_threads';
import type { Conversion, Converted } from './conversion.js';

const CONVERSIONS: Record<Conversion['name'], (conversion: Conversion) => Promise<Converted>> = {
  'otlp-from-json': async ({ bytes }) => (await import('./ingest/otlp-json.js')).convert(bytes),
  'querier-to-json': async ({ bytes, type }) => (await import('./querier/json.js')).convert(bytes, type),
};

const conversion = workerData as Conversion;
parentPort!.postMessage(await CONVERSIONS[conversion.name](conversion));
