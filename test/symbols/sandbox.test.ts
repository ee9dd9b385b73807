// SPDX-License-Identifier: Apache-2.0
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Symbolizer, startSymbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import { compileCpp, framesOf, offsetsOf, question, randomAddresses, reasonOf, scratch } from './fixtures.js';

const { folder, remove } = scratch();
let full: string;
let at: number[];

beforeAll(() => {
  full = compileCpp(folder);
  at = offsetsOf(full, randomAddresses(full, 50));
});

afterAll(remove);

function status(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return new Map(lines.map(line => line.split(/:\s*/, 2) as [string, string]));
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (condition()) return;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('it did not happen');
}

it('the child has no privileges, and bounds', async () => {
  const memoryBytes = 300 * 1024 * 1024;
  const symbolizer = await Symbolizer.start({ memoryBytes });
  try {
    const symbols = await symbolizer.symbolize(question([{ path: full, at }]));
    expect(reasonOf(symbols, 0)).toBe('');
    const pid = symbolizer.stats().pid!;
    const found = status(pid);
    if (process.getuid?.() === 0) {
      expect(found.get('Uid')).toBe('65534\t65534\t65534\t65534');
      expect(found.get('Gid')).toBe('65534\t65534\t65534\t65534');
      expect(found.get('Groups')?.trim()).toBe('');
    }
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      expect(found.get(set)).toBe('0000000000000000');
    expect(found.get('NoNewPrivs')).toBe('1');
    expect(found.get('Seccomp')).toBe('2');

    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
    const limit = (name: string): string[] | undefined =>
      new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(limits)?.slice(1);
    expect(limit('Max data size')).toEqual([String(memoryBytes), String(memoryBytes)]);
    expect(limit('Max core file size')).toEqual(['0', '0']);
    expect(limit('Max file size')).toEqual(['0', '0']);
    expect(Number(limit('Max open files')?.[1])).toBeLessThan(4096);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toBe('');

    // What it holds: pipes, the socket, how much memory it uses, and the file that it was handed.
    const open = readdirSync(`/proc/${pid}/fd`).map(name => readlinkSync(`/proc/${pid}/fd/${name}`));
    const others = open.filter(name => !/^(socket|pipe):/.test(name));
    expect(new Set(others)).toEqual(new Set([`/proc/${pid}/statm`, full]));
    // Nothing of what it maps besides its own program can be executed.
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
    const executable = maps.filter(line => / ..x. /.test(line)).map(line => line.split(/\s+/)[5]);
    for (const path of executable)
      expect(path).toMatch(/stackwell-symbolizer$|\/lib.*\.so|^\[v(dso|syscall)\]$/);
    expect(symbolizer.stats().residentBytes).toBeGreaterThan(1024 * 1024);
    expect(symbolizer.stats().residentBytes).toBeLessThan(100 * 1024 * 1024);
  } finally {
    await symbolizer.close();
  }
});

it('is started again when it is killed, and answers everything', async () => {
  const symbolizer = await Symbolizer.start({ cachedLocations: 2 });
  try {
    for (let round = 1; round <= 3; round++) {
      // In the middle of a batch, or before it reads it.
      const answer = symbolizer.symbolize(question([{ path: full, at }]));
      if (round > 1) await new Promise(resolve => setTimeout(resolve, round));
      process.kill(symbolizer.stats().pid!, 'SIGKILL');
      const symbols = await answer;
      for (let row = 0; row < at.length; row++) {
        expect(reasonOf(symbols, row)).toBe('');
        expect(framesOf(symbols, row).length).toBeGreaterThan(0);
      }
      // Its lines too: an innocent file is read as before.
      expect(symbols.frames.line.some(line => line > 0)).toBe(true);
      await symbolizer.symbolize(question([{ path: full, at: at.slice(0, 5) }]));
    }
    expect(symbolizer.stats().restarts).toBeGreaterThanOrEqual(3);
  } finally {
    await symbolizer.close();
  }
});

it('ends with close(), and with the agent', async () => {
  const symbolizer = await startSymbolizer();
  const pid = symbolizer.stats().pid!;
  await symbolizer.close();
  expect(symbolizer.stats().pid).toBeNull();
  expect(() => process.kill(pid, 0)).toThrow();
  const symbols = await symbolizer.symbolize(question([{ path: full, at }]));
  expect(reasonOf(symbols, 0)).toBe('symbolizer_busy');

  // An agent that is killed cannot say goodbye. A busy child must go as well: this one is stopped.
  const { spawn } = await import('node:child_process');
  const agent = spawn(
    'sh',
    ['-c', `exec 3>/dev/null; ${'"$0"'} 100000000 100 <&4 >/dev/null & echo $!; exec sleep 100`, binary()],
    {
      stdio: ['ignore', 'pipe', 'inherit', 'ignore', 'pipe'],
    },
  );
  const child = await new Promise<number>(resolve =>
    agent.stdout!.once('data', (text: Buffer) => resolve(Number.parseInt(text.toString(), 10))),
  );
  await until(() => status(child).get('Seccomp') === '2');
  process.kill(child, 'SIGSTOP');
  agent.kill('SIGKILL');
  await until(() => {
    try {
      return status(child).get('State')!.startsWith('Z');
    } catch {
      return true;
    }
  });
});

function binary(): string {
  return new URL('../../build/stackwell-symbolizer', import.meta.url).pathname;
}

it('a program that is not there, or another one, is an error that says so', async () => {
  await expect(Symbolizer.start({ path: join(folder, 'nothing') })).rejects.toMatchObject({
    code: 'SW_SYMBOLIZER',
  });
  const other = join(folder, 'other.sh');
  writeFileSync(other, '#!/bin/sh\necho something else\n');
  chmodSync(other, 0o755);
  await expect(Symbolizer.start({ path: other })).rejects.toMatchObject({ code: 'SW_SYMBOLIZER' });
  const ends = join(folder, 'ends.sh');
  writeFileSync(ends, '#!/bin/sh\nexit 3\n');
  chmodSync(ends, 0o755);
  await expect(Symbolizer.start({ path: ends })).rejects.toMatchObject({ code: 'SW_SYMBOLIZER' });
});

it('a question that takes too long ends the child, not the answers', async () => {
  const other = compileCpp(folder, 'other', ['-g', '-O1']);
  const otherAt = offsetsOf(other, randomAddresses(other, 20));
  const symbolizer = await Symbolizer.start({ timeoutMs: 300, coldTimeoutMs: 300 });
  try {
    process.kill(symbolizer.stats().pid!, 'SIGSTOP');
    const symbols = await symbolizer.symbolize(
      question([
        { path: full, at },
        { path: other, at: otherAt },
      ]),
    );
    for (let row = 0; row < at.length + otherAt.length; row++) expect(reasonOf(symbols, row)).toBe('');
    // The file that was asked about takes the blame: it is read again, but without its lines.
    const lines = (from: number, to: number): number[] =>
      [...symbols.frames.line.subarray(symbols.frameOffset[from]!, symbols.frameOffset[to]!)].filter(
        line => line > 0,
      );
    expect(lines(0, at.length)).toEqual([]);
    expect(lines(at.length, at.length + otherAt.length).length).toBeGreaterThan(0);
    expect(symbolizer.stats().restarts).toBe(1);
  } finally {
    await symbolizer.close();
  }
});

it('keeps a bounded number of answers and files', async () => {
  const symbolizer = await Symbolizer.start({ cachedLocations: 100, maxFiles: 2 });
  try {
    const programs = [0, 1, 2, 3, 4].map(i => compileCpp(folder, `many-${i}`, ['-g', `-DN=${i}`]));
    const all = programs.map(path => ({ path, at: offsetsOf(path, randomAddresses(path, 80)) }));
    for (let round = 0; round < 2; round++) {
      const symbols = await symbolizer.symbolize(question(all));
      for (let row = 0; row < 400; row++) expect(reasonOf(symbols, row)).toBe('');
    }
    expect(symbolizer.stats().cachedLocations).toBeLessThanOrEqual(100);
    expect(symbolizer.stats().restarts).toBe(0);
    const pid = symbolizer.stats().pid!;
    const open = readdirSync(`/proc/${pid}/fd`).map(name => readlinkSync(`/proc/${pid}/fd/${name}`));
    expect(new Set(open.filter(name => name.startsWith(folder))).size).toBeLessThanOrEqual(2);
  } finally {
    await symbolizer.close();
  }
});
