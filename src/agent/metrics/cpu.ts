// SPDX-License-Identifier: Apache-2.0
// Who uses the CPU, and who may not: /proc/stat, and cpu and cpuacct of each container.
import { z } from 'zod';
import { readSmall } from '../procfs/file.js';
import { fields, keyed, number } from '../procfs/tables.js';
import { collector, type Sample } from './collector.js';
import { need, readOf, USER_HZ } from './files.js';
import type { PresentContainer } from './targets.js';

/** Columns of the `cpu` lines of /proc/stat. Guests' time is in user and nice, too: it is left out. */
const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;

interface Throttling {
  periods: number;
  throttled: number;
  seconds: number;
}

/** Seconds by mode; null when neither hierarchy tells. */
function used(
  container: PresentContainer,
  stat: Map<string, number>,
): { user: number; system: number } | null {
  if (stat.has('user_usec'))
    return { user: stat.get('user_usec')! / 1e6, system: (stat.get('system_usec') ?? 0) / 1e6 };
  const v1 = keyed(readOf(container, 'cpuacct', 'cpuacct.stat'));
  if (!v1.has('user')) return null;
  return { user: v1.get('user')! / USER_HZ, system: (v1.get('system') ?? 0) / USER_HZ };
}

function throttling(stat: Map<string, number>): Throttling {
  const periods = stat.get('nr_periods') ?? 0;
  const ns = stat.get('throttled_time');
  const seconds = ns === undefined ? (stat.get('throttled_usec') ?? 0) / 1e6 : ns / 1e9;
  return { periods, throttled: stat.get('nr_throttled') ?? 0, seconds };
}

/** Cores that a container may use; null while it may use all. */
function limit(container: PresentContainer): number | null {
  if (container.unified) {
    const [max, of] = (readOf(container, 'cpu', 'cpu.max') ?? 'max').trim().split(' ');
    return max === 'max' ? null : Number(max) / Number(of);
  }
  const quota = number(readOf(container, 'cpu', 'cpu.cfs_quota_us'));
  if (quota === null || quota < 0) return null;
  const period = number(readOf(container, 'cpu', 'cpu.cfs_period_us'));
  return period === null ? null : quota / period;
}

export const cpu = collector({
  name: 'cpu',
  about: 'CPU time by mode and container, throttling, load',
  families: [
    { name: 'seconds_total', help: 'CPU time of all CPUs, by mode', type: 'counter' },
    { name: 'online', help: 'CPUs that are online', type: 'gauge' },
    { name: 'runnable_tasks', help: 'tasks that run or wait for a CPU', type: 'gauge' },
    { name: 'blocked_tasks', help: 'tasks that wait for IO', type: 'gauge' },
    { name: 'load1', help: 'load average of a minute', type: 'gauge' },
    { name: 'load5', help: 'load average of five minutes', type: 'gauge' },
    { name: 'load15', help: 'load average of fifteen minutes', type: 'gauge' },
    { name: 'context_switches_total', help: 'context switches', type: 'counter' },
    { name: 'forks_total', help: 'processes and threads that were started', type: 'counter' },
    { name: 'container_seconds_total', help: 'CPU time of a container, by mode', type: 'counter' },
    { name: 'container_limit_cores', help: 'cores that a container may use, where limited', type: 'gauge' },
    { name: 'container_periods_total', help: 'periods in which a limited container ran', type: 'counter' },
    { name: 'container_throttled_periods_total', help: 'those in which it was stopped', type: 'counter' },
    {
      name: 'container_throttled_seconds_total',
      help: 'how long its threads were stopped',
      type: 'counter',
    },
  ],
  options: z.strictObject({}),
  start({ targets }) {
    need('/proc/stat');
    return {
      async collect() {
        const { host } = targets;
        const lines = new Map(fields(readSmall('/proc/stat')).map(([name, ...values]) => [name, values]));
        const one = (value: unknown): Sample[] => [{ labels: host, value: Number(value) }];
        const [load1, load5, load15] = (readSmall('/proc/loadavg') ?? '').split(' ');
        const samples = {
          seconds_total: MODES.map((mode, at) => ({
            labels: { ...host, mode },
            value: Number(lines.get('cpu')?.[at] ?? 0) / USER_HZ,
          })),
          online: one([...lines.keys()].filter(name => /^cpu\d/.test(name!)).length),
          runnable_tasks: one(lines.get('procs_running')?.[0]),
          blocked_tasks: one(lines.get('procs_blocked')?.[0]),
          load1: one(load1),
          load5: one(load5),
          load15: one(load15),
          context_switches_total: one(lines.get('ctxt')?.[0]),
          forks_total: one(lines.get('processes')?.[0]),
          container_seconds_total: [] as Sample[],
          container_limit_cores: [] as Sample[],
          container_periods_total: [] as Sample[],
          container_throttled_periods_total: [] as Sample[],
          container_throttled_seconds_total: [] as Sample[],
        };
        for await (const container of targets.present()) {
          const { labels } = container;
          const stat = keyed(readOf(container, 'cpu', 'cpu.stat'));
          for (const [mode, value] of Object.entries(used(container, stat) ?? {}))
            samples.container_seconds_total.push({ labels: { ...labels, mode }, value });
          const cores = limit(container);
          if (cores !== null) samples.container_limit_cores.push({ labels, value: cores });
          const stopped = throttling(stat);
          if (cores === null && stopped.periods === 0) continue;
          samples.container_periods_total.push({ labels, value: stopped.periods });
          samples.container_throttled_periods_total.push({ labels, value: stopped.throttled });
          samples.container_throttled_seconds_total.push({ labels, value: stopped.seconds });
        }
        return samples;
      },
    };
  },
});
