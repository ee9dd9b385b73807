// SPDX-License-Identifier: Apache-2.0
// How long tasks that could run waited for a CPU: bpf/metrics/runqlat.bpf.c.
import { z } from 'zod';
import { collector } from './collector.js';
import { boundsKnob, histogram, Latencies } from './latencies.js';

const MS = 1e6;
const BOUNDS = [0.1 * MS, MS, 5 * MS, 10 * MS, 20 * MS, 50 * MS, 100 * MS];
const CONTAINER_BOUNDS = [MS, 10 * MS, 20 * MS, 50 * MS];

export const runqlat = collector({
  name: 'runqlat',
  about: 'how long tasks that could run waited for a CPU',
  families: [
    { name: 'latency_seconds', help: 'waits for a CPU', type: 'histogram' },
    { name: 'container_latency_seconds', help: 'waits for a CPU, by container', type: 'histogram' },
  ],
  options: z.strictObject({}),
  start({ watch, targets }) {
    const latencies = new Latencies(watch({ knobs: boundsKnob(BOUNDS) }), targets, BOUNDS);
    return {
      overflow: () => latencies.overflow(),
      async collect() {
        const rows = await latencies.read();
        return {
          latency_seconds: rows
            .filter(({ container }) => container === null)
            .flatMap(row => histogram(targets.host, row, BOUNDS)),
          container_latency_seconds: rows.flatMap(row =>
            row.container === null ? [] : histogram(row.container, row, BOUNDS, CONTAINER_BOUNDS),
          ),
        };
      },
    };
  },
});
