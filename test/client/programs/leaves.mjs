// SPDX-License-Identifier: Apache-2.0
// Ends without a word to its profiler.
import * as client from 'stackwell/client';
import { burnHot } from './work.cjs';

client.init({ serverUrl: process.argv[2], serviceName: 'leaves', windowSeconds: 1 });
client.start();
const end = performance.now() + 2500;
while (performance.now() < end) {
  burnHot(20);
  await new Promise(resolve => setTimeout(resolve, 5));
}
console.log(performance.timeOrigin + performance.now());
