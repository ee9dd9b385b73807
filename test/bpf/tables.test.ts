// SPDX-License-Identifier: Apache-2.0
// The life of unwind tables: asked for, put in, shared, taken out. The tables here are made by hand: one says that
// every place of the file is the outermost function, so that it can be seen whether it is in use.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Profiler } from '#native/bpf';
import { STACK_ENDS } from '../../src/profile/types.js';
import { onCpu, open, rowsOf, startTasks, tasks } from './helpers.js';

const BLOCK = 4096;
const RULE_END = 5;

/** Header and blocks as symbolizers/src/unwind makes them: an inner root over leaves, or a single leaf. */
function table(leaves: number, rule = RULE_END): Uint8Array {
  const blocks = leaves === 1 ? 1 : leaves + 1;
  const bytes = new Uint8Array(16 + blocks * BLOCK);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, blocks, true);
  view.setUint32(4, blocks - 1, true);
  view.setUint32(8, leaves === 1 ? 1 : 2, true);
  view.setUint32(12, leaves, true);
  for (let i = 0; i < leaves; i++) {
    const at = 16 + i * BLOCK;
    view.setUint32(at, i * 0x8000, true);
    view.setUint16(at + 4, 1, true);
    view.setUint32(at + 8 + 680 * 2, rule, true);
  }
  if (leaves > 1) {
    const at = 16 + leaves * BLOCK;
    view.setUint32(at, leaves, true);
    for (let i = 0; i < leaves; i++) {
      view.setUint32(at + 8 + i * 4, i * 0x8000, true);
      view.setUint32(at + 8 + 511 * 4 + i * 4, i, true);
    }
  }
  return bytes;
}

/** A copy of tasks under another name: another file of the same build id. */
function copyOfTasks(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'stackwell-tables-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const copy = path.join(folder, 'tasks-copy');
  copyFileSync(tasks, copy);
  return copy;
}

/** Waits until the kernel asks for the table of `file`; 0 if it does not. */
async function wanted(profiler: Profiler, file: string, milliseconds = 3000): Promise<number> {
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    profiler.poll();
    const { id, mappings } = profiler.wantedTables();
    for (let row = 0; row < id.length; row++) if (mappings.path[row] === file) return id[row]!;
    await sleep(20);
  }
  return 0;
}

/** How the samples of `pid` end in the next window, by STACK_ENDS. */
async function endsOf(profiler: Profiler, pid: number): Promise<Map<string, number>> {
  await profiler.drain();
  await sleep(500);
  const drained = await profiler.drain();
  const ends = new Map<string, number>();
  const { samples, stacks, processes } = drained;
  for (let row = 0; row < samples.stack.length; row++) {
    if (processes.pid[samples.process[row]!] !== pid) continue;
    const end = STACK_ENDS[stacks.end[samples.stack[row]!]!]!;
    ends.set(end, (ends.get(end) ?? 0) + samples.count[row]!);
  }
  return ends;
}

const share = (ends: Map<string, number>, end: string): number =>
  (ends.get(end) ?? 0) / [...ends.values()].reduce((a, b) => a + b, 0);

test('what a process in scope has mapped is asked for before it runs', async () => {
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await sleep(300);
  const switches = () =>
    /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1];
  const before = switches();
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [child.pid!] } });
  profiler.poll();
  const { path: paths, start, end } = profiler.wantedTables().mappings;
  const mapped = readFileSync(`/proc/${child.pid}/maps`, 'utf8')
    .split('\n')
    .flatMap(line => /^(\w+)-(\w+) r-xp .* (\/.*)$/.exec(line)?.slice(1) ?? []);
  const asked = paths.flatMap((file, row) => [start[row]!.toString(16), end[row]!.toString(16), file]);
  expect(asked).toEqual(mapped);
  expect(asked).toContain(realpathSync('/bin/sleep'));
  expect(switches(), 'it slept all the time').toBe(before);
});

test('a file without a table is asked for once, and its table is used from then on', async () => {
  const { pid } = startTasks('shares', '60');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] } });
  const id = await wanted(profiler, tasks);
  expect(id).toBeGreaterThan(0);
  const before = await endsOf(profiler, pid);
  expect(share(before, 'no_table')).toBeGreaterThan(0.9);
  profiler.installTable(id, '', table(3));
  expect(profiler.memory.tables).toMatchObject({ tables: 1, refused: 0, noRoom: 0 });
  const after = await endsOf(profiler, pid);
  expect(share(after, 'root')).toBeGreaterThan(0.9);
  const drained = await profiler.drain();
  // The hand-made table says that nobody called: one user frame is left.
  for (const row of rowsOf(drained).filter(each => each.frames[0] !== '[kernel]'))
    expect(row.frames.length).toBe(1);
  expect(await wanted(profiler, tasks, 300)).toBe(0);
});

test('a file that has none goes by frame pointers, and is not asked for again', async () => {
  const { pid } = startTasks('shares', '60');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] } });
  profiler.refuseTable(await wanted(profiler, tasks), false);
  const ends = await endsOf(profiler, pid);
  expect(share(ends, 'no_table')).toBeGreaterThan(0.9);
  for (let i = 0; i < 8; i++) await profiler.drain();
  expect(await wanted(profiler, tasks, 500)).toBe(0);
  expect(profiler.memory.tables.refused).toBe(1);
});

test('what could not be had now is asked for again some windows later', async () => {
  const { pid } = startTasks('shares', '60');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] } });
  profiler.refuseTable(await wanted(profiler, tasks), true);
  expect(await wanted(profiler, tasks, 300)).toBe(0);
  for (let i = 0; i < 8; i++) await profiler.drain();
  expect(await wanted(profiler, tasks)).toBeGreaterThan(0);
});

test('files of one build id share a table', async () => {
  const first = startTasks('shares', '60');
  const copy = copyOfTasks();
  const second = startTasks('shares', '60', [], copy);
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [first.pid, second.pid] } });
  const asked = new Map<string, [number, string]>();
  const until = performance.now() + 3000;
  while (asked.size < 2 && performance.now() < until) {
    profiler.poll();
    const { id, mappings } = profiler.wantedTables();
    for (let row = 0; row < id.length; row++)
      if (mappings.path[row] === tasks || mappings.path[row] === copy)
        asked.set(mappings.path[row]!, [id[row]!, mappings.buildId[row]!]);
    await sleep(20);
  }
  // Both were there before the profiler, so no record told their build ids: the one who opens the file tells.
  profiler.installTable(asked.get(tasks)![0], 'ab12', table(2));
  profiler.installTable(asked.get(copy)![0], 'ab12', table(2));
  expect(profiler.memory.tables).toMatchObject({ tables: 1 });
  for (const { pid } of [first, second])
    expect(share(await endsOf(profiler, pid), 'root')).toBeGreaterThan(0.9);
});

test('room is bounded; what nobody uses makes room for what is used', async () => {
  const first = startTasks('shares', '60');
  const copy = copyOfTasks();
  // One slab of 64 blocks.
  const profiler = open(onCpu(), { scope: { kind: 'host' }, maxTableBytes: 64 * BLOCK });
  profiler.installTable(await wanted(profiler, tasks), 'aa', table(39));
  expect(profiler.memory.tables).toMatchObject({ tables: 1, bytes: 64 * BLOCK, limitBytes: 64 * BLOCK });
  const second = startTasks('shares', '60', [], copy);
  profiler.installTable(await wanted(profiler, copy), 'bb', table(59));
  expect(profiler.memory.tables).toMatchObject({ tables: 1, noRoom: 1, evicted: 0 });
  expect(share(await endsOf(profiler, first.pid), 'root')).toBeGreaterThan(0.9);

  first.kill('SIGKILL');
  let again = 0;
  for (let i = 0; i < 12 && again === 0; i++) {
    await profiler.drain();
    again = await wanted(profiler, copy, 150);
  }
  expect(again).toBeGreaterThan(0);
  profiler.installTable(again, 'bb', table(59));
  expect(profiler.memory.tables).toMatchObject({ tables: 1, evicted: 1, bytes: 64 * BLOCK });
  expect(share(await endsOf(profiler, second.pid), 'root')).toBeGreaterThan(0.9);
});

test.each([
  ['too short', new Uint8Array(3)],
  ['half a block', table(1).subarray(0, 16 + 2000)],
  ['a root that is not there', table(1).fill(9, 4, 5)],
  ['too deep', table(1).fill(9, 8, 9)],
  ['a child that is not there', table(2).fill(9, 16 + 2 * BLOCK + 8 + 511 * 4, 16 + 2 * BLOCK + 9 + 511 * 4)],
  [
    'a child that is its own parent',
    table(2).fill(2, 16 + 2 * BLOCK + 8 + 511 * 4, 16 + 2 * BLOCK + 9 + 511 * 4),
  ],
])('a table that is none is refused: %s', async (_, bytes) => {
  const { pid } = startTasks('shares', '60');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] } });
  profiler.installTable(await wanted(profiler, tasks), '', bytes);
  expect(profiler.memory.tables).toMatchObject({ tables: 0, refused: 1 });
});

test('frame pointers only, when that is asked for', async () => {
  const { pid } = startTasks('shares', '60');
  const profiler = open(onCpu(), { scope: { kind: 'processes', pids: [pid] }, unwinds: false });
  await endsOf(profiler, pid);
  expect(await wanted(profiler, tasks, 300)).toBe(0);
  expect(profiler.memory.tables).toMatchObject({ tables: 0, files: 0 });
});
