// SPDX-License-Identifier: Apache-2.0
// scripts.mjs SECONDS, with --expose-gc: Node.js with scripts that are made, run for a while and dropped, so that others
// get their memory. Names and files carry the script's number, and every second script begins 100 lines further down.
import { runInThisContext } from 'node:vm';

function make(number) {
  const digits = String(number).padStart(6, '0');
  const source = `${'\n'.repeat((number % 2) * 100)}(() => {
  function c${digits}(value, by) {
    let mixed = value;
    for (let bit = 0; bit < 12; bit++) mixed = (mixed * 31 + (by ^ (mixed >>> 3))) | 0;
    return mixed;
  }
  function b${digits}(turn) {
    let found = turn;
    for (let step = 0; step < 8; step++) found = c${digits}(found, turn + step);
    return found;
  }
  function a${digits}(turns) {
    let found = 0;
    for (let turn = 0; turn < turns; turn++) found += b${digits}(turn) & 1;
    return found;
  }
  return a${digits};
})()`;
  return runInThisContext(source, { filename: `/made/${digits}.js` });
}

function run(made, milliseconds) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) made(200);
}

const kept = [];
const until = performance.now() + 1000 * Number(process.argv[2]);
for (let number = 0; performance.now() < until; number++) {
  const made = make(number);
  run(made, 0.25 * 2 ** (number % 7));
  if (number % 4 === 0) kept[(number / 4) % 32] = made;
  for (let i = 0; i < 4; i++) run(kept[(number * 7 + i) % kept.length], 1);
  if (number % 8 === 0) globalThis.gc();
}
