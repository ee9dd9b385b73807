// SPDX-License-Identifier: Apache-2.0
// Burns and holds known amounts in functions of known names, and says how much it was. Called with a client by
// programs that got it in different ways.
const { setImmediate: turn } = require('node:timers/promises');

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function spin(ms) {
  const end = cpuMs() + ms;
  let x = 0;
  while (cpuMs() < end) for (let i = 0; i < 200_000; i++) x += Math.sqrt(x + i);
  return x;
}

// Functions of their own, and not inlined into each other's callers: the profile tells them apart by name.
function burnHot(ms) {
  return spin(ms) + 1;
}
function burnWarm(ms) {
  return spin(ms) + 2;
}

const kept = [];
function hold(megabytes) {
  for (let i = 0; i < megabytes * 4; i++) kept.push(new Array(32_768).fill(i));
}

exports.cpuMs = cpuMs;
exports.spin = spin;
exports.burnHot = burnHot;
exports.burnWarm = burnWarm;

/** Two requests at once, in turns on one thread; one burns twice as much as the other. */
exports.work = async client => {
  const spent = { burnHot: 0, burnWarm: 0 };
  const request = async (burn, ms) => {
    for (let i = 0; i < 20; i++) {
      await turn();
      const before = cpuMs();
      burn(ms);
      spent[burn.name] += cpuMs() - before;
      await null;
    }
    return burn.name;
  };
  hold(32);
  const names = await Promise.all([
    client.wrapWithLabels({ route: '/hot', attempt: 1 }, request, burnHot, 60),
    client.wrapWithLabels({ route: '/warm' }, request, burnWarm, 30),
  ]);
  const outside = client.getLabels();
  await client.stop();
  return { spent, names, outside, held: kept.length * 32_768 * 8, stats: client.stats() };
};
