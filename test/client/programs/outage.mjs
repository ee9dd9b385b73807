// SPDX-License-Identifier: Apache-2.0
// Profiles for a server that may not be there: `outage.mjs URL QUEUE_BYTES SECONDS LABEL_BYTES STOP_MS`.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as client from 'stackwell/client';
import { burnHot, cpuMs } from './work.cjs';

const [serverUrl, queueBytes, seconds, labelBytes, stopMs] = process.argv.slice(2);
const warned = [];
client.init({
  serverUrl,
  queueBytes: Number(queueBytes),
  serviceName: 'outage',
  windowSeconds: 1,
  heap: false,
  logger: { warn: message => warned.push(message) },
});
client.start();
const end = performance.now() + Number(seconds) * 1000;
let spent = 0;
while (performance.now() < end) {
  await sleep(20);
  // Values that do not compress make large profiles.
  const labels = Object.fromEntries(
    Array.from({ length: Number(labelBytes) / 128 }, (_, at) => [
      `label${at}`,
      randomBytes(96).toString('base64'),
    ]),
  );
  client.wrapWithLabels(labels, () => {
    const before = cpuMs();
    burnHot(15);
    spent += cpuMs() - before;
  });
}
const before = client.stats();
const began = performance.now();
await client.stop({ timeoutMs: Number(stopMs) });
console.log(
  JSON.stringify({ spent, warned, before, stopMs: performance.now() - began, stats: client.stats() }),
);
