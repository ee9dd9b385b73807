// SPDX-License-Identifier: Apache-2.0
// What disks do: /proc/diskstats (Documentation/admin-guide/iostats.rst).
import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { readSmall } from '../procfs/file.js';
import { fields } from '../procfs/tables.js';
import { collector, type Sample } from './collector.js';
import { need, pattern } from './files.js';

const SECTOR = 512;
const OPERATIONS = [
  ['read', 3],
  ['write', 7],
  ['discard', 14],
] as const;

export const disk = collector({
  name: 'disk',
  about: 'requests, bytes, time and utilization of disks',
  families: [
    { name: 'requests_total', help: 'requests that were completed, by operation', type: 'counter' },
    { name: 'bytes_total', help: 'bytes that they moved', type: 'counter' },
    { name: 'request_seconds_total', help: 'time that they took together', type: 'counter' },
    { name: 'busy_seconds_total', help: 'time in which a request was under way', type: 'counter' },
    { name: 'requests_in_flight', help: 'requests under way', type: 'gauge' },
  ],
  options: z.strictObject({
    exclude: pattern.default('^(loop|ram|zram)\\d+$').describe('devices that are left out'),
  }),
  start({ targets }, { exclude }) {
    need('/proc/diskstats');
    const excluded = new RegExp(exclude);
    return {
      async collect() {
        const samples = {
          requests_total: [] as Sample[],
          bytes_total: [] as Sample[],
          request_seconds_total: [] as Sample[],
          busy_seconds_total: [] as Sample[],
          requests_in_flight: [] as Sample[],
        };
        const disks = new Set(await readdir('/sys/block'));
        for (const line of fields(readSmall('/proc/diskstats'))) {
          const device = line[2]!;
          // Partitions are counted in their disks.
          if (!disks.has(device.replaceAll('/', '!')) || excluded.test(device)) continue;
          const labels = { ...targets.host, device };
          for (const [operation, at] of OPERATIONS) {
            // Kernels before 4.18 do not tell of discards.
            if (line[at] === undefined) continue;
            const named = { ...labels, operation };
            samples.requests_total.push({ labels: named, value: Number(line[at]) });
            samples.bytes_total.push({ labels: named, value: Number(line[at + 2]) * SECTOR });
            samples.request_seconds_total.push({ labels: named, value: Number(line[at + 3]) / 1000 });
          }
          samples.requests_in_flight.push({ labels, value: Number(line[11]) });
          samples.busy_seconds_total.push({ labels, value: Number(line[12]) / 1000 });
        }
        return samples;
      },
    };
  },
});
