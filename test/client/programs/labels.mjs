// SPDX-License-Identifier: Apache-2.0
// Labels that are set, nested, and read in every kind of callback.
import { EventEmitter } from 'node:events';
import { createServer, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as client from 'stackwell/client';

client.init({ serverUrl: process.argv[2], serviceName: 'labels', heap: false });
const before = client.wrapWithLabels({ a: 1 }, () => client.getLabels());
client.start();
const seen = { before };
await client.wrapWithLabels({ a: 1 }, async () => {
  await sleep(5);
  seen.wrapped = client.getLabels();
  await client.wrapWithLabels({ b: 2 }, async () => {
    await null;
    seen.nested = client.getLabels();
  });
  seen.after = client.getLabels();
  client.setLabels({ c: 3 });
  await null;
  seen.set = client.getLabels();
  seen.timer = await new Promise(resolve => setTimeout(() => resolve(client.getLabels()), 1));
  seen.tick = await new Promise(resolve => process.nextTick(() => resolve(client.getLabels())));
  const emitter = new EventEmitter();
  seen.emitted = await new Promise(resolve => {
    emitter.on('it', () => resolve(client.getLabels()));
    emitter.emit('it');
  });
  const server = createServer((_, response) => response.end());
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  seen.response = await new Promise(resolve =>
    get(`http://127.0.0.1:${server.address().port}`, response => {
      response.resume().on('end', () => resolve(client.getLabels()));
    }),
  );
  server.close();
  server.closeAllConnections();
});
seen.outside = client.getLabels();
try {
  client.wrapWithLabels({ a: 1 }, () => {
    throw new Error('of the application');
  });
} catch (error) {
  seen.thrown = [error.message, client.getLabels()];
}
await client.stop({ timeoutMs: 10 });
seen.stopped = client.wrapWithLabels({ a: 1 }, () => client.getLabels());
console.log(JSON.stringify({ seen, stats: client.stats() }));
