// SPDX-License-Identifier: Apache-2.0
// What threads work on, by the context that their process publishes (docs/trace-link.md).
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
interface Gathered {
  rows: Row[];
  untraced: Drained['untraced'];
  lost: Drained['lost'];
  windows: Row[][];
}

/** Windows of a second until there is enough: the machine may be busy with other things. */
async function gather(
  { profiler, symbols }: Watch,
  enough: (all: Gathered) => boolean,
  windowMs = 1000,
): Promise<Gathered> {
  const all: Gathered = { rows: [], untraced: {}, lost: {}, windows: [] } as unknown as Gathered;
  const add = (to: Record<string, number>, counts: Record<string, number>) => {
    for (const [cause, count] of Object.entries(counts)) to[cause] = (to[cause] ?? 0) + count;
  };
  const until = performance.now() + 40_000;
  do {
    await sleep(windowMs);
    const drained = await profiler.drain();
    const rows = rowsOf(drained, await symbols.symbolize(drained));
    all.rows.push(...rows);
    all.windows.push(rows);
    add(all.untraced, drained.untraced);
    add(all.lost, drained.lost);
  } while (!enough(all) && performance.now() < until);
  return all;
}

const known = async ({ profiler }: Watch, publishers: number): Promise<void> => {
  await expect.poll(() => profiler.memory.publishers, { timeout: 30_000 }).toBe(publishers);
  await profiler.drain();
};

test.each(groups)('half of the time in a span, each thread in its own: %s, %s, %s, %s', async (...names) => {
  const children = names.map(name => start(name, 'half'));
  const watched = await watch(children.map(({ pid }) => pid));
  await known(watched, names.length);
  const { rows: all, untraced } = await gather(watched, ({ rows }) =>
    children.every(child => sum(rows, ({ pid }) => pid === child.pid) > 150),
  );
  expect(untraced).toEqual({ full: 0, unreadable: 0, invalid: 0 });
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
    expect(sum(traced) / total, name).toBeGreaterThan(0.35);
    expect(sum(traced) / total, name).toBeLessThan(0.65);
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
  const watched = await watch([child.pid], offCpu({ capture }));
  // Nobody burns CPU: it is noticed by what is off it.
  await known(watched, 1);
  const { rows } = await gather(watched, ({ windows }) => windows.length === 4);
  const all = rows.filter(({ kind }) => kind === 1);
  const inside = all.filter(row => row.names.has('sleep_traced'));
  const outside = all.filter(row => row.names.has('sleep_untraced'));
  const total = seconds([...inside, ...outside], () => true);
  expect(total).toBeGreaterThan(2.5);
  expect(seconds(inside, () => true) / total).toBeGreaterThan(0.55);
  expect(seconds(inside, () => true) / total).toBeLessThan(0.8);
  const traced = (rows: Row[]) => seconds(rows, ({ trace, span }) => trace === TRACE && span === SPANS[0]);
  // When a thread leaves, its memory is there to be read; when it is back by then, it is not.
  if (capture === 'sched_exit_tp') expect(traced(inside)).toBeGreaterThan(0.98 * seconds(inside, () => true));
  else expect(traced(inside)).toBeLessThan(0.2 * seconds(inside, () => true));
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
  const watched = await watch([pid], { traces: false });
  const { rows, windows } = await gather(watched, all => all.windows.length >= 3 && sum(all.rows) > 100);
  expect(windows.length).toBeGreaterThanOrEqual(3);
  expect(watched.profiler.memory.publishers).toBe(0);
  expect(sum(rows)).toBeGreaterThan(100);
  expect(rows.every(({ trace, span }) => trace === '' && span === '')).toBe(true);
});

test('more traces than there is room for: those over it go without, and no sample is lost', async () => {
  const { pid } = start('in-program', 'flood');
  const watched = await watch([pid], { maxSamples: 128 });
  await known(watched, 1);
  const before = ticks(pid);
  const { rows, windows, untraced, lost } = await gather(
    watched,
    all => all.untraced.full > 200 && all.windows.length > 2,
  );
  const used = (ticks(pid) - before) / 100;
  const traced = (some: Row[]) => some.filter(({ trace }) => trace !== '');
  // Half as many rows as others have, in each window anew.
  for (const window of windows) expect(traced(window).length).toBeLessThanOrEqual(64);
  expect(Math.max(...windows.map(window => traced(window).length))).toBe(64);
  expect(untraced.full).toBeGreaterThan(200);
  expect(lost.counts_full).toBe(0);
  expect(sum(traced(rows)) + untraced.full).toBeLessThanOrEqual(sum(rows));
  expect(Math.abs(sum(rows) / 499 - used)).toBeLessThan(0.1 + 0.15 * used);
});

test('dangling pointers, half records and nonsense: counted, and nothing else', async () => {
  const { pid } = start('in-program', 'garbage');
  const good = start('descriptor', 'half');
  const watched = await watch([pid, good.pid]);
  await known(watched, 2);
  const before = ticks(pid);
  const all = await gather(
    watched,
    ({ rows, untraced }) =>
      untraced.unreadable > 50 &&
      untraced.invalid > 50 &&
      sum(rows, row => row.pid === good.pid) > 300 &&
      sum(rows, row => row.pid === pid) > 300,
  );
  const used = (ticks(pid) - before) / 100;
  const rows = all.rows.filter(row => row.pid === pid);
  expect(sum(rows, ({ trace }) => trace !== '')).toBe(0);
  expect(all.untraced.unreadable).toBeGreaterThan(50);
  expect(all.untraced.invalid).toBeGreaterThan(50);
  expect(all.untraced.full).toBe(0);
  expect(Math.abs(sum(rows) / 499 - used)).toBeLessThan(0.1 + 0.15 * used);
  expect(sum(rows, row => row.names.has('traced'))).toBeGreaterThan(0.9 * sum(rows));
  // Nor is it anybody else's harm.
  const others = all.rows.filter(row => row.pid === good.pid);
  expect(sum(others, ({ trace }) => trace === TRACE) / sum(others)).toBeGreaterThan(0.35);
  expect(sum(others, ({ trace }) => trace === TRACE) / sum(others)).toBeLessThan(0.65);
});

test('a process context that is nonsense, for ever changing, is no process context', async () => {
  const { pid } = start('in-program', 'liar');
  const watched = await watch([pid]);
  const { rows } = await gather(watched, all => all.windows.length >= 4 && sum(all.rows) > 200);
  expect(sum(rows)).toBeGreaterThan(200);
  expect(sum(rows, ({ trace }) => trace !== '')).toBe(0);
  expect(watched.profiler.memory.publishers).toBe(0);
  expect(watched.symbols.stats().restarts).toBe(0);
});
