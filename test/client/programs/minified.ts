// SPDX-License-Identifier: Apache-2.0
// Bundled and minified by the test, with a source map beside it.
import { init, start, stop } from 'stackwell/client';

const cpuMs = (): number => process.cpuUsage().user / 1000;

function burnInTypeScript(milliseconds: number): number {
  const end = cpuMs() + milliseconds;
  let sum = 0;
  while (cpuMs() < end) for (let i = 0; i < 100_000; i++) sum += Math.sqrt(sum + i);
  return sum;
}

init({
  serverUrl: process.argv[2],
  serviceName: process.argv[3] === 'true' ? 'mapped' : 'unmapped',
  sourceMaps: process.argv[3] === 'true',
  heap: false,
  wall: false,
});
start();
setTimeout(() => {
  burnInTypeScript(500);
  void stop();
}, 300);
