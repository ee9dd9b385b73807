// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Scope } from '#native/bpf';
import { countOf, drainAfter, offCpu, open, rowsOf, runSeconds, secondsOf, startTasks } from './helpers.js';

const BLOCKED = 0;
const RUNQUEUE = 1;
const PREEMPTED = 2;

const captures = [
  ['sched_exit_tp', {}],
  ['switch_out', {}],
  ['switch_out', { legacy: true }],
  ['sched_exit_tp', { legacy: true }],
] as const;

test.each(captures)('sleeps of 70 and 30 ms, stacks taken by %s %o', async (capture, more) => {
  const { pid } = startTasks('sleeps', '20');
  const profiler = open(offCpu({ capture, ...more }), { scope: { kind: 'processes', pids: [pid] } });
  expect(profiler.chosen.offCpuCapture).toBe(capture);
  await sleep(150); // the programs for old kernels do not see who slept before
  await profiler.drain();
  const drained = await drainAfter(profiler, 4000);
  const rows = rowsOf(drained);
  const blocked = rows.filter(row => row.phase === BLOCKED);
  const all = secondsOf(blocked);
  // Without an iterator what is open at the end is left out, and what was open at the start is in: at most 70 ms.
  const tolerance = 'legacy' in more ? 0.07 / 4 : 0;
  expect(all / runSeconds(drained)).toBeGreaterThan(0.95 - tolerance);
  expect(all / runSeconds(drained)).toBeLessThan(1 + tolerance);
  for (const [name, share] of [
    ['sleep_long', 0.7],
    ['sleep_short', 0.3],
  ] as const) {
    const here = blocked.filter(row => row.frames.includes(name));
    expect(secondsOf(here) / all, name).toBeGreaterThan(share - 0.05);
    expect(secondsOf(here) / all, name).toBeLessThan(share + 0.05);
    for (const row of here) {
      expect(row.state).toBe(1);
      expect(row.frames[0]).toBe('[kernel]');
      expect(row.frames.slice(row.frames.indexOf(name) + 1).slice(0, 2)).toEqual(['sleeps', 'main']);
    }
    // Open and finished intervals show the same stack.
    expect(new Set(here.map(row => row.frames.join())).size).toBe(1);
  }
  expect(drained.lost).toMatchObject({ stack_missing: 0, counts_full: 0, task_state_full: 0 });
  // A kernel may keep programs from running while some other process is on the CPU: a few wakeups are not seen then.
  expect(drained.lost.missed_wakeup).toBeLessThan(countOf(blocked) / 5);
});

test('who has been stuck since before is counted up to now, window after window', async () => {
  const { pid } = startTasks('stuck');
  await sleep(200);
  const profiler = open(offCpu(), { scope: { kind: 'processes', pids: [pid] } });
  for (let window = 0; window < 3; window++) {
    const drained = await drainAfter(profiler, 700);
    const rows = rowsOf(drained);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ kind: 1, phase: BLOCKED, state: 1, pid, tid: pid, count: 1 });
    expect(rows[0]!.frames.filter(frame => frame !== '[kernel]').slice(0, 3)).toEqual([
      'stuck',
      'wait_forever',
      'main',
    ]);
    const ratio = rows[0]!.value / 1e9 / runSeconds(drained);
    expect(ratio).toBeGreaterThan(0.95);
    expect(ratio).toBeLessThan(1.02);
    expect(drained.lost.stack_missing).toBe(0);
  }
});

test('three that burn on one CPU wait two thirds of the time, preempted', async () => {
  const pids = [0, 1, 2].map(() => startTasks('shares', '20', ['taskset', '-c', '0']).pid);
  await sleep(300);
  const profiler = open(offCpu({ minNs: 0 }), { scope: { kind: 'processes', pids } });
  const drained = await drainAfter(profiler, 3000);
  const rows = rowsOf(drained);
  for (const pid of pids) {
    const own = rows.filter(row => row.pid === pid);
    const preempted = secondsOf(own, row => row.phase === PREEMPTED) / runSeconds(drained);
    expect(preempted).toBeGreaterThan(0.55);
    expect(preempted).toBeLessThan(1);
    expect(secondsOf(own, row => row.phase === BLOCKED)).toBeLessThan(0.1);
    expect(countOf(own, row => row.frames.includes('shares')) / countOf(own)).toBeGreaterThan(0.9);
  }
});

test('who wakes up on a busy CPU waits in its run queue', async () => {
  for (let i = 0; i < 3; i++) startTasks('shares', '20', ['taskset', '-c', '0']);
  const { pid } = startTasks('sleeps', '20', ['taskset', '-c', '0', 'nice', '-n', '10']);
  await sleep(500);
  const profiler = open(offCpu({ minNs: 0 }), { scope: { kind: 'processes', pids: [pid] } });
  const drained = await drainAfter(profiler, 4000);
  const rows = rowsOf(drained);
  const waiting = secondsOf(rows, row => row.phase === RUNQUEUE);
  expect(waiting).toBeGreaterThan(0.02);
  for (const row of rows) if (row.phase === RUNQUEUE) expect(row.state).toBe(0);
  // The phases do not overlap: together they are no longer than the run.
  expect(secondsOf(rows)).toBeLessThan(runSeconds(drained) * 1.001);
});

test('minimum, maximum, state mask and phases', async () => {
  const { pid } = startTasks('sleeps', '20');
  const scope: Scope = { kind: 'processes', pids: [pid] };
  const only = async (some: Parameters<typeof offCpu>[0]) => {
    const profiler = open(offCpu(some), { scope });
    await sleep(100);
    await profiler.drain();
    const drained = await drainAfter(profiler, 800);
    profiler.close();
    const rows = rowsOf(drained);
    return {
      drained,
      long: secondsOf(rows, row => row.frames.includes('sleep_long')),
      short: secondsOf(rows, row => row.frames.includes('sleep_short')),
    };
  };
  const minimum = await only({ minNs: 50_000_000 });
  expect(minimum.long).toBeGreaterThan(0.4);
  expect(minimum.short).toBe(0);
  expect(minimum.drained.skipped.too_short).toBeGreaterThan(0);
  const maximum = await only({ maxNs: 50_000_000 });
  expect(maximum.short).toBeGreaterThan(0.15);
  expect(maximum.long).toBe(0);
  expect(maximum.drained.skipped.too_long).toBeGreaterThan(0);
  const uninterruptible = await only({ stateMask: 2 });
  expect(uninterruptible.long + uninterruptible.short).toBe(0);
  expect(uninterruptible.drained.skipped.state).toBeGreaterThan(0);
  const interruptible = await only({ stateMask: 1 });
  expect(interruptible.long).toBeGreaterThan(0.3);
  const noBlocked = await only({ phases: { blocked: false, runqueue: true, preempted: true } });
  expect(noBlocked.long + noBlocked.short).toBeLessThan(0.1);
});

test('on the whole host no thread is away for longer than the run, and idle kernel threads are left out', async () => {
  const profiler = open(offCpu({ minNs: 0 }));
  for (let window = 0; window < 2; window++) {
    const drained = await drainAfter(profiler, 1500);
    const rows = rowsOf(drained);
    // Some kernels hide a switch now and then: a few in a quiet window are as good as two in a hundred.
    expect(drained.lost.bad_delta).toBeLessThan(10 + countOf(rows) / 50);
    const perThread = new Map<number, number>();
    for (const row of rows) perThread.set(row.tid, (perThread.get(row.tid) ?? 0) + row.value);
    expect(perThread.size).toBeGreaterThan(5);
    // The iterator runs just before the window's end is taken, and tells the time task by task.
    const most = (runSeconds(drained) + 0.02) * 1e9;
    for (const [tid, value] of perThread) expect(value, `thread ${tid}`).toBeLessThan(most);
    const kthreads = rows.filter(row => row.executable === '' && row.parent === 2 && row.phase === BLOCKED);
    for (const row of kthreads) expect(row.state & 2).toBe(2);
  }
});
