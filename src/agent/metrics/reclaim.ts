// SPDX-License-Identifier: Apache-2.0
// How long tasks were held up to free memory: bpf/metrics/reclaim.bpf.c.
import { latencyCollector } from './latencies.js';

const MS = 1e6;
const BOUNDS = [0.1 * MS, MS, 10 * MS, 100 * MS, 1000 * MS];
const CONTAINER_BOUNDS = [MS, 10 * MS, 100 * MS, 1000 * MS];
/** enum sw_reclaim */
const KINDS = ['direct', 'memcg', 'compaction', 'kswapd'];

export const reclaim = latencyCollector({
  name: 'reclaim',
  about:
    'how long tasks were held up to free memory (direct reclaim, limits of cgroups, compaction), and kswapd',
  families: [
    { name: 'latency_seconds', help: 'time to free memory, by kind', type: 'histogram' },
    {
      name: 'container_latency_seconds',
      help: 'time in which tasks of a container had to free memory, by kind',
      type: 'histogram',
    },
  ],
  bounds: BOUNDS,
  containerBounds: CONTAINER_BOUNDS,
  describe: () => row => ({
    family: 'latency_seconds',
    labels: { kind: KINDS[row.what] ?? String(row.what) },
  }),
});
