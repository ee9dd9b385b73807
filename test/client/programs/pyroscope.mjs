// SPDX-License-Identifier: Apache-2.0
// The same work under @pyroscope/nodejs.
import Pyroscope from '@pyroscope/nodejs';
import { work } from './work.cjs';

Pyroscope.init({
  serverAddress: process.argv[2],
  appName: 'theirs',
  flushIntervalMs: 3000,
  heap: { samplingIntervalBytes: 65536 },
  wall: { collectCpuTime: true },
});
Pyroscope.start();
const result = await work({
  // Theirs gives back nothing, and its labels end with the call.
  wrapWithLabels: (_labels, call, ...args) => call(...args),
  getLabels: () => ({}),
  stats: () => ({}),
  // It has heap profiles only of windows that ended.
  stop: async () => {
    await new Promise(resolve => setTimeout(resolve, 3200));
    await Pyroscope.stop();
  },
});
console.log(JSON.stringify(result));
process.exit(0);
