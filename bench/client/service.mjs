// SPDX-License-Identifier: Apache-2.0
// A small service on Fastify: `service.mjs VARIANT SINK_URL`. Prints its port; ends when its input does.
import Fastify from 'fastify';

const [variant, sink] = process.argv.slice(2);
const WINDOW_S = 15;
const app = Fastify();

if (variant.startsWith('stackwell')) {
  const client = await import('stackwell/client');
  client.init({ serverUrl: sink, serviceName: 'bench', windowSeconds: WINDOW_S });
  client.start();
  if (variant === 'stackwell+labels') app.register(client.fastifyPlugin);
}
if (variant === 'pyroscope') {
  const { default: Pyroscope } = await import('@pyroscope/nodejs');
  Pyroscope.init({
    serverAddress: sink,
    appName: 'bench',
    flushIntervalMs: WINDOW_S * 1000,
    // As stackwell does by itself: CPU beside wall.
    wall: { collectCpuTime: true },
  });
  Pyroscope.start();
}
if (variant === 'AsyncLocalStorage') {
  // What labels of requests stand on, and most services use already.
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const storage = new AsyncLocalStorage();
  app.addHook('onRequest', (request, _reply, next) => storage.run({ route: request.routeOptions.url }, next));
}

const rows = Array.from({ length: 100 }, (_, id) => ({
  id,
  name: `row ${id}`,
  price: (id * 7919) % 1009,
  tags: ['a', 'b'],
}));
const load = async from => {
  await null;
  return rows.slice(from, from + 50).map(row => ({ ...row, price: row.price * 1.19 }));
};
const rank = async found => {
  await null;
  return found.toSorted((a, b) => a.price - b.price);
};
app.get('/orders/:from', async request => {
  const found = await load(Number(request.params.from) % 50);
  // A turn of the event loop, as an answer of a database takes.
  await new Promise(resolve => setImmediate(resolve));
  const ranked = await rank(found);
  for (const row of ranked) await row;
  return ranked;
});
await app.listen({ host: '127.0.0.1', port: 0 });
console.log(app.server.address().port);
process.stdin.resume().on('end', () => process.exit(0));
