// SPDX-License-Identifier: Apache-2.0
// turns.mjs SECONDS: Node.js with 75 and 25 % of its CPU in two functions below settle().

function heavy(turns) {
  let sum = 0;
  for (let turn = 0; turn < turns; turn++) sum = (sum * 31 + turn) % 1000003;
  return sum;
}

function light(turns) {
  let sum = 1;
  for (let turn = 0; turn < turns; turn++) sum = (sum * 31 + turn) % 1000003;
  return sum;
}

function settle(turns) {
  return heavy(3 * turns) + light(turns);
}

const until = Date.now() + 1000 * Number(process.argv[2]);
// Calls of one length could keep step with the clock of the samples.
while (Date.now() < until) settle(10_000 + 20_000 * Math.random());
