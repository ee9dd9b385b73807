// SPDX-License-Identifier: Apache-2.0
// How long requests to disks took: bpf/metrics/io.bpf.c.
import { readSmall } from '../procfs/file.js';
import { fields } from '../procfs/tables.js';
import { latencyCollector } from './latencies.js';

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

export const io = latencyCollector({
  name: 'io',
  about: 'how long requests to disks took, in the queue and in the device, by disk and container',
  families: [
    { name: 'queue_to_completion_seconds', help: 'from being made (Q2C)', type: 'histogram' },
    { name: 'device_to_completion_seconds', help: 'from being given to the device (D2C)', type: 'histogram' },
    { name: 'container_queue_to_completion_seconds', help: 'Q2C of a container', type: 'histogram' },
    { name: 'container_device_to_completion_seconds', help: 'D2C of a container', type: 'histogram' },
  ],
  bounds: BOUNDS,
  containerBounds: CONTAINER_BOUNDS,
  // Its first argument, the queue, is gone since 5.11.
  omit: ({ tracepointArguments }) =>
    tracepointArguments('block_rq_issue') === 1
      ? ['sw_io_insert_5_8', 'sw_io_issue_5_8']
      : ['sw_io_insert', 'sw_io_issue'],
  describe() {
    const names = diskNames();
    return ({ what, stage }) => ({
      family: `${STAGES[stage]}_seconds`,
      labels: { disk: names.get(what) ?? `${what >> 20}:${what & 0xfffff}` },
    });
  },
});
