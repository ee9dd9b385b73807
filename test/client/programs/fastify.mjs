// SPDX-License-Identifier: Apache-2.0
// A service with two routes that burn; ends when its input does.
import Fastify from 'fastify';
import * as client from 'stackwell/client';
import { burnHot, burnWarm } from './work.cjs';

client.init({ serverUrl: process.argv[2], serviceName: 'web', windowSeconds: 1, heap: false });
client.start();
const app = Fastify();
app.register(client.fastifyPlugin, { pull: true });
app.get('/hot/:id', async request => {
  await null;
  burnHot(20);
  return { labels: client.getLabels(), id: request.params.id };
});
// With a body: the handler runs in what reading it calls.
app.post('/warm/:id', (request, reply) => {
  setImmediate(() => {
    burnWarm(20);
    reply.send({ labels: client.getLabels(), body: request.body });
  });
});
await app.listen({ host: '127.0.0.1', port: 0 });
console.log(`http://127.0.0.1:${app.server.address().port}`);
process.stdin.resume().on('end', async () => {
  await app.close();
  await client.stop();
  console.log(JSON.stringify(client.stats()));
});
