// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { type Decoded, secondsOf, through } from '../helpers/pprof.js';
import { record } from '../helpers/record.js';
import { startHere } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

const phase = (name: string) => (sample: { labels: Record<string, string> }) => sample.labels.phase === name;

/** No thread was away for longer than there was time, in one row or in all of its rows. */
function expectNoneLongerThanTheRun(profile: Decoded): void {
  const column = profile.types.indexOf('offcpu/nanoseconds');
  const byThread = new Map<string, number>();
  for (const sample of profile.samples) {
    const id = sample.labels.thread_id;
    expect(id).toMatch(/^\d+$/);
    byThread.set(id!, (byThread.get(id!) ?? 0) + sample.values[column]!);
  }
  expect(byThread.size).toBeGreaterThan(0);
  // Clocks of the recording and of its intervals are read one after another: 1 %.
  for (const [id, nanoseconds] of byThread)
    expect(nanoseconds / 1e9, `thread ${id}`).toBeLessThan(profile.durationSeconds * 1.01);
}

function expectWithin(value: number, wanted: number, tolerance: number, what: string): void {
  expect(value, what).toBeGreaterThan(wanted - tolerance);
  expect(value, what).toBeLessThan(wanted + tolerance);
}

test('sleep: 70/30 in two functions, and as long as the clock on the wall', { timeout: 60_000 }, async () => {
  const sleeper = startHere(program('sleeper'), ['40']);
  const { profile } = await record('--pid', String(sleeper.pid), '--type', 'offcpu', '--seconds', '8');
  expect(profile.types).toEqual(['offcpu/nanoseconds']);

  const blocked = secondsOf(profile, 'offcpu', phase('blocked'));
  expectWithin(blocked / profile.durationSeconds, 1, 0.05, 'blocked time of wall clock');
  for (const [name, share] of [
    ['wait_for_database', 0.7],
    ['wait_for_cache', 0.3],
  ] as const) {
    const here = secondsOf(
      profile,
      'offcpu',
      s => phase('blocked')(s) && through(new RegExp(`^${name}$`))(s),
    );
    expectWithin(here / blocked, share, 0.05, name);
  }
  // The way there: two callers in the program, and the system call in the kernel.
  const whole = secondsOf(
    profile,
    'offcpu',
    s => through(/^main$/)(s) && through(/^serve_request$/)(s) && through(/nanosleep/)(s),
  );
  expect(whole).toBeGreaterThan(0.97 * secondsOf(profile, 'offcpu', phase('blocked')));
  expect(profile.samples.filter(phase('blocked')).every(s => s.labels.state === 'S')).toBe(true);
  expectNoneLongerThanTheRun(profile);
});

test('futex: threads that wait for each other', { timeout: 60_000 }, async () => {
  const waiters = startHere(program('waiters'), ['40']);
  const { profile } = await record('--pid', String(waiters.pid), '--type', 'offcpu', '--seconds', '8');

  const workers = ['worker-0', 'worker-1', 'worker-2'];
  const isWorker = (s: { labels: Record<string, string> }) => workers.includes(s.labels.thread_name ?? '');
  const waiting = secondsOf(profile, 'offcpu', s => isWorker(s) && phase('blocked')(s));
  for (const worker of workers) {
    const own = secondsOf(profile, 'offcpu', s => s.labels.thread_name === worker && phase('blocked')(s));
    expectWithin(own / profile.durationSeconds, 1, 0.05, `${worker} blocked of wall clock`);
  }
  for (const [name, share] of [
    ['wait_for_job', 0.6],
    ['wait_for_reply', 0.4],
  ] as const) {
    const here = secondsOf(
      profile,
      'offcpu',
      s => isWorker(s) && phase('blocked')(s) && through(new RegExp(`^${name}$`))(s) && through(/futex/)(s),
    );
    expectWithin(here / waiting, share, 0.05, name);
  }
  expectNoneLongerThanTheRun(profile);
});

test('a crowded CPU: time in the run queue is told from time asleep', { timeout: 60_000 }, async () => {
  const threads = 4;
  const crowd = startHere('taskset', ['-c', '1', program('crowd'), '40', String(threads)]);
  const { profile } = await record(
    '--pid',
    String(crowd.pid),
    '--type',
    'cpu,offcpu',
    '--hz',
    '199',
    '--seconds',
    '8',
  );
  expect(profile.types).toEqual(['cpu/nanoseconds', 'offcpu/nanoseconds']);

  const elbow = through(/^elbow$/);
  const stepBack = through(/^step_back$/);
  const cpu = secondsOf(profile, 'cpu');
  const blocked = secondsOf(profile, 'offcpu', s => phase('blocked')(s) && stepBack(s));
  const queued = secondsOf(profile, 'offcpu', phase('runqueue'));
  const preempted = secondsOf(profile, 'offcpu', phase('preempted'));
  const run = profile.durationSeconds;

  // Four threads share what one CPU gives at most; the main thread only waits for them.
  expect(cpu).toBeLessThan(run * 1.03);
  expect(queued + preempted).toBeGreaterThan((threads - 1) * run * 0.6);
  expect(queued).toBeGreaterThan(run * 0.1);
  // Waiting for the CPU after a sleep carries the stack of the sleep, waiting in the middle of work that of the work.
  expect(secondsOf(profile, 'offcpu', s => phase('runqueue')(s) && stepBack(s))).toBeGreaterThan(
    queued * 0.9,
  );
  expect(secondsOf(profile, 'offcpu', s => phase('preempted')(s) && elbow(s))).toBeGreaterThan(
    preempted * 0.8,
  );
  // A thread is running, asleep, or waiting for the CPU; waits below a millisecond are not recorded.
  expectWithin((cpu + blocked + queued + preempted) / (threads * run), 1, 0.12, 'all time of all threads');
  expectNoneLongerThanTheRun(profile);
});
