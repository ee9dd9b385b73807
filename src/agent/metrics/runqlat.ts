// SPDX-License-Identifier: Apache-2.0
// How long tasks that could run waited for a CPU: bpf/metrics/runqlat.bpf.c.
import { latencyCollector } from './latencies.js';

const MS = 1e6;
const BOUNDS = [0.1 * MS, MS, 5 * MS, 10 * MS, 20 * MS, 50 * MS, 100 * MS];
const CONTAINER_BOUNDS = [MS, 10 * MS, 20 * MS, 50 * MS];

export const runqlat = latencyCollector({
  name: 'runqlat',
  about: 'how long tasks that could run waited for a CPU',
  families: [
    { name: 'latency_seconds', help: 'waits for a CPU', type: 'histogram' },
    { name: 'container_latency_seconds', help: 'waits for a CPU, by container', type: 'histogram' },
  ],
  bounds: BOUNDS,
  containerBounds: CONTAINER_BOUNDS,
});
