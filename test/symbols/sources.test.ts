// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import {
  buildIdOf,
  compileCpp,
  framesOf,
  offsetsOf,
  question,
  random,
  reasonOf,
  run,
  scratch,
} from './fixtures.js';

const { folder, remove } = scratch();
let symbolizer: Symbolizer;

beforeAll(async () => {
  symbolizer = await Symbolizer.start();
});

afterAll(async () => {
  await symbolizer.close();
  remove();
});

it('kernel names are those of /proc/kallsyms', async () => {
  const symbols = new Map<bigint, Set<string>>();
  let text: [bigint, bigint] = [0n, 0n];
  for (const line of readFileSync('/proc/kallsyms', 'utf8').split('\n')) {
    const [address, kind, name] = line.split(/\s+/) as [string, string, string];
    if (name === '_stext') text = [BigInt(`0x${address}`), text[1]];
    if (name === '_etext') text = [text[0], BigInt(`0x${address}`)];
    if (name === undefined || !'tTwW'.includes(kind)) continue;
    const at = BigInt(`0x${address}`);
    symbols.set(at, (symbols.get(at) ?? new Set()).add(name));
  }
  const starts = [...symbols.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  expect(starts.length, 'kallsyms shows addresses to root').toBeGreaterThan(1000);
  expect(text[0]).toBeGreaterThan(0n);
  const next = random(5);
  const rows = Array.from({ length: 500 }, () => {
    const i = Math.floor(next() * (starts.length - 1));
    const span = starts[i + 1]! - starts[i]!;
    const inside = BigInt(Math.floor(next() * Number(span < 4096n ? span : 4096n)));
    return { at: starts[i]! + inside, names: symbols.get(starts[i]!)!, text: starts[i]! + inside < text[1] };
  });
  for (let round = 0; round < 2; round++) {
    const answer = await symbolizer.symbolize(
      question([
        { path: '', space: 0, at: rows.map(({ at }) => at) },
        // A return address right behind a function is still in it.
        { path: '', space: 0, at: rows.map(({ at }) => at + 1n), exact: false },
        { path: '', space: 0, at: [0xffff_8000_0000_0000n, 1n] },
      ]),
    );
    for (const [row, { names, at }] of rows.entries()) {
      for (const same of [row, row + rows.length]) {
        const frames = framesOf(answer, same);
        expect({ at: at.toString(16), known: [...names] }).toEqual({
          at: at.toString(16),
          known: expect.arrayContaining([frames[0]?.name]),
        });
        expect(frames[0]!.file).toBe('');
      }
    }
    expect(reasonOf(answer, rows.length * 2)).toBe('no_symbols');
    expect(reasonOf(answer, rows.length * 2 + 1)).toBe('unmapped');
  }
});

it('BPF programs have names, also when they came after the rest', async () => {
  const programs = (): string[] =>
    readFileSync('/proc/kallsyms', 'utf8')
      .split('\n')
      .filter(line => / bpf_prog_\w+\t\[bpf\]$/.test(line));
  const fresh = await Symbolizer.start();
  try {
    // Reads the kernel's names for the first time.
    await fresh.symbolize(question([{ path: '', space: 0, at: [0xffff_8000_0000_0000n] }]));
    const before = programs();
    const at = before.map(line => BigInt(`0x${line.split(' ')[0]}`) + 1n);
    const answer = await fresh.symbolize(question([{ path: '', space: 0, at }]));
    const after = new Set(programs());
    // Those of others come and go; the ones that stayed have their names.
    for (const [row, line] of before.entries())
      if (after.has(line))
        expect(framesOf(answer, row).map(({ name }) => name)).toEqual([line.split(/\s+/)[2]]);
  } finally {
    await fresh.close();
  }
});

it('perf maps: named, read again when they grow, later lines first, and not from strangers', async () => {
  const runtime = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = runtime.pid!;
  const path = `/tmp/perf-${pid}.map`;
  const ask = async (...at: number[]): Promise<string[]> => {
    const asked = { path: '//anon', space: 2 as const, pid, at };
    const answer = await symbolizer.symbolize(question([asked]));
    return at.map((_, row) => framesOf(answer, row)[0]?.name ?? reasonOf(answer, row));
  };
  try {
    expect(await ask(0x7000_0000)).toEqual(['jit_unknown']);
    writeFileSync(path, '70000000 100 LazyCompile:~main app.js:1\n70001000 20 second one\n');
    expect(await ask(0x7000_0050, 0x7000_1010, 0x7000_1020)).toEqual([
      'LazyCompile:~main app.js:1',
      'second one',
      'jit_unknown',
    ]);
    appendFileSync(path, '70000040 20 optimized\n');
    expect(await ask(0x7000_0000, 0x7000_0050)).toEqual(['LazyCompile:~main app.js:1', 'optimized']);
    // A return address behind the last instruction.
    const last = await symbolizer.symbolize(
      question([{ path: '//anon', space: 2, pid, at: [0x7000_1020], exact: false }]),
    );
    expect(framesOf(last, 0)[0]?.name).toBe('second one');

    chownSync(path, 12345, 12345);
    appendFileSync(path, '70002000 20 planted\n');
    expect(await ask(0x7000_2000)).toEqual(['jit_unknown']);
    rmSync(path);
    run('mkfifo', [path]);
    expect(await ask(0x7000_2000)).toEqual(['jit_unknown']);
  } finally {
    runtime.kill('SIGKILL');
    rmSync(path, { force: true });
  }
  await ended(runtime);
  expect(await ask(0x7000_0000)).toEqual(['process_gone']);
});

it('finds a perf map by the id that the process has in its own namespace', async () => {
  const runtime = spawn(
    'unshare',
    ['--pid', '--fork', '--kill-child', 'sh', '-c', 'echo $$; exec sleep 60'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const own = await new Promise<string>(resolve =>
    runtime.stdout.once('data', text => resolve(String(text).trim())),
  );
  expect(own).toBe('1');
  const pid = Number(readFileSync(`/proc/${runtime.pid}/task/${runtime.pid}/children`, 'utf8').trim());
  const path = '/tmp/perf-1.map';
  try {
    writeFileSync(path, '1000 10 inside\n');
    const answer = await symbolizer.symbolize(question([{ path: '//anon', space: 2, pid, at: [0x1008] }]));
    expect(framesOf(answer, 0)[0]?.name).toBe('inside');
  } finally {
    rmSync(path, { force: true });
    runtime.kill('SIGKILL');
  }
});

it('names functions of the vDSO', async () => {
  const header = readFileSync('/proc/self/maps', 'utf8').match(/^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m)!;
  const { openSync, readSync, closeSync } = await import('node:fs');
  const start = BigInt(`0x${header[1]}`);
  const image = Buffer.alloc(Number(BigInt(`0x${header[2]}`) - start));
  const memory = openSync('/proc/self/mem', 'r');
  readSync(memory, image, 0, image.length, start);
  closeSync(memory);
  const copy = join(folder, 'vdso.so');
  writeFileSync(copy, image);
  const line = run('readelf', ['--dyn-syms', '-W', copy])
    .split('\n')
    .find(text => text.includes('clock_gettime'))!;
  const [, address, , , , , , name] = line.trim().split(/\s+/) as string[];
  const asked = { path: '[vdso]', space: 4 as const, at: [Number.parseInt(address!, 16)] };
  const answer = await symbolizer.symbolize(
    question([asked, { ...asked, buildId: 'ab'.repeat(20) }, { ...asked, path: '[vsyscall]' }]),
  );
  const same = readFileSync('/proc/self/maps', 'utf8').includes('[vdso]');
  expect(same).toBe(true);
  expect(name).toMatch(framesOf(answer, 0)[0]!.name);
  expect(reasonOf(answer, 1)).toBe('no_symbols');
  expect(reasonOf(answer, 2)).toBe('no_symbols');
});

it('reads what a process has mapped, also when the file has been deleted or replaced', async () => {
  const program = compileCpp(folder, 'mapped', ['-g', '-O2', '-static']);
  const sleeper = join(folder, 'sleeper');
  writeFileSync(
    `${sleeper}.c`,
    '#include <unistd.h>\nint waits(void) { return pause(); }\nint main(void) { write(1, "\\n", 1); return waits(); }\n',
  );
  run('gcc', ['-g', '-o', sleeper, `${sleeper}.c`]);
  const buildId = buildIdOf(sleeper);
  const address = randomAddressOf(sleeper, 'waits');
  const [offset] = offsetsOf(sleeper, [address]);
  const running = spawn(sleeper, { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise(resolve => running.stdout.once('data', resolve));
  const inode = statSync(sleeper, { bigint: true }).ino;
  const range = readFileSync(`/proc/${running.pid}/maps`, 'utf8').match(
    /^([0-9a-f]+)-([0-9a-f]+) r-xp .*sleeper$/m,
  )!;
  const asked = {
    path: `${sleeper} (deleted)`,
    at: [offset!],
    pid: running.pid!,
    start: BigInt(`0x${range[1]}`),
    end: BigInt(`0x${range[2]}`),
    buildId,
    inode,
  };
  try {
    rmSync(sleeper);
    run('cp', [program, sleeper]);
    const mapped = await symbolizer.symbolize(question([asked]));
    expect(framesOf(mapped, 0)[0]?.name).toBe('waits');
  } finally {
    running.kill('SIGKILL');
  }
  await ended(running);
  // It is kept open: known from its build id although both process and file are gone.
  const known = await symbolizer.symbolize(question([{ ...asked, at: [offset!, offset! + 1] }]));
  expect(framesOf(known, 1)[0]?.name).toBe('waits');
  // Someone who never saw it must not take the file that has its name now.
  const fresh = await Symbolizer.start();
  try {
    const unknown = await fresh.symbolize(question([asked, { ...asked, path: sleeper, buildId: '' }]));
    expect([reasonOf(unknown, 0), reasonOf(unknown, 1)]).toEqual(['file_gone', 'process_gone']);
    // While a process lives, the file is what is gone.
    const alive = await fresh.symbolize(question([{ ...asked, pid: process.pid }]));
    expect(reasonOf(alive, 0)).toBe('file_gone');
  } finally {
    await fresh.close();
  }
});

function randomAddressOf(path: string, name: string): number {
  const line = run('nm', [path])
    .split('\n')
    .find(text => text.endsWith(` ${name}`))!;
  return Number.parseInt(line, 16) + 4;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise(resolve => child.once('exit', resolve));
}
