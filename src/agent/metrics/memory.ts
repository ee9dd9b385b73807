// SPDX-License-Identifier: Apache-2.0
// Where memory is, and what the kernel does to get some: meminfo, vmstat, buddyinfo, and memory of each container.
import { z } from 'zod';
import { readSmall } from '../procfs/file.js';
import { fields, keyed, number } from '../procfs/tables.js';
import { collector, type Sample } from './collector.js';
import { need, readOf } from './files.js';
import type { PresentContainer } from './targets.js';

const MEMINFO = {
  MemTotal: 'total',
  MemFree: 'free',
  MemAvailable: 'available',
  Buffers: 'buffers',
  Cached: 'cached',
  AnonPages: 'anon',
  Shmem: 'shmem',
  Slab: 'slab',
  SReclaimable: 'slab_reclaimable',
  KernelStack: 'kernel_stack',
  PageTables: 'page_tables',
  Dirty: 'dirty',
  Writeback: 'writeback',
  SwapTotal: 'swap_total',
  SwapFree: 'swap_free',
} as const;

const VMSTAT = [
  ...[
    'pgscan_kswapd',
    'pgscan_direct',
    'pgsteal_kswapd',
    'pgsteal_direct',
    'pgmajfault',
    'pswpin',
    'pswpout',
  ],
  ...['allocstall_dma32', 'allocstall_normal', 'allocstall_movable', 'compact_stall', 'compact_fail'],
  ...[
    'compact_success',
    'oom_kill',
    'workingset_refault_anon',
    'workingset_refault_file',
    'kswapd_low_wmark_hit_quickly',
  ],
  ...['thp_fault_alloc', 'thp_fault_fallback', 'drop_pagecache'],
];
/** Of memory.stat; those of v1 count the cgroups below where they begin with total_. */
const CONTAINER_EVENTS = [
  'pgmajfault',
  'pgscan',
  'pgsteal',
  'workingset_refault_anon',
  'workingset_refault_file',
];

interface Memory {
  bytes: Record<string, number | null | undefined>;
  events: Record<string, number | undefined>;
}

function v2(container: PresentContainer): Memory | null {
  const usage = number(readOf(container, 'memory', 'memory.current'));
  if (usage === null) return null;
  const stat = keyed(readOf(container, 'memory', 'memory.stat'));
  const events = keyed(readOf(container, 'memory', 'memory.events'));
  return {
    bytes: {
      usage,
      limit: number(readOf(container, 'memory', 'memory.max')),
      anon: stat.get('anon'),
      file: stat.get('file'),
      kernel: stat.get('kernel'),
      swap: number(readOf(container, 'memory', 'memory.swap.current')),
    },
    events: {
      ...Object.fromEntries(CONTAINER_EVENTS.map(name => [name, stat.get(name)])),
      ...Object.fromEntries(['low', 'high', 'max', 'oom', 'oom_kill'].map(name => [name, events.get(name)])),
    },
  };
}

/** What v1 gives as the limit of what has none. */
const UNLIMITED = 2 ** 62;

function v1(container: PresentContainer): Memory | null {
  const usage = number(readOf(container, 'memory', 'memory.usage_in_bytes'));
  if (usage === null) return null;
  const stat = keyed(readOf(container, 'memory', 'memory.stat'));
  const limit = number(readOf(container, 'memory', 'memory.limit_in_bytes'));
  return {
    bytes: {
      usage,
      limit: limit === null || limit > UNLIMITED ? null : limit,
      anon: stat.get('total_rss'),
      file: stat.get('total_cache'),
      kernel: number(readOf(container, 'memory', 'memory.kmem.usage_in_bytes')),
      swap: stat.get('total_swap'),
    },
    events: {
      ...Object.fromEntries(CONTAINER_EVENTS.map(name => [name, stat.get(`total_${name}`)])),
      max: number(readOf(container, 'memory', 'memory.failcnt')) ?? undefined,
      oom_kill: keyed(readOf(container, 'memory', 'memory.oom_control')).get('oom_kill'),
    },
  };
}

export const memory = collector({
  name: 'memory',
  about: 'memory of the host and of containers, reclaim, compaction, OOM kills, free blocks',
  families: [
    { name: 'bytes', help: 'memory of the host, by kind (/proc/meminfo)', type: 'gauge' },
    { name: 'vm_events_total', help: 'what the kernel did to get memory (/proc/vmstat)', type: 'counter' },
    { name: 'free_blocks', help: 'free blocks of 2^order pages (/proc/buddyinfo)', type: 'gauge' },
    { name: 'container_bytes', help: 'memory of a container, by kind', type: 'gauge' },
    {
      name: 'container_events_total',
      help: 'what happened to the memory of a container; without series until it does',
      type: 'counter',
    },
  ],
  options: z.strictObject({
    vmstat: z.array(z.string()).default(VMSTAT).describe('lines of /proc/vmstat'),
  }),
  start({ targets }, { vmstat }) {
    need('/proc/meminfo');
    return {
      async collect() {
        const { host } = targets;
        const meminfo = new Map(fields(readSmall('/proc/meminfo')).map(([name, kB]) => [name, Number(kB)]));
        const counts = keyed(readSmall('/proc/vmstat'));
        const samples = {
          bytes: Object.entries(MEMINFO).flatMap(([name, kind]): Sample[] => {
            const kB = meminfo.get(`${name}:`);
            return kB === undefined ? [] : [{ labels: { ...host, kind }, value: kB * 1024 }];
          }),
          vm_events_total: vmstat.flatMap((event): Sample[] => {
            const value = counts.get(event);
            return value === undefined ? [] : [{ labels: { ...host, event }, value }];
          }),
          free_blocks: fields(readSmall('/proc/buddyinfo')).flatMap(([, node = '', , zone = '', ...blocks]) =>
            blocks.map((count, order) => ({
              labels: { ...host, node: node.replace(',', ''), zone, order: String(order) },
              value: Number(count),
            })),
          ),
          container_bytes: [] as Sample[],
          container_events_total: [] as Sample[],
        };
        for await (const container of targets.present()) {
          const found = container.unified ? v2(container) : v1(container);
          for (const [kind, value] of Object.entries(found?.bytes ?? {}))
            if (value != null) samples.container_bytes.push({ labels: { ...container.labels, kind }, value });
          for (const [event, value] of Object.entries(found?.events ?? {}))
            if (value) samples.container_events_total.push({ labels: { ...container.labels, event }, value });
        }
        return samples;
      },
    };
  },
});
