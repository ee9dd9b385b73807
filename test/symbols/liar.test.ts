// SPDX-License-Identifier: Apache-2.0
// A process that says it is a Java virtual machine, and writes over its structures all the time (programs/liar.c): each
// question is answered or refused in time, and what is said of others stays the same.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import type { WantedRuntimes } from '#native/bpf';
import { COMPILED, INTERPRETED } from '../../src/agent/profiling/symbolizer/java.js';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import type { SymbolInput } from '../../src/agent/profiling/symbols.js';
import {
  compileCpp,
  framesOf,
  offsetsOf,
  PROGRAMS,
  question,
  randomAddresses,
  reasonOf,
  scratch,
} from './fixtures.js';
import { Random } from './fuzz/mutation.js';

const JIT = 2;
const ROWS = 1000;
const SECONDS = 5;

const { folder, remove } = scratch();
afterAll(remove);

/** The library's first mapping of code. */
function wantedOf(pid: number, library: string): WantedRuntimes {
  const line = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .find(text => text.endsWith(library) && / r-xp /.test(text))!;
  const found = /^(\w+)-(\w+) \S+ (\w+)/.exec(line)!.slice(1);
  const [start, end, offset] = found.map(word => BigInt(`0x${word}`));
  const input = question([{ path: library, at: [], pid, start: start!, end: end! }]);
  input.mappings.offset[0] = offset!;
  input.mappings.inode[0] = statSync(library, { bigint: true }).ino;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return { ...input, start: Float64Array.of(ticks) };
}

/** Private memory of the child, MiB. */
function memoryOf(pid: number | null): number {
  const status = pid === null ? '' : readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmData:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}

/** Rows of one process: space, address, extra. */
function rowsOf(pid: number, rows: [number, bigint, bigint][]): SymbolInput {
  const input = question([{ path: '', at: rows.map(() => 0n), space: 2, pid }]);
  rows.forEach(([space, address, extra], row) => {
    input.locations.space[row] = space;
    input.locations.address[row] = address;
    input.locations.extra[row] = extra;
  });
  return input;
}

it('a Java virtual machine that lies', { timeout: 60_000 }, async () => {
  const library = join(folder, 'libjvm.so');
  const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-pthread'];
  execFileSync('gcc', [...flags, '-o', library, join(PROGRAMS, 'liar.c')]);
  const full = compileCpp(folder);
  const at = offsetsOf(full, randomAddresses(full, 50));
  const liar = spawn('sleep', ['60'], { env: { ...process.env, LD_PRELOAD: library }, stdio: 'pipe' });
  const pid = liar.pid!;
  const symbolizer = await Symbolizer.start();
  try {
    const [line] = (await once(createInterface(liar.stdout!), 'line')) as [string];
    const [method, identity, code, compiled, stub] = line.split(' ').map(BigInt);
    const wanted = wantedOf(pid, library);
    const random = new Random(1);
    const kinds: [number, bigint, bigint][] = [
      [INTERPRETED, method!, identity!],
      [COMPILED, code!, compiled!],
      [JIT, stub!, 0n],
    ];
    const times: number[] = [];
    const timed = async <T>(work: Promise<T>): Promise<T> => {
      const before = performance.now();
      const answer = await work;
      times.push(performance.now() - before);
      return answer;
    };
    const good = question([{ path: full, at }]);
    const before = await symbolizer.symbolize(good);
    const expected = JSON.stringify(at.map((_, row) => framesOf(before, row)));
    const counts = { described: 0, not: 0, named: 0, unnamed: 0 };
    let peak = 0;
    const until = performance.now() + SECONDS * 1000;
    for (let turn = 0; performance.now() < until; turn++) {
      for (let times = 0; times < 8; times++) {
        const description = await timed(symbolizer.describeRuntime(wanted, 0));
        counts[description === null ? 'not' : 'described']++;
      }
      // Mostly of one kind: what costs most is asked for as often as a question allows.
      const kind = kinds[turn % kinds.length]!;
      const rows = Array.from({ length: ROWS }, () => (random.below(20) === 0 ? random.of(kinds) : kind));
      const symbols = await timed(symbolizer.symbolize(rowsOf(pid, rows)));
      for (let row = 0; row < ROWS; row++) counts[reasonOf(symbols, row) === '' ? 'named' : 'unnamed']++;
      const answer = await timed(symbolizer.symbolize(good));
      expect(JSON.stringify(at.map((_, row) => framesOf(answer, row)))).toBe(expected);
      peak = Math.max(peak, memoryOf(symbolizer.stats().pid));
    }
    expect(Math.max(...times)).toBeLessThan(2000);
    expect(peak).toBeLessThan(512);
    // It was right at times, and at others it was not.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0);
  } finally {
    liar.kill('SIGKILL');
    await symbolizer.close();
  }
});
