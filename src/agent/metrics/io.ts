// SPDX-License-Identifier: Apache-2.0
// How long requests to disks took: bpf/metrics/io.bpf.c.
import { z } from 'zod';
import { readSmall } from '../procfs/file.js';
import { fields } from '../procfs/tables.js';
import { collector, type Sample } from './collector.js';
import { boundsKnob, histogram, Latencies } from './latencies.js';

const MS = 1e6;
const BOUNDS = [0.1 * MS, MS, 5 * MS, 20 * MS, 50 * MS, 100 * MS, 200 * MS, 400 * MS];
const CONTAINER_BOUNDS = [MS, 20 * MS, 100 * MS, 400 * MS];
const STAGES = ['queue_to_completion', 'device_to_completion'];

/** Names of disks, by major << 20 | minor. */
function diskNames(): Map<number, string> {
  return new Map(
    fields(readSmall('/proc/diskstats')).map(([major, minor, name]) => [
      (Number(major) << 20) | Number(minor),
      name!,
    ]),
  );
}

export const io = collector({
  name: 'io',
  about: 'how long requests to disks took, in the queue and in the device, by disk and container',
  families: [
    { name: 'queue_to_completion_seconds', help: 'from being made (Q2C)', type: 'histogram' },
    { name: 'device_to_completion_seconds', help: 'from being given to the device (D2C)', type: 'histogram' },
    { name: 'container_queue_to_completion_seconds', help: 'Q2C of a container', type: 'histogram' },
    { name: 'container_device_to_completion_seconds', help: 'D2C of a container', type: 'histogram' },
  ],
  options: z.strictObject({}),
  start({ watch, targets, tracepointArguments }) {
    // Its first argument, the queue, is gone since 5.11.
    const omit =
      tracepointArguments('block_rq_issue') === 1
        ? ['sw_io_insert_5_8', 'sw_io_issue_5_8']
        : ['sw_io_insert', 'sw_io_issue'];
    const latencies = new Latencies(watch({ knobs: boundsKnob(BOUNDS), omit }), targets, BOUNDS);
    return {
      overflow: () => latencies.overflow(),
      async collect() {
        const rows = await latencies.read();
        const names = diskNames();
        const samples: Record<string, Sample[]> = {};
        for (const row of rows) {
          const family = `${row.container === null ? '' : 'container_'}${STAGES[row.stage]}_seconds`;
          const disk = names.get(row.what) ?? `${row.what >> 20}:${row.what & 0xfffff}`;
          samples[family] ??= [];
          samples[family]!.push(
            ...(row.container === null
              ? histogram({ ...targets.host, disk }, row, BOUNDS)
              : histogram({ ...row.container, disk }, row, BOUNDS, CONTAINER_BOUNDS)),
          );
        }
        return samples;
      },
    };
  },
});
