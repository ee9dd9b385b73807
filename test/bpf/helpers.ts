// SPDX-License-Identifier: Apache-2.0
// The program that these tests look at, and ways to ask the columns of a drain.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Drained, Profiler, type ProfilerOptions } from '#native/bpf';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const objects = path.join(root, 'build/bpf');

/** Builds a C source under test/programs/bpf into build/test/bpf, if it changed. */
export function build(name: string): string {
  const folder = path.join(root, 'build/test/bpf');
  const built = path.join(folder, name);
  const source = path.join(root, 'test/programs/bpf', `${name}.c`);
  const changed = Math.max(
    statSync(source).mtimeMs,
    statSync(path.join(root, 'test/programs/clock.h')).mtimeMs,
  );
  if ((statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changed) return built;
  mkdirSync(folder, { recursive: true });
  const fresh = `${built}.${process.pid}`;
  const flags = ['-std=gnu17', '-O2', '-g', '-fno-omit-frame-pointer', '-Wall', '-Wextra', '-Werror'];
  execFileSync('gcc', [...flags, '-o', fresh, source], { stdio: ['ignore', 'pipe', 'pipe'] });
  renameSync(fresh, built);
  return built;
}

export const tasks = build('tasks');

/** Starts a mode of tasks.c (or of a copy of it), under `before` if given; it ends with the test at the latest. */
export function startTasks(
  mode: string,
  argument = '',
  before: string[] = [],
  program = tasks,
): ChildProcess & { pid: number } {
  const [file, ...args] = [...before, program, mode, argument];
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child as ChildProcess & { pid: number };
}

export const ended = (child: ChildProcess): Promise<void> =>
  new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

type Some = Partial<ProfilerOptions>;
export const onCpu = (hz = 499): Some => ({ onCpu: { hz } });
export const offCpu = (some: Partial<NonNullable<ProfilerOptions['offCpu']>> = {}): Some => ({
  offCpu: {
    minNs: 1_000_000,
    maxNs: 0,
    stateMask: 0,
    phases: { blocked: true, runqueue: true, preempted: true },
    ...some,
  },
});

/** A profiler that is closed and polled as the agent does. */
export function open(...parts: Some[]): Profiler {
  const profiler = new Profiler(
    Object.assign({ objects, scope: { kind: 'host' }, cgroupHierarchy: 'cpu' } as const, ...parts),
  );
  const timer = setInterval(() => profiler.poll(), 100);
  onTestFinished(() => {
    clearInterval(timer);
    profiler.close();
  });
  return profiler;
}

/** File offsets [from, to) of the functions of tasks.c. */
const functions: Map<string, [bigint, bigint]> = (() => {
  const headers = execFileSync('readelf', ['-lW', tasks], { encoding: 'utf8' });
  const text = /LOAD\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+\S+\s+\S+\s+\S+\s+R E/.exec(headers)!;
  const shift = BigInt(`0x${text[1]}`) - BigInt(`0x${text[2]}`);
  const symbols = execFileSync('nm', ['-S', '--defined-only', tasks], { encoding: 'utf8' });
  return new Map(
    [...symbols.matchAll(/^([0-9a-f]+) ([0-9a-f]+) [tT] (\w+)$/gm)].map(([, start, size, name]) => {
      const from = BigInt(`0x${start}`) + shift;
      return [name!, [from, from + BigInt(`0x${size}`)]];
    }),
  );
})();

export interface Row {
  kind: number;
  phase: number;
  state: number;
  pid: number;
  tid: number;
  comm: string;
  count: number;
  /** Nanoseconds. */
  value: number;
  /** Functions of tasks.c, leaf first; '[kernel]', a module's path or '[unmapped]' for the others. */
  frames: string[];
  flags: number;
  exact: number[];
  executable: string;
  cgroup: bigint;
  parent: number;
}

/** The rows of a drain as objects. */
export function rowsOf(drained: Drained): Row[] {
  const { samples, stacks, locations, mappings, processes, strings } = drained;
  const frame = (location: number): string => {
    const space = locations.space[location]!;
    if (space === 0) return '[kernel]';
    if (space === 3) return '[unmapped]';
    const file = mappings.path[locations.mapping[location]!]!;
    if (file !== tasks) return file;
    // A return address may be the first of the next function: the caller is where the call was.
    const address = locations.address[location]! - (locations.exact[location] ? 0n : 1n);
    for (const [name, [from, to]] of functions) if (address >= from && address < to) return name;
    return file;
  };
  return Array.from(samples.kind, (kind, i) => {
    const process = samples.process[i]!;
    const stack = samples.stack[i]!;
    const row = Array.from(stacks.location.subarray(stacks.offset[stack]!, stacks.offset[stack + 1]!));
    return {
      kind,
      phase: samples.phase[i]!,
      state: samples.state[i]!,
      pid: processes.pid[process]!,
      tid: samples.tid[i]!,
      comm: strings[processes.comm[process]!]!,
      count: samples.count[i]!,
      value: samples.value[i]!,
      frames: row.map(frame),
      flags: stacks.flags[stack]!,
      exact: row.map(location => locations.exact[location]!),
      executable: strings[processes.executable[process]!]!,
      cgroup: processes.cgroup[process]!,
      parent: processes.parent[process]!,
    };
  });
}

export const secondsOf = (rows: Row[], where: (row: Row) => boolean = () => true): number =>
  rows.reduce((sum, row) => (where(row) ? sum + row.value / 1e9 : sum), 0);
export const countOf = (rows: Row[], where: (row: Row) => boolean = () => true): number =>
  rows.reduce((sum, row) => (where(row) ? sum + row.count : sum), 0);
export const runSeconds = (drained: Drained): number => Number(drained.endNs - drained.startNs) / 1e9;

/** Lets time pass, then takes what there is. */
export async function drainAfter(profiler: Profiler, milliseconds: number): Promise<Drained> {
  await sleep(milliseconds);
  return profiler.drain();
}

/** The SW_ code that is thrown, '' if nothing is. */
export function codeOf(body: () => unknown): string {
  try {
    body();
    return '';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** Ids of the BPF programs that `pid` holds. */
export function programsOf(pid: number): number[] {
  const folder = `/proc/${pid}/fdinfo`;
  const ids = readdirSync(folder).flatMap(fd => {
    try {
      return /^prog_id:\s*(\d+)/m.exec(readFileSync(path.join(folder, fd), 'utf8'))?.[1] ?? [];
    } catch {
      return []; // closed since it was listed
    }
  });
  return [...new Set(ids.map(Number))];
}

/** Ids of all BPF programs in the kernel. */
export function allPrograms(): Set<number> {
  const shown = execFileSync('bpftool', ['-j', 'prog', 'show'], { encoding: 'utf8' });
  return new Set((JSON.parse(shown) as { id: number }[]).map(({ id }) => id));
}
