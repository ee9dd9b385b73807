// SPDX-License-Identifier: Apache-2.0
// What threads work on, by the context that their process publishes (docs/trace-link.md).
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Drained, Profiler, ProfilerOptions } from '#native/bpf';
import { Publishers } from '../../src/agent/profiling/publishers.js';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import { UnwindTables } from '../../src/agent/profiling/unwind-tables.js';
import type { Symbols } from '../../src/symbolizer/symbols.js';
import { FORMS, publisher } from '../helpers/publishers.js';
import { offCpu, onCpu, open, root } from './helpers.js';

const folder = path.join(root, 'build/test/publishers');
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPANS = ['b7ad6b7169203331', 'b7ad6b7169203332'];

function start(name: string, mode: string): ChildProcess & { pid: number } {
  const { program, library } = publisher(name, folder);
  const child = spawn(program, [mode, ...(library === '' ? [] : [library])], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  // They burn all that is left, and others have work to do.
  setPriority(child.pid!, 10);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child as ChildProcess & { pid: number };
}

interface Watch {
  profiler: Profiler;
  symbols: Symbolizer;
}

/** A profiler with all that the agent does for it. */
async function watch(pids: number[], some: Partial<ProfilerOptions> = {}): Promise<Watch> {
  const symbols = await Symbolizer.start();
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids }, ...some });
  const publishers = new Publishers(profiler, symbols);
  const tables = new UnwindTables(profiler, symbols);
  const timer = setInterval(() => {
    publishers.follow();
    tables.follow();
  }, 50);
  onTestFinished(async () => {
    clearInterval(timer);
    await symbols.close();
  });
  return { profiler, symbols };
}

interface Row {
  kind: number;
  value: number;
  pid: number;
  tid: number;
  trace: string;
  span: string;
  count: number;
  names: Set<string>;
}

function rowsOf({ samples, processes, strings, stacks }: Drained, symbols: Symbols | null): Row[] {
  return Array.from(samples.count, (count, row) => {
    const stack = samples.stack[row]!;
    const names = new Set<string>();
    for (let at = stacks.offset[stack]!; symbols !== null && at < stacks.offset[stack + 1]!; at++) {
      const location = stacks.location[at]!;
      for (let f = symbols.frameOffset[location]!; f < symbols.frameOffset[location + 1]!; f++)
        names.add(symbols.strings[symbols.frames.name[f]!]!);
    }
    return {
      kind: samples.kind[row]!,
      value: samples.value[row]!,
      pid: processes.pid[samples.process[row]!]!,
      tid: samples.tid[row]!,
      trace: strings[samples.trace[row]!]!,
      span: strings[samples.span[row]!]!,
      count,
      names,
    };
  });
}

const sum = (rows: Row[], passes: (row: Row) => boolean = () => true): number =>
  rows.filter(passes).reduce((total, { count }) => total + count, 0);

/** Ticks of 10 ms that a process has used. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

const names = Object.keys(FORMS);
const groups = [names.slice(0, 4), names.slice(4, 8), names.slice(8)];
test.each(groups)('half of the time in a span, each thread in its own: %s, %s, %s, %s', async (...names) => {
  const children = names.map(name => start(name, 'half'));
  const { profiler, symbols } = await watch(children.map(({ pid }) => pid));
  await expect.poll(() => profiler.memory.publishers, { timeout: 20_000 }).toBe(names.length);
  await profiler.drain();
  await sleep(4000);
  const drained = await profiler.drain();
  const all = rowsOf(drained, await symbols.symbolize(drained));
  expect(drained.lost).toMatchObject({ traces_full: 0, trace_unreadable: 0, trace_invalid: 0 });
  for (const [i, name] of names.entries()) {
    const rows = all.filter(({ pid }) => pid === children[i]!.pid);
    const total = sum(rows);
    expect(total, name).toBeGreaterThan(100);
    const traced = rows.filter(({ trace }) => trace !== '');
    expect(new Set(traced.map(({ trace }) => trace)), name).toEqual(new Set([TRACE]));
    expect(new Set(traced.map(({ span }) => span)), name).toEqual(new Set(SPANS));
    // Each thread has a variable of its own.
    const byThread = new Map(traced.map(({ tid, span }) => [tid, span]));
    expect(
      traced.every(({ tid, span }) => byThread.get(tid) === span),
      name,
    ).toBe(true);
    expect(sum(traced) / total, name).toBeGreaterThan(0.4);
    expect(sum(traced) / total, name).toBeLessThan(0.6);
    // The context is that of the function, and both keep their names.
    const inside = rows.filter(row => row.names.has('traced'));
    const outside = rows.filter(row => row.names.has('untraced'));
    expect(sum(inside) + sum(outside), name).toBeGreaterThan(0.95 * total);
    expect(
      sum(inside, ({ trace }) => trace !== ''),
      name,
    ).toBeGreaterThanOrEqual(0.98 * sum(inside));
    expect(
      sum(outside, ({ trace }) => trace !== ''),
      name,
    ).toBeLessThanOrEqual(0.02 * sum(outside));
  }
});

const seconds = (rows: Row[], passes: (row: Row) => boolean): number =>
  rows.filter(passes).reduce((total, { value }) => total + value / 1e9, 0);

test.each(['sched_exit_tp', 'switch_out'] as const)('waits, with stacks taken by %s', async capture => {
  const child = start('late-module', 'waits');
  const { profiler, symbols } = await watch([child.pid], offCpu({ capture }));
  // Nobody burns CPU: it is noticed by what is off it.
  await expect.poll(() => profiler.memory.publishers, { timeout: 10_000 }).toBe(1);
  await profiler.drain();
  await sleep(4000);
  const drained = await profiler.drain();
  const all = rowsOf(drained, await symbols.symbolize(drained)).filter(({ kind }) => kind === 1);
  const inside = all.filter(row => row.names.has('sleep_traced'));
  const outside = all.filter(row => row.names.has('sleep_untraced'));
  const total = seconds([...inside, ...outside], () => true);
  expect(total).toBeGreaterThan(3);
  expect(seconds(inside, () => true) / total).toBeCloseTo(0.7, 1);
  const traced = (rows: Row[]) => seconds(rows, ({ trace, span }) => trace === TRACE && span === SPANS[0]);
  // When a thread leaves, its memory is there to be read; when it is back by then, it is not.
  if (capture === 'sched_exit_tp') expect(traced(inside)).toBeGreaterThan(0.98 * seconds(inside, () => true));
  else expect(traced(inside)).toBeLessThan(0.1 * seconds(inside, () => true));
  expect(traced(outside)).toBeLessThan(0.02 * total);
});

test('who is stuck is stuck with a trace, window after window', async () => {
  const child = start('in-program', 'stuck');
  const { profiler } = await watch([child.pid], offCpu());
  const isTraced = ({ trace }: Row) => trace === TRACE;
  // Only the iterator at the end of a window sees it.
  await profiler.drain();
  await expect.poll(() => profiler.memory.publishers, { timeout: 10_000 }).toBe(1);
  await profiler.drain();
  for (let window = 0; window < 3; window++) {
    await sleep(500);
    const rows = rowsOf(await profiler.drain(), null);
    expect(seconds(rows, isTraced)).toBeGreaterThan(0.45);
    expect(seconds(rows, isTraced)).toBeLessThan(2);
  }
});

test('who is asked not to look does not look', async () => {
  const { pid } = start('in-program', 'half');
  const { profiler } = await watch([pid], { traces: false });
  await sleep(2500);
  const rows = rowsOf(await profiler.drain(), null);
  expect(profiler.memory.publishers).toBe(0);
  expect(sum(rows)).toBeGreaterThan(100);
  expect(rows.every(({ trace, span }) => trace === '' && span === '')).toBe(true);
});

test('more traces than there is room for: those over it go without, and no sample is lost', async () => {
  const { pid } = start('in-program', 'flood');
  const { profiler } = await watch([pid], { maxSamples: 128 });
  await expect.poll(() => profiler.memory.publishers, { timeout: 10_000 }).toBe(1);
  await profiler.drain();
  const before = ticks(pid);
  await sleep(4000);
  const drained = await profiler.drain();
  const used = (ticks(pid) - before) / 100;
  const rows = rowsOf(drained, null);
  const traced = rows.filter(({ trace }) => trace !== '');
  // Half as many rows as others have.
  expect(traced.length).toBe(64);
  expect(drained.lost.traces_full).toBeGreaterThan(100);
  expect(drained.lost.counts_full).toBe(0);
  expect(sum(traced) + drained.lost.traces_full).toBeLessThanOrEqual(sum(rows));
  expect(Math.abs(sum(rows) / 499 - used)).toBeLessThan(0.1 * used);
  // The next window has room again.
  await sleep(500);
  const next = rowsOf(await profiler.drain(), null);
  expect(sum(next, ({ trace }) => trace !== '')).toBeGreaterThan(30);
});

test('dangling pointers, half records and nonsense: counted, and nothing else', async () => {
  const { pid } = start('in-program', 'garbage');
  const good = start('descriptor', 'half');
  const { profiler, symbols } = await watch([pid, good.pid]);
  await expect.poll(() => profiler.memory.publishers, { timeout: 10_000 }).toBe(2);
  await profiler.drain();
  const before = ticks(pid);
  await sleep(4000);
  const drained = await profiler.drain();
  const used = (ticks(pid) - before) / 100;
  const all = rowsOf(drained, await symbols.symbolize(drained));
  const rows = all.filter(row => row.pid === pid);
  expect(sum(rows, ({ trace }) => trace !== '')).toBe(0);
  expect(drained.lost.trace_unreadable).toBeGreaterThan(50);
  expect(drained.lost.trace_invalid).toBeGreaterThan(50);
  expect(drained.lost.traces_full).toBe(0);
  expect(Math.abs(sum(rows) / 499 - used)).toBeLessThan(0.15 * used);
  expect(sum(rows, row => row.names.has('traced'))).toBeGreaterThan(0.9 * sum(rows));
  // Nor is it anybody else's harm.
  const others = all.filter(row => row.pid === good.pid);
  expect(sum(others, ({ trace }) => trace === TRACE) / sum(others)).toBeCloseTo(0.5, 1);
});

test('a process context that is nonsense, for ever changing, is no process context', async () => {
  const { pid } = start('in-program', 'liar');
  const { profiler, symbols } = await watch([pid]);
  await sleep(4000);
  const rows = rowsOf(await profiler.drain(), null);
  expect(sum(rows)).toBeGreaterThan(500);
  expect(sum(rows, ({ trace }) => trace !== '')).toBe(0);
  expect(profiler.memory.publishers).toBe(0);
  expect(symbols.stats().restarts).toBe(0);
});
