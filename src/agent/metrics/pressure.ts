// SPDX-License-Identifier: Apache-2.0
// Pressure stall information (Linux 4.20): of the host, and where cgroup v2 has the controllers, of each container.
import { z } from 'zod';
import { readSmall } from '../procfs/file.js';
import { pressure as parse } from '../procfs/tables.js';
import { collector, type Sample } from './collector.js';
import { need, readOf } from './files.js';

const RESOURCES = ['cpu', 'memory', 'io', 'irq'] as const;

export const pressure = collector({
  name: 'pressure',
  about: 'how long tasks waited for CPU, memory, IO and interrupts (PSI)',
  families: [
    { name: 'waiting_seconds_total', help: 'time in which some task waited, by resource', type: 'counter' },
    { name: 'stalled_seconds_total', help: 'time in which all tasks waited, by resource', type: 'counter' },
    {
      name: 'container_waiting_seconds_total',
      help: 'time in which some task of a container waited, by resource',
      type: 'counter',
    },
    {
      name: 'container_stalled_seconds_total',
      help: 'time in which all tasks of a container waited, by resource',
      type: 'counter',
    },
  ],
  options: z.strictObject({}),
  start({ targets }) {
    need('/proc/pressure/cpu');
    return {
      async collect() {
        const samples: Record<string, Sample[]> = {};
        const add = (kind: string, labels: Record<string, string>, text: string | null) => {
          const total = parse(text);
          if (total === null) return;
          for (const [name, us] of [
            ['waiting', total.some],
            ['stalled', total.full],
          ] as const) {
            samples[`${kind}${name}_seconds_total`] ??= [];
            samples[`${kind}${name}_seconds_total`]!.push({ labels, value: us / 1e6 });
          }
        };
        for (const resource of RESOURCES)
          add('', { ...targets.host, resource }, readSmall(`/proc/pressure/${resource}`, 4096));
        for await (const container of targets.present())
          for (const resource of RESOURCES)
            add(
              'container_',
              { ...container.labels, resource },
              readOf(container, 'v2', `${resource}.pressure`),
            );
        return samples;
      },
    };
  },
});
