// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdirSync, readdirSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import {
  buildIdOf,
  compileCpp,
  compileGo,
  framesOf,
  functionsOf,
  llvmFrames,
  offsetsOf,
  type Place,
  question,
  randomAddresses,
  reasonOf,
  run,
  scratch,
  strip,
} from './fixtures.js';

const { folder, remove } = scratch();
let symbolizer: Symbolizer;
let full: string;

beforeAll(async () => {
  full = compileCpp(folder);
  symbolizer = await Symbolizer.start();
});

afterAll(async () => {
  await symbolizer.close();
  remove();
});

/** Compilers copy functions (`.isra.0`, constructor variants): DWARF names the original, the symbol table the copy. */
function original(systemName: string): string {
  return systemName
    .replace(/(\.(isra|part|constprop|cold)(\.\d+)?)+$/, '')
    .replace(/([CD])[0-5](E|I)/g, '$1*$2');
}

function plain(frames: Place[]): Place[] {
  return frames.map(({ systemName, file, line }) => ({ systemName: original(systemName), file, line }));
}

async function expectAsLlvm(path: string, reference: string, addresses: number[]): Promise<void> {
  const symbols = await symbolizer.symbolize(question([{ path, at: offsetsOf(path, addresses) }]));
  const expected = llvmFrames(reference, addresses);
  expect(expected).toHaveLength(addresses.length);
  let inlined = 0;
  for (const [row, frames] of expected.entries()) {
    const at = addresses[row]!.toString(16);
    expect({ at, frames: plain(framesOf(symbols, row)) }).toEqual({ at, frames: plain(frames) });
    if (frames.length > 1) inlined++;
  }
  expect(inlined).toBeGreaterThan(addresses.length / 20);
  expect(symbols.buildIds[0]).toBe(buildIdOf(path));
}

it('names, lines and inlined calls are those of llvm-symbolizer', async () => {
  await expectAsLlvm(full, full, randomAddresses(full, 400));
});

it('lines of inlined calls are those of addr2line', async () => {
  const addresses = randomAddresses(full, 200, 7);
  const symbols = await symbolizer.symbolize(question([{ path: full, at: offsetsOf(full, addresses) }]));
  const hex = addresses.map(address => address.toString(16));
  const blocks = run('addr2line', ['-a', '-i', '-e', full, ...hex]).split(/^0x[0-9a-f]{16}\n/m);
  expect(blocks).toHaveLength(addresses.length + 1);
  for (const [row, block] of blocks.slice(1).entries()) {
    const expected = block.trimEnd().replace(/ \(discriminator \d+\)/g, '');
    const own = framesOf(symbols, row).map(({ file, line }) => `${file || '??'}:${line || '?'}`);
    expect({ at: hex[row], own: own.join('\n') }).toEqual({ at: hex[row], own: expected });
  }
});

it('demangled names are those of c++filt', async () => {
  const addresses = randomAddresses(full, 300, 8);
  const symbols = await symbolizer.symbolize(question([{ path: full, at: offsetsOf(full, addresses) }]));
  const names = new Map(
    addresses.flatMap((_, row) => framesOf(symbols, row)).map(({ systemName, name }) => [systemName, name]),
  );
  expect(names.size).toBeGreaterThan(20);
  const expected = run('c++filt', [], `${[...names.keys()].join('\n')}\n`)
    .trimEnd()
    .split('\n');
  // Two demanglers put spaces at other places, and write templates of constructors and decltype in other ways: scopes
  // and names are always the same, all the rest nearly always.
  const bare = (name: string): string =>
    name.replaceAll(' ', '').replace('(anonymousnamespace)', '{anonymous}');
  const scope = (name: string): string =>
    bare(name)
      .replace(/^decltype\(.*\)\)(?=std::construct)/, '')
      .replace(/\(.*$/, '');
  const own = [...names.values()];
  expect(own.map(scope)).toEqual(expected.map(scope));
  const same = own.filter((name, i) => bare(name) === bare(expected[i]!));
  expect(same.length / own.length).toBeGreaterThan(0.9);
});

it('demangles C++ with its scopes and parameters', async () => {
  const wanted = new Map([
    ['_ZN12_GLOBAL__N_16hiddenEm', '(anonymous namespace)::hidden(unsigned long)'],
    ['plain_c', 'plain_c'],
    ['main', 'main'],
    ['_ZL10file_localm', 'file_local(unsigned long)'],
  ]);
  const functions = functionsOf(full).filter(({ name }) => wanted.has(name));
  expect(functions).toHaveLength(wanted.size);
  const at = offsetsOf(
    full,
    functions.map(({ address }) => address),
  );
  const symbols = await symbolizer.symbolize(question([{ path: full, at }]));
  for (const [row, { name }] of functions.entries()) {
    const outermost = framesOf(symbols, row).at(-1)!;
    expect(outermost.systemName).toBe(name);
    expect(outermost.name).toBe(wanted.get(name));
  }
});

it('a return address is looked up in the call before it', async () => {
  // The last byte of a function, and the address after it, which belongs to another one or to none.
  const { address, size, name } = functionsOf(full).find(one => one.name === 'plain_c')!;
  const at = offsetsOf(full, [address + size - 1]).map(offset => offset + 1);
  const symbols = await symbolizer.symbolize(
    question([
      { path: full, at, exact: false },
      { path: full, at, exact: true },
    ]),
  );
  expect(framesOf(symbols, 0).at(-1)?.systemName).toBe(name);
  expect(framesOf(symbols, 1).at(-1)?.systemName).not.toBe(name);
});

it('finds the debug file by its link: beside, in .debug, and only if the checksum is right', async () => {
  const addresses = randomAddresses(full, 100, 2);
  // Without build ids nothing but the link and its checksum tells.
  const anonymous = join(folder, 'anonymous');
  run('g++', ['-std=c++20', '-g', '-O2', '-Wl,--build-id=none', '-o', anonymous, ...sources()]);
  const same = randomAddresses(anonymous, 100, 2);

  const beside = join(folder, 'beside');
  mkdirSync(beside);
  strip(full, join(beside, 'program'), join(beside, 'program.debug'), true);
  await expectAsLlvm(join(beside, 'program'), full, addresses);

  const hidden = join(folder, 'hidden');
  mkdirSync(join(hidden, '.debug'), { recursive: true });
  strip(anonymous, join(hidden, 'program'), join(hidden, 'program.debug'), true);
  renameSync(join(hidden, 'program.debug'), join(hidden, '.debug', 'program.debug'));
  await expectAsLlvm(join(hidden, 'program'), anonymous, same);

  const wrong = join(folder, 'wrong');
  mkdirSync(wrong);
  strip(anonymous, join(wrong, 'program'), join(wrong, 'program.debug'), true);
  copyFileSync(full, join(wrong, 'program.debug'));
  const at = offsetsOf(anonymous, same);
  const symbols = await symbolizer.symbolize(question([{ path: join(wrong, 'program'), at }]));
  for (let row = 0; row < at.length; row++)
    expect(symbols.frames.line[symbols.frameOffset[row]!] ?? 0).toBe(0);

  function sources(): string[] {
    return [new URL('./programs/inlines.cc', import.meta.url).pathname];
  }
});

it('finds the debug file by build id', async () => {
  // In its own root: the file system of a container, with the debug folder of a distribution.
  const buildId = buildIdOf(full);
  const debug = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}`;
  const root = join(folder, 'root');
  mkdirSync(join(root, debug), { recursive: true });
  mkdirSync(join(root, 'bin'), { recursive: true });
  strip(full, join(root, 'bin', 'program'), join(root, debug, `${buildId.slice(2)}.debug`), false);
  const addresses = randomAddresses(full, 100, 3);
  const at = offsetsOf(full, addresses);
  const inside = await inRoot(root);
  const fresh = await Symbolizer.start();
  try {
    const asked = { path: '/bin/program', at, buildId, pid: inside.pid };
    const symbols = await fresh.symbolize(question([asked]));
    for (const [row, frames] of llvmFrames(full, addresses).entries())
      expect(plain(framesOf(symbols, row))).toEqual(plain(frames));
  } finally {
    inside.stop();
    await fresh.close();
  }
});

it('reads debug files that share a supplementary file', async () => {
  const root = join(folder, 'dwz');
  const debug = join(root, '/usr/lib/debug');
  mkdirSync(join(debug, '.dwz'), { recursive: true });
  mkdirSync(join(root, 'bin'), { recursive: true });
  const programs = ['one', 'two'].map((name, i) =>
    compileCpp(folder, name, ['-g', '-O2', `-DN=${i}`, `-march=x86-64-v${2 + i}`]),
  );
  const files = programs.map(program => {
    const buildId = buildIdOf(program);
    mkdirSync(join(debug, '.build-id', buildId.slice(0, 2)), { recursive: true });
    const detached = join(debug, '.build-id', buildId.slice(0, 2), `${buildId.slice(2)}.debug`);
    const path = `/bin/${buildId}`;
    strip(program, join(root, path), detached, false);
    return { program, path, buildId, detached };
  });
  // dwz names the supplement as it is told: the path that it has in the root.
  const shared = join(debug, '.dwz/shared.debug');
  run('dwz', [
    '-m',
    shared,
    '-M',
    '/usr/lib/debug/.dwz/shared.debug',
    ...files.map(({ detached }) => detached),
  ]);
  for (const { detached } of files) expect(run('readelf', ['-SW', detached])).toContain('.gnu_debugaltlink');
  const inside = await inRoot(root);
  const fresh = await Symbolizer.start();
  try {
    const asked = files.map(({ program, path, buildId }) => {
      const addresses = randomAddresses(program, 60, 4);
      return { path, buildId, pid: inside.pid, at: offsetsOf(program, addresses), addresses, program };
    });
    const symbols = await fresh.symbolize(question(asked));
    let row = 0;
    for (const { program, addresses } of asked)
      for (const frames of llvmFrames(program, addresses)) {
        // Inlined calls whose description dwz moved away are left out; what is around them is right.
        const own = plain(framesOf(symbols, row++));
        expect(own.at(-1)).toEqual(plain(frames).at(-1));
        expect(plain(frames)).toEqual(expect.arrayContaining(own));
      }
    const pid = fresh.stats().pid!;
    const open = readdirSync(`/proc/${pid}/fd`).map(name => readlinkSync(`/proc/${pid}/fd/${name}`));
    expect(open.filter(name => name.endsWith('shared.debug')).length).toBeGreaterThan(1);
    expect(fresh.stats().restarts).toBe(0);
  } finally {
    inside.stop();
    await fresh.close();
  }
});

it('reads .gnu_debugdata', async () => {
  const program = join(folder, 'mini');
  const symbolsOnly = join(folder, 'mini.symbols');
  run('objcopy', ['--strip-debug', '--remove-section=.comment', full, symbolsOnly]);
  run('xz', ['-f', '-k', symbolsOnly]);
  run('objcopy', ['--strip-all', `--add-section=.gnu_debugdata=${symbolsOnly}.xz`, full, program]);
  const functions = functionsOf(full).filter(({ name }) => !name.includes('@'));
  const at = offsetsOf(
    program,
    functions.map(({ address, size }) => address + size - 1),
  );
  const fresh = await Symbolizer.start();
  try {
    const symbols = await fresh.symbolize(question([{ path: program, at }]));
    for (const [row, { address }] of functions.entries()) {
      const names = functions.filter(one => one.address === address).map(({ name }) => name);
      expect(names).toContain(framesOf(symbols, row)[0]?.systemName);
    }
  } finally {
    await fresh.close();
  }
});

it('names Go functions with their lines', async () => {
  const program = compileGo(folder);
  const functions = functionsOf(program).filter(({ name }) => /^main\./.test(name));
  expect(functions.map(({ name }) => name)).toContain('main.main');
  const at = offsetsOf(
    program,
    functions.map(({ address }) => address),
  );
  const symbols = await symbolizer.symbolize(question([{ path: program, at }]));
  for (const [row, { name }] of functions.entries()) {
    const frame = framesOf(symbols, row).at(-1)!;
    expect(frame.name).toBe(name);
    expect(frame.file).toMatch(/go\/main\.go$/);
    expect(frame.line).toBeGreaterThan(0);
  }
  // Without DWARF the symbol table still has the names.
  const bare = compileGo(folder, ['-ldflags=-w']);
  const main = functionsOf(bare).find(({ name }) => name === 'main.main')!;
  const again = await symbolizer.symbolize(question([{ path: bare, at: offsetsOf(bare, [main.address]) }]));
  expect(framesOf(again, 0).map(({ name }) => name)).toEqual(['main.main']);
});

it('names Rust functions of both mangling schemes', async () => {
  const source = new URL('./programs/main.rs', import.meta.url).pathname;
  const schemes = { plain: [], v0: ['-Csymbol-mangling-version=v0'] };
  for (const [scheme, flags] of Object.entries(schemes)) {
    const program = join(folder, `rust-${scheme}`);
    run('rustc', ['-g', '-O', '--edition=2021', '--crate-name=shop', ...flags, '-o', program, source]);
    const area = functionsOf(program).find(({ name }) => name.includes('area'))!;
    const addresses = Array.from({ length: area.size }, (_, i) => area.address + i);
    const symbols = await symbolizer.symbolize(
      question([{ path: program, at: offsetsOf(program, addresses) }]),
    );
    const shown = new Set<string>();
    for (const [row, frames] of llvmFrames(program, addresses).entries()) {
      const own = framesOf(symbols, row);
      expect(plain(own)).toEqual(plain(frames));
      for (const { name } of own) shown.add(name);
    }
    // The old scheme, where the compiler still has it as its default, has no angle brackets.
    expect([...shown].filter(name => /^<?shop::shapes::Square>?::area$/.test(name))).toHaveLength(1);
  }
});

it('an address past the size of a symbol has no name', async () => {
  const source = join(folder, 'gap.s');
  writeFileSync(
    source,
    '.globl sized\n.type sized,@function\nsized: ret\n.size sized, 1\n.skip 64, 0x90\n' +
      '.globl unsized\n.type unsized,@function\nunsized: .skip 32, 0x90\n ret\n.skip 0x20000, 0x90\nlast: ret\n',
  );
  const program = join(folder, 'gap.so');
  run('gcc', ['-shared', '-nostdlib', '-Wl,--build-id', '-o', program, source]);
  const symbol = (name: string): number =>
    Number.parseInt(
      new RegExp(`([0-9a-f]{16}) .*\\b${name}$`, 'm').exec(run('readelf', ['-sW', program]))![1]!,
      16,
    );
  const sized = symbol('sized');
  const unsized = symbol('unsized');
  const addresses = [sized, sized + 1, sized + 63, unsized, unsized + 20, unsized + 0x1ffff];
  const symbols = await symbolizer.symbolize(
    question([{ path: program, at: offsetsOf(program, addresses) }]),
  );
  const names = addresses.map((_, row) => framesOf(symbols, row)[0]?.name ?? reasonOf(symbols, row));
  expect(names).toEqual(['sized', 'no_symbols', 'no_symbols', 'unsized', 'unsized', 'no_symbols']);
});

it('what cannot be read has its reason', async () => {
  const text = join(folder, 'text');
  writeFileSync(text, 'not a program\n');
  const buildId = buildIdOf(full);
  const other = compileCpp(folder, 'other', ['-O1']);
  const small = await Symbolizer.start({ maxFileBytes: 1000 });
  try {
    const asked = [
      { path: join(folder, 'missing'), at: [16] },
      { path: text, at: [3] },
      { path: full, at: [0xfff_ffff] },
      // Another file has the path now.
      { path: other, at: [0x1200], buildId },
      { path: join(folder, 'missing'), at: [16], buildId: 'ab'.repeat(20), pid: process.pid },
      { path: '', at: [0x1234], space: 3 as const },
      { path: '/memfd:jit (deleted)', at: [0x1234] },
    ];
    const fresh = await Symbolizer.start();
    const symbols = await fresh.symbolize(question(asked));
    await fresh.close();
    expect(asked.map((_, row) => reasonOf(symbols, row))).toEqual([
      'process_gone',
      'no_symbols',
      'no_symbols',
      'file_gone',
      'file_gone',
      'unmapped',
      'process_gone',
    ]);
    const large = await small.symbolize(question([{ path: full, at: [0x1200] }]));
    expect(reasonOf(large, 0)).toBe('file_too_large');
  } finally {
    await small.close();
  }
});

/** A process whose root is `root`, and that does nothing. */
async function inRoot(root: string): Promise<{ pid: number; stop(): void }> {
  const { spawn } = await import('node:child_process');
  const idle = join(root, 'idle');
  const source = join(folder, 'idle.c');
  writeFileSync(
    source,
    '#include <unistd.h>\nint main(int c, char** v) { if (chroot(v[1])) return 1; write(1, "\\n", 1); for (;;) pause(); }\n',
  );
  run('gcc', ['-o', idle, source]);
  const child = spawn(idle, [root], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error('chroot needs root')));
  });
  return { pid: child.pid!, stop: () => child.kill('SIGKILL') };
}
