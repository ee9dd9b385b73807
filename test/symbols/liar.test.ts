// SPDX-License-Identifier: Apache-2.0
// A process that says it is a Java virtual machine, and writes over its structures all the time (programs/liar.c): each
// question is answered or refused in time, and what is said of others stays the same.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import type { WantedRuntimes } from '#native/bpf';
import { COMPILED, INTERPRETED } from '../../src/agent/profiling/symbolizer/java.js';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import type { SymbolInput } from '../../src/agent/profiling/symbols.js';
import { compileCpp, framesOf, offsetsOf, PROGRAMS, question, randomAddresses, scratch } from './fixtures.js';

const MiB = 2 ** 20;
const JIT = 2;
const ROWS = 1000;

const { folder, remove } = scratch();
afterAll(remove);

/** The library's first mapping of code. */
function wantedOf(pid: number, library: string): WantedRuntimes {
  const line = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .find(text => text.endsWith(library) && / r-xp /.test(text))!;
  const [, start, end, offset] = /^(\w+)-(\w+) \S+ (\w+)/.exec(line)!.map(word => BigInt(`0x${word.trim()}`));
  const input = question([{ path: library, at: [], pid, start: start!, end: end! }]);
  input.mappings.offset[0] = offset!;
  input.mappings.inode[0] = statSync(library, { bigint: true }).ino;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return { ...input, start: Float64Array.of(ticks) };
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
    const [line] = (await createInterface(liar.stdout!)[Symbol.asyncIterator]().next()).value as [string];
    void line;
  } finally {
    liar.kill('SIGKILL');
    await symbolizer.close();
  }
});
