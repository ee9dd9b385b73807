// SPDX-License-Identifier: Apache-2.0
// How long softirqs waited: bpf/metrics/softirq.bpf.c.
import { latencyCollector } from './latencies.js';

const US = 1e3;
const BOUNDS = [10 * US, 100 * US, 1000 * US, 10_000 * US];
/** include/linux/interrupt.h */
const VECTORS = [
  'hi',
  'timer',
  'net_tx',
  'net_rx',
  'block',
  'irq_poll',
  'tasklet',
  'sched',
  'hrtimer',
  'rcu',
];

export const softirq = latencyCollector({
  name: 'softirq',
  about: 'how long softirqs waited from being raised to being run, by vector',
  families: [{ name: 'latency_seconds', help: 'from being raised to being run', type: 'histogram' }],
  bounds: BOUNDS,
  describe: () => row => ({
    family: 'latency_seconds',
    labels: { vector: VECTORS[row.what] ?? String(row.what) },
  }),
});
