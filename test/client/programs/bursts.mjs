// SPDX-License-Identifier: Apache-2.0
// Many short turns with idle time between them, as of a service with little to do: each is shorter than the time from
// one sample to the next.
import { setTimeout as sleep } from 'node:timers/promises';
import * as client from 'stackwell/client';

client.init({ serverUrl: process.argv[2], serviceName: 'bursts', windowSeconds: 3, heap: false });

const cpuMs = () => process.cpuUsage().user / 1000;
function burnLong(rounds) {
  let x = 0;
  for (let i = 0; i < rounds; i++) x += Math.sqrt(x + i);
  return x;
}
function burnShort(rounds) {
  let x = 0;
  for (let i = 0; i < rounds; i++) x += Math.sqrt(x + i);
  return x;
}
// How many rounds make a millisecond, when they are compiled.
burnLong(5e6);
burnShort(5e6);
const rate = burn => {
  const before = cpuMs();
  burn(5e7);
  return 5e7 / (cpuMs() - before);
};
const [long, short] = [rate(burnLong) * 3, rate(burnShort) * 1.5];
client.start();
// Chance keeps them from falling into step with the sampler.
const turns = 300;
const began = process.cpuUsage();
for (let i = 0; i < turns; i++) {
  await sleep(5 + 15 * Math.random());
  client.wrapWithLabels({ route: '/long' }, burnLong, long);
  await sleep(5 + 10 * Math.random());
  client.wrapWithLabels({ route: '/short' }, burnShort, short);
}
const { user, system } = process.cpuUsage(began);
await client.stop();
console.log(JSON.stringify({ burnLong: turns * 3, burnShort: turns * 1.5, all: (user + system) / 1000 }));
