// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { countOf, drainAfter, ended, onCpu, open, rowsOf, secondsOf, startTasks, tasks } from './helpers.js';

test('60/30/10 % in three functions, by frame pointers, with the way there', async () => {
  const { pid } = startTasks('shares', '20');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] } });
  const drained = await drainAfter(profiler, 4000);
  const rows = rowsOf(drained);
  const all = secondsOf(rows);
  expect(all).toBeGreaterThan(0.5);
  for (const [name, share] of [
    ['burn_some', 0.6],
    ['burn_less', 0.3],
    ['burn_little', 0.1],
  ] as const) {
    const here = rows.filter(row => row.frames.includes(name));
    expect(secondsOf(here) / all, name).toBeGreaterThan(share - 0.05);
    expect(secondsOf(here) / all, name).toBeLessThan(share + 0.05);
    // An interrupt leaves the user part's leaf exact; its callers are return addresses.
    const plain = here.filter(row => row.frames[0] === name);
    expect(plain.length).toBeGreaterThan(0);
    for (const row of plain) {
      expect(row.exact.map(Number)).toEqual([1, ...row.frames.slice(1).map(() => 0)]);
    }
    // One that was interrupted before its frame was made, or when it was gone, lacks its caller: that is frame pointers.
    const whole = plain.filter(row => row.frames[1] !== 'main');
    for (const row of whole) expect(row.frames.slice(1, 3)).toEqual(['shares', 'main']);
    expect(countOf(whole) / countOf(plain), name).toBeGreaterThan(0.99);
  }
  for (const row of rows) {
    expect(row).toMatchObject({
      kind: 0,
      pid,
      tid: pid,
      comm: 'tasks',
      executable: tasks,
      state: 0,
      phase: 0,
    });
    expect(row.value).toBeCloseTo((row.count * 1e9) / 499, -3);
  }
  expect(drained.processes.parent[0]).toBe(process.pid);
  expect(drained.processes.alive[0]).toBe(1);
  expect(drained.processes.startNs[0]).toBeGreaterThan(0n);
  expect(drained.processes.startNs[0]).toBeLessThan(drained.endNs);
  const executable = drained.processes.executableMapping[0]!;
  expect(drained.mappings.path[executable]).toBe(tasks);
  expect(drained.mappings.inode[executable]).toBeGreaterThan(0n);
  expect(Object.values(drained.lost).every(n => n === 0)).toBe(true);
});

test('kernel and user part are one stack, kernel first', async () => {
  const { pid } = startTasks('kernel', '10');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] } });
  const rows = rowsOf(await drainAfter(profiler, 2000));
  const inKernel = rows.filter(row => row.frames[0] === '[kernel]');
  expect(countOf(inKernel) / countOf(rows)).toBeGreaterThan(0.5);
  for (const row of inKernel) {
    const user = row.frames.findIndex(frame => frame !== '[kernel]');
    expect(row.frames.slice(user)).not.toContain('[kernel]');
    expect(row.exact[0]).toBe(1);
  }
  const reading = inKernel.filter(row => row.frames.includes('read_zeros'));
  expect(countOf(reading) / countOf(inKernel)).toBeGreaterThan(0.9);
  // Entered by a system call: the user part's leaf is a return address.
  const bySyscall = reading.filter(row => row.exact[row.frames.indexOf('read_zeros')] === 0);
  expect(countOf(bySyscall) / countOf(reading)).toBeGreaterThan(0.9);
});

test('a process scope takes children that start later, and not the rest of the host', async () => {
  const parent = startTasks('parent', '5');
  const other = startTasks('shares', '5');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [parent.pid] } });
  parent.stdin!.write('go\n');
  const child = Number(await new Promise<Buffer>(resolve => parent.stdout!.once('data', resolve)));
  const drained = await drainAfter(profiler, 1500);
  const rows = rowsOf(drained);
  const pids = new Set(rows.map(row => row.pid));
  pids.delete(parent.pid); // it may be seen while it forks
  expect(pids).toEqual(new Set([child]));
  expect(countOf(rows, row => row.frames.includes('shares')) / countOf(rows)).toBeGreaterThan(0.95);
  expect(rows.find(row => row.pid === child)!.parent).toBe(parent.pid);
  expect(drained.skipped.out_of_scope).toBeGreaterThan(0);

  // Another scope at run time: the programs that follow children are no longer attached.
  profiler.setScope({ kind: 'processes', pids: [other.pid] });
  await profiler.drain();
  const later = rowsOf(await drainAfter(profiler, 500));
  expect(new Set(later.map(row => row.pid))).toEqual(new Set([other.pid]));
});

test('excluded processes are not sampled', async () => {
  const [seen, excluded] = [startTasks('shares', '5'), startTasks('shares', '5')];
  const profiler = open(onCpu(), { excludePids: [excluded.pid] });
  const drained = await drainAfter(profiler, 1000);
  const pids = new Set(rowsOf(drained).map(row => row.pid));
  expect(pids).toContain(seen.pid);
  expect(pids).not.toContain(excluded.pid);
  expect(drained.skipped.excluded).toBeGreaterThan(0);
});

test('200 processes of 20 ms, one after another: 95 % of their samples have mappings', async () => {
  const profiler = open(onCpu());
  const series = startTasks('series', '200');
  await Promise.race([ended(series), sleep(50_000)]);
  const drained = await profiler.drain();
  const rows = rowsOf(drained).filter(row => row.parent === series.pid);
  const pids = new Set(rows.map(row => row.pid));
  expect(pids.size).toBeGreaterThan(190);
  const inUser = rows.filter(row => row.frames.some(frame => frame !== '[kernel]'));
  const mapped = countOf(inUser, row => !row.frames.includes('[unmapped]'));
  expect(mapped / countOf(inUser)).toBeGreaterThan(0.95);
  const burning = rows.filter(row => row.frames.some(frame => frame.startsWith('burn_')));
  expect(new Set(burning.map(row => row.pid)).size).toBeGreaterThan(190);
  for (const row of burning) expect(row).toMatchObject({ comm: 'exe', executable: tasks });
  // The kernel gives the build id with the record, so the name survives the process.
  const mapping = drained.mappings.path.indexOf(tasks);
  expect(drained.mappings.buildId[mapping]).toMatch(/^[0-9a-f]{40}$/);
  expect(drained.lost.sideband_lost).toBe(0);

  // Their entries go once their samples are handed over.
  await drainAfter(profiler, 1100);
  await drainAfter(profiler, 100);
  expect(profiler.memory.processes).toBeLessThan(150);
});

test('full counts: what is there goes on counting, the rest is counted as lost, and nothing else is missing', async () => {
  const { pid } = startTasks('shares', '10');
  const profiler = open(onCpu(997), { maxSamples: 4 });
  const drained = await drainAfter(profiler, 1500);
  expect(drained.samples.kind.length).toBeLessThanOrEqual(4);
  expect(drained.lost.counts_full).toBeGreaterThan(0);
  // Each CPU's clock ticks 997 times a second while it is not idle; idle ticks are counted too.
  const counted = countOf(rowsOf(drained));
  expect(counted).toBeGreaterThan(0);
  const all = counted + drained.lost.counts_full + drained.skipped.idle;
  const one = (997 * Number(drained.endNs - drained.startNs)) / 1e9;
  expect(all).toBeGreaterThan(one * 0.8);

  // Over the same time, a scope of one process with room for all gives as much as a scope without.
  const roomy = open(onCpu(997), { scope: { kind: 'processes', pids: [pid] } });
  const tight = open(onCpu(997), { scope: { kind: 'processes', pids: [pid] }, maxSamples: 1 });
  // One was attached a moment before the other.
  await Promise.all([roomy.drain(), tight.drain()]);
  await sleep(1500);
  const [a, b] = await Promise.all([roomy.drain(), tight.drain()]);
  const lost = b.lost.counts_full;
  expect(lost).toBeGreaterThan(0);
  const [inRoomy, inTight] = [countOf(rowsOf(a)), countOf(rowsOf(b)) + lost];
  expect(Math.abs(inTight - inRoomy) / inRoomy).toBeLessThan(0.05);
});
