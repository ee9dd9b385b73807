// SPDX-License-Identifier: Apache-2.0
// closures.mjs SECONDS: Node.js with functions that live for one call, among garbage.

const garbage = [];

function burn(turns) {
  let sum = 0;
  for (let turn = 0; turn < turns; turn++) sum = (sum * 31 + turn) % 1000003;
  return sum;
}

function makeFirst(turns) {
  const first = () => burn(turns);
  return first();
}

function makeSecond(turns) {
  const second = () => burn(turns);
  return second();
}

const until = Date.now() + 1000 * Number(process.argv[2]);
while (Date.now() < until) {
  for (let call = 0; call < 100; call++) {
    makeFirst(3000);
    makeSecond(3000);
    garbage[call] = Array.from({ length: 100 }, (_, at) => ({ at, make: () => at }));
  }
}
