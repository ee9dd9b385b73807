// SPDX-License-Identifier: Apache-2.0
const client = require('stackwell/client');
const { work } = require('./work.cjs');

client.init({
  serverUrl: process.argv[2],
  serviceName: 'cjs',
  deploy: 'v1',
  windowSeconds: 1,
  heapIntervalBytes: 65536,
});
client.start();
void (async () => {
  const result = await work(client);
  const same = (await import('stackwell/client')).init === client.init;
  console.log(JSON.stringify({ ...result, same }));
})();
