// SPDX-License-Identifier: Apache-2.0
// How long tasks were held up to free memory: bpf/metrics/reclaim.bpf.c.
import { z } from 'zod';
import { collector } from './collector.js';
import { boundsKnob, histogram, Latencies } from './latencies.js';

const MS = 1e6;
const BOUNDS = [0.1 * MS, MS, 10 * MS, 100 * MS, 1000 * MS];
const CONTAINER_BOUNDS = [MS, 10 * MS, 100 * MS, 1000 * MS];
/** enum sw_reclaim */
const KINDS = ['direct', 'memcg', 'compaction', 'kswapd'];

export const reclaim = collector({
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
  options: z.strictObject({}),
  start({ watch, targets }) {
    const latencies = new Latencies(watch({ knobs: boundsKnob(BOUNDS) }), targets, BOUNDS);
    return {
      overflow: () => latencies.overflow(),
      async collect() {
        const rows = await latencies.read();
        const kind = (what: number) => KINDS[what] ?? String(what);
        return {
          latency_seconds: rows
            .filter(({ container }) => container === null)
            .flatMap(row => histogram({ ...targets.host, kind: kind(row.what) }, row, BOUNDS)),
          container_latency_seconds: rows.flatMap(row =>
            row.container === null
              ? []
              : histogram({ ...row.container, kind: kind(row.what) }, row, BOUNDS, CONTAINER_BOUNDS),
          ),
        };
      },
    };
  },
});
