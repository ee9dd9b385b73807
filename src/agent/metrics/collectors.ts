// SPDX-License-Identifier: Apache-2.0
import type { CollectorPlugin } from './collector.js';
import { cpu } from './cpu.js';
import { disk } from './disk.js';
import { io } from './io.js';
import { memory } from './memory.js';
import { network } from './network.js';
import { pressure } from './pressure.js';
import { reclaim } from './reclaim.js';
import { runqlat } from './runqlat.js';
import { softirq } from './softirq.js';

/** Every collector there is. */
export const COLLECTORS: CollectorPlugin[] = [
  cpu,
  runqlat,
  softirq,
  pressure,
  memory,
  reclaim,
  disk,
  io,
  network,
];
