// SPDX-License-Identifier: Apache-2.0
// Which Java virtual machines are asked for perf maps, and how often.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Drained, WantedRuntimes } from '#native/bpf';
import { monotonicNs, suspendedNs } from '../../src/agent/procfs/clock.js';
import { PerfMapRequests } from '../../src/agent/profiling/attach/perf-map-requests.js';
import type { AttachResult } from '../../src/agent/profiling/attach/result.js';
import { REASONS } from '../../src/profile/types.js';
import { made } from './made-drain.js';

const PID = 4242;
const JIT = 2;
let now = 0;
beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

/** Monotonic start of a process that is this old. */
const startOf = (ageSeconds: number) => monotonicNs() - BigInt(ageSeconds) * 1_000_000_000n;

function wanted(startNs: bigint): WantedRuntimes {
  return {
    processes: { pid: Uint32Array.of(PID) },
    start: Float64Array.of(Math.floor(Number(startNs + suspendedNs()) / 1e7)),
  } as unknown as WantedRuntimes;
}

/** A drain with one frame of the process that has this name, or none. */
function drain(startNs: bigint, name: string | null): ReturnType<typeof made> {
  const reason = name === null ? 1 + REASONS.indexOf('jit_unknown') : 0;
  const one = made({
    samples: [],
    stacks: [],
    locations: [{ space: JIT, address: 1n, frames: name === null ? [] : [{ name }], reason }],
    processes: [{ pid: PID, comm: 'java', startNs }],
  });
  one.drained.locations.process[0] = 0;
  return one;
}

function requests(result: AttachResult, enabled = true) {
  const asked: number[] = [];
  const all = new PerfMapRequests(enabled, async machine => {
    asked.push(machine.pid);
    return result;
  });
  const learn = async (startNs: bigint, name: string | null) => {
    const { drained, symbols } = drain(startNs, name);
    all.learn(drained, symbols);
    await vi.waitFor(() => expect(all.waiting).toBe(0));
  };
  const mapped = (startNs: bigint, processes: Drained['processes'] = drain(startNs, '').drained.processes) =>
    all.mapped(processes)[0];
  return { all, asked, learn, mapped };
}

test('a machine that may still be starting is not asked', async () => {
  const { all, asked, learn } = requests('ok');
  const young = startOf(5);
  all.refused(wanted(young), 0);
  await learn(young, null);
  expect(asked).toEqual([]);
});

test('at once, then when there is code without a name, ever more seldom', async () => {
  const { all, asked, learn, mapped } = requests('ok');
  const start = startOf(60);
  all.refused(wanted(start), 0);
  await vi.waitFor(() => expect(all.waiting).toBe(0));
  expect(asked.length).toBe(1);
  expect(mapped(start)).toBe(1);
  expect(mapped(start + 5_000_000_000n)).toBe(0);
  const times: number[] = [];
  for (; now < 400_000; now += 500) {
    await learn(start, 'long App.burn(int)');
    const before = asked.length;
    await learn(start, null);
    if (asked.length > before) times.push(now);
  }
  const pauses = times.slice(1).map((time, i) => time - times[i]!);
  expect(pauses.slice(0, 6)).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000]);
  expect(new Set(pauses.slice(5))).toEqual(new Set([60_000]));
  expect(all.results.ok).toBe(asked.length);
  // Another process has the id, or it has told after all.
  now += 100_000;
  await learn(start + 5_000_000_000n, null);
  all.described(PID);
  await learn(start, null);
  expect(all.results.ok).toBe(times.length + 1);
  expect(mapped(start)).toBe(0);
});

test.each([
  ['timeout', 3],
  ['refused', 3],
  ['unsupported', 1],
  ['disabled', 1],
] as const)('%s: asked %i times in four minutes', async (result, times) => {
  const { all, asked, learn, mapped } = requests(result);
  const start = startOf(60);
  const machine = wanted(start);
  all.refused(machine, 0);
  for (; now < 240_000; now += 5000) {
    await learn(start, null);
    all.refused(machine, 0);
  }
  expect(asked.length).toBe(times);
  expect(all.results[result]).toBe(times);
  expect(mapped(start)).toBe(0);
});

test('turned off, nothing is asked', async () => {
  const { all, asked, learn } = requests('ok', false);
  const start = startOf(60);
  all.refused(wanted(start), 0);
  await learn(start, null);
  expect(asked).toEqual([]);
});

test('what fails by itself is counted, and what waits at the end is not begun', async () => {
  const all = new PerfMapRequests(true, () => Promise.reject(new Error('broken')));
  all.refused(wanted(startOf(60)), 0);
  await vi.waitFor(() => expect(all.waiting).toBe(0));
  expect(all.results.refused).toBe(1);
  await all.close();
  const closed = requests('ok');
  await closed.all.close();
  closed.all.refused(wanted(startOf(60)), 0);
  await vi.waitFor(() => expect(closed.all.waiting).toBe(0));
  expect(closed.asked).toEqual([]);
  expect(closed.all.results.stopped).toBe(1);
});
