// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { drainAfter, ended, offCpu, onCpu, open, rowsOf, startTasks } from './helpers.js';

const unified = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified';
const hierarchies = [
  ['cpu', '/sys/fs/cgroup/cpu'],
  ['memory', '/sys/fs/cgroup/memory'],
  ['pids', '/sys/fs/cgroup/pids'],
  ['v2', unified],
] as const;

test.each(hierarchies.filter(([, folder]) => existsSync(path.join(folder, 'cgroup.procs'))))(
  'a cgroup of %s is sampled, the same program outside of it is not',
  async (cgroupHierarchy, folder) => {
    const group = path.join(folder, `stackwell-test-${process.pid}`);
    mkdirSync(group);
    const inside = [startTasks('shares', '10'), startTasks('sleeps', '10')];
    const outside = [startTasks('shares', '10'), startTasks('sleeps', '10')];
    onTestFinished(async () => {
      for (const child of inside) child.kill('SIGKILL');
      await Promise.all(inside.map(ended));
      await sleep(50);
      rmdirSync(group);
    });
    for (const { pid } of inside) writeFileSync(path.join(group, 'cgroup.procs'), String(pid));
    const id = statSync(group, { bigint: true }).ino;
    const profiler = open(onCpu(), offCpu(), { cgroupHierarchy, scope: { kind: 'cgroups', ids: [id] } });
    const drained = await drainAfter(profiler, 1200);
    const rows = rowsOf(drained);
    expect(new Set(rows.map(row => row.pid))).toEqual(new Set(inside.map(({ pid }) => pid)));
    expect(new Set(rows.map(row => row.cgroup))).toEqual(new Set([id]));
    expect(new Set(rows.map(row => row.kind))).toEqual(new Set([0, 1]));

    // On the host scope both are seen, each under its own cgroup.
    profiler.setScope({ kind: 'host' });
    await profiler.drain();
    const all = rowsOf(await drainAfter(profiler, 600));
    expect(all.find(row => row.pid === inside[0]!.pid)?.cgroup).toBe(id);
    expect(all.find(row => row.pid === outside[0]!.pid)?.cgroup).not.toBe(id);
  },
);
