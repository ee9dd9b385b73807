// SPDX-License-Identifier: Apache-2.0
// Unwind tables beside what binutils reads in the same files, row by row.
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compileCpp, offsetsOf, PROGRAMS, random, run, scratch, strip } from './fixtures.js';
import { type Rule, type Table, Tables } from './unwind-tables.js';

const { folder, remove } = scratch();
let tables: Tables;

beforeAll(() => {
  tables = new Tables();
});

afterAll(async () => {
  await tables.close();
  remove();
});

interface Expected {
  address: number;
  end: number;
  signal: boolean;
  cfa: string;
  rbp: string;
  ra: string;
}

/** Rows of call frame information as readelf interprets them. */
function readelfRows(path: string, section: 'eh_frame' | 'debug_frame' = 'eh_frame'): Expected[] {
  const rows: Expected[] = [];
  const signals = new Set<string>();
  let columns: string[] = [];
  let entry: { end: number; signal: boolean } | null = null;
  let wanted = false;
  for (const line of run('readelf', ['--wide', '--debug-dump=frames-interp,no-follow-links', path]).split(
    '\n',
  )) {
    const heading = /^Contents of the \.(\w+) section/.exec(line);
    const common = /^([0-9a-f]+) [0-9a-f]+ [0-9a-f]+ CIE "(\w*)"/.exec(line);
    const owner = /^[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ FDE cie=([0-9a-f]+) pc=[0-9a-f]+\.\.([0-9a-f]+)/.exec(line);
    if (heading !== null) wanted = heading[1] === section;
    if (common !== null) {
      if (common[2]!.includes('S')) signals.add(common[1]!);
      entry = null;
    } else if (owner !== null) {
      entry = { end: Number.parseInt(owner[2]!, 16), signal: signals.has(owner[1]!) };
    } else if (/^ +LOC +CFA/.test(line)) {
      columns = line.trim().split(/\s+/);
    } else if (wanted && entry !== null && /^[0-9a-f]{16} /.test(line)) {
      // `r5 (rdi)`: in another register.
      const values = line
        .replace(/ \((\w+)\)/g, '')
        .trim()
        .split(/\s+/);
      const column = (name: string): string => values[columns.indexOf(name)] ?? 'u';
      const address = Number.parseInt(values[0]!, 16);
      const before = rows.at(-1);
      // The row before in the same function ends here; where both are at one address, the later one counts.
      if (before !== undefined && before.end === entry.end && before.address <= address) {
        if (before.address === address) rows.pop();
        else before.end = address;
      }
      rows.push({ address, ...entry, cfa: column('CFA'), rbp: column('rbp'), ra: column('ra') });
    }
  }
  return rows.filter(row => row.address < row.end);
}

/** How often each reason was found why a rule cannot be said. */
type Reasons = Map<string, number>;

/** Null when the two say the same. */
function difference(expected: Expected, own: Rule, reasons: Reasons): string | null {
  const { cfa, rbp, ra } = expected;
  const say = (): string => `${JSON.stringify(expected)} is ${JSON.stringify(own)}`;
  if (expected.signal) return own.kind === 'signal' ? null : say();
  if (ra === 'u') return own.kind === 'end' ? null : say();
  const simple = /^r[sb]p[+-]\d+$/.test(cfa);
  const unsaid = own.kind === 'none' && own.unsaid;
  if (unsaid && (!simple || /exp|^r/.test(rbp) || ra !== 'c-8')) {
    const reason = !simple ? cfa.replace(/[+-]\d+$/, '') : ra === 'c-8' ? `rbp ${rbp}` : `ra ${ra}`;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    return null;
  }
  if (cfa === 'exp' ? !['plt', 'spRead', 'fpRead', 'sp'].includes(own.kind) : own.cfa !== cfa) return say();
  // What expressions say is tested below; here, that a location that needs one is not given as a plain one.
  const saved = rbp === 'u' || rbp === 's' ? 'same' : rbp === 'exp' ? '*(rbp)' : rbp;
  return own.kind === 'plt' || own.rbp === saved ? null : say();
}

/** Compares all rows, in their first and last byte. */
function compare(path: string, table: Table, rows: Expected[]): Reasons {
  const offsets = offsetsOf(
    path,
    rows.map(row => row.address),
  );
  const reasons: Reasons = new Map();
  const different: string[] = [];
  for (const [index, row] of rows.entries()) {
    const first = offsets[index]!;
    for (const offset of new Set([first, first + (row.end - row.address) - 1])) {
      const found = difference(row, table.rule(offset), offset === first ? reasons : new Map());
      if (found !== null) different.push(found);
    }
  }
  expect(different.slice(0, 20)).toEqual([]);
  return reasons;
}

const LIBC = realpathSync('/usr/lib/x86_64-linux-gnu/libc.so.6');
const LOADER = realpathSync('/lib64/ld-linux-x86-64.so.2');
const LIBSTDCXX = realpathSync('/usr/lib/x86_64-linux-gnu/libstdc++.so.6');
const LIBCRYPTO = realpathSync('/usr/lib/x86_64-linux-gnu/libcrypto.so.3');

it.each([
  // setcontext; memory functions that keep the stack in rdx; vfork, whose return address must survive on no stack.
  ['the C library', LIBC, 20_000, ['rdi', 'rdx', 'ra r5']],
  // The way through lazy binding keeps it in rbx.
  ['the loader', LOADER, 1500, ['rbx', 'rdi']],
  ['the C++ library', LIBSTDCXX, 20_000, []],
  // Prologues that keep the stack in another register until they have aligned it.
  ['hand-written assembly', LIBCRYPTO, 40_000, ['rax', 'rcx', 'rdi', 'rsi', 'r9', 'r11', 'r15', 'exp']],
])('every row of %s is as readelf says', async (_, path, least, reasons) => {
  const rows = readelfRows(path);
  expect(rows.length).toBeGreaterThan(least);
  const table = await tables.of(path);
  const unsaid = compare(path, table, rows);
  expect([...unsaid.keys()].filter(reason => !reasons.includes(reason))).toEqual([]);
  const count = [...unsaid.values()].reduce((sum, count) => sum + count, 0);
  expect(count).toBeLessThan(rows.length / 50);
  // Rows that follow each other with the same rule are one.
  expect(table.description.unsaid).toBeLessThanOrEqual(count);
  expect(table.description.unreadable).toBe(0);
});

/** A C program with `.debug_frame` and nothing of its own in `.eh_frame`, and the addresses of its functions. */
function withoutEhFrame(name: string, flags: string[] = []): string {
  const output = join(folder, name);
  const source = join(PROGRAMS, 'aligned.c');
  run('gcc', ['-g', '-O2', '-fno-asynchronous-unwind-tables', ...flags, '-o', output, source]);
  return output;
}

it('every row of a C++ program is as readelf says', async () => {
  for (const [name, flags] of [
    ['optimized', ['-O2']],
    ['not-optimized', ['-O0']],
  ] as const) {
    const path = compileCpp(folder, name, [...flags]);
    const table = await tables.of(path);
    expect(compare(path, table, readelfRows(path)).size).toBe(0);
  }
});

it('a frame that was aligned leads to where its caller is', async () => {
  const path = join(folder, 'aligned');
  run('gcc', ['-O2', '-o', path, join(PROGRAMS, 'aligned.c')]);
  const rows = readelfRows(path).filter(row => row.cfa === 'exp' && row.rbp === 'exp');
  expect(rows).toHaveLength(1);
  const table = await tables.of(path);
  const rule = table.rule(offsetsOf(path, [rows[0]!.address])[0]!);
  expect(rule).toEqual({ kind: 'fpRead', cfa: '*(rbp-8)', rbp: '*(rbp)', unsaid: false });
  // Two instructions of its prologue and one at its end have the stack in r10.
  expect([...compare(path, table, readelfRows(path)).keys()]).toEqual(['r10']);
});

it.each([['none'], ['zlib'], ['zlib-gnu'], ['zstd']])(
  '.debug_frame tells what .eh_frame does not; compressed: %s',
  async format => {
    const path = withoutEhFrame(format);
    const rows = readelfRows(path, 'debug_frame');
    run('objcopy', [`--compress-debug-sections=${format}`, path]);
    expect(rows.length).toBeGreaterThan(5);
    const table = await tables.of(path);
    compare(path, table, rows);
    // Of the start files.
    compare(path, table, readelfRows(path));

    const detached = `${path}.debug`;
    const stripped = `${path}.stripped`;
    strip(path, stripped, detached, false);
    const attached = await tables.of(stripped, detached);
    compare(path, attached, rows);
    const alone = await tables.of(stripped);
    const first = offsetsOf(path, [rows[0]!.address])[0]!;
    expect([alone.rule(first).kind, attached.rule(first).kind]).toEqual(['none', 'sp']);
  },
);

it('damaged debug information costs itself', async () => {
  const path = withoutEhFrame('bad', ['-gz=zlib']);
  const content = readFileSync(path);
  const [, offset] = /\.debug_frame +PROGBITS +\w+ (\w+)/.exec(run('readelf', ['-SW', path]))!;
  content.fill(0xff, Number.parseInt(offset!, 16) + 24 + 8, Number.parseInt(offset!, 16) + 24 + 16);
  writeFileSync(path, content);
  const table = await tables.of(path);
  expect(table.description.unreadable).toBe(1);
  compare(path, table, readelfRows(path));
});

it('a program without section headers has the same table', async () => {
  const path = compileCpp(folder, 'whole', ['-O2']);
  const content = readFileSync(path);
  content.writeBigUInt64LE(0n, 0x28);
  content.fill(0, 0x3c, 0x40);
  const bare = join(folder, 'bare');
  writeFileSync(bare, content);
  compare(path, await tables.of(bare), readelfRows(path));
});

it('what no entry describes has no rule', async () => {
  const table = await tables.of(LIBC);
  // Not by rows: readelf prints none for a function that never moves its stack.
  const heads = run('readelf', ['--wide', '--debug-dump=frames-interp,no-follow-links', LIBC]);
  const covered = [...heads.matchAll(/ FDE cie=[0-9a-f]+ pc=([0-9a-f]+)\.\.([0-9a-f]+)/g)]
    .map(([, from, to]) => [Number.parseInt(from!, 16), Number.parseInt(to!, 16)] as const)
    .sort(([a], [b]) => a - b);
  const gaps: [number, number][] = [];
  for (let i = 1; i < covered.length; i++) {
    const [from, to] = [covered[i - 1]![1], covered[i]![0]];
    if (to - from > 15) gaps.push([from, to]);
  }
  expect(gaps.length).toBeGreaterThan(1);
  const next = random(3);
  const stubs = sectionOf(LIBC, '.plt.got');
  for (const [from, to] of gaps) {
    const places = [from, to - 1, from + Math.floor(next() * (to - from))];
    for (const offset of offsetsOf(LIBC, places)) {
      // Linkage has a rule all the same.
      const linkage = offset >= stubs.address && offset < stubs.address + stubs.size;
      expect(table.rule(offset).cfa, `${from.toString(16)}..${to.toString(16)} ${offset.toString(16)}`).toBe(
        linkage ? 'rsp+8' : '',
      );
      if (!linkage) expect(table.find(offset)).toBe(0);
    }
  }
  expect(table.find(0)).toBe(0);
  expect(table.find(2 ** 32 - 1)).toBe(0);
});

/** Address and size of a section. */
function sectionOf(path: string, name: string): { address: number; size: number } {
  const pattern = new RegExp(`\\] ${name.replaceAll('.', '\\.')} +\\w+ +(\\w+) \\w+ (\\w+)`);
  const [, address, size] = pattern.exec(run('readelf', ['-SW', path]))!;
  return { address: Number.parseInt(address!, 16), size: Number.parseInt(size!, 16) };
}

it.each([
  ['lazy', ['-Wl,-z,lazy'], 11],
  ['lazy with branch tracking', ['-Wl,-z,lazy,-z,ibtplt', '-fcf-protection'], 9],
])('procedure linkage, %s, with and without frame information', async (name, flags, from) => {
  const path = compileCpp(folder, name.replaceAll(' ', '-'), ['-O2', ...flags]);
  const bare = `${path}-bare`;
  run('objcopy', ['-R', '.eh_frame', '-R', '.eh_frame_hdr', path, bare]);
  const { address, size } = sectionOf(path, '.plt');
  expect(size).toBeGreaterThan(64);
  for (const table of [await tables.of(path), await tables.of(bare)]) {
    const cfa = (at: number): string => {
      const rule = table.rule(offsetsOf(path, [at])[0]!);
      return rule.kind === 'plt' ? `rsp+${at % 16 >= 11 ? 16 : 8}` : rule.cfa;
    };
    expect([cfa(address), cfa(address + 6)]).toEqual(['rsp+16', 'rsp+24']);
    for (let stub = address + 16; stub < address + size; stub += 16)
      expect([cfa(stub), cfa(stub + from - 1), cfa(stub + from), cfa(stub + 15)]).toEqual([
        ...['rsp+8', 'rsp+8', 'rsp+16', 'rsp+16'],
      ]);
  }
});

it('builtins of V8 keep the frame pointer', async () => {
  const source = join(folder, 'builtins.s');
  const builtin = (name: string, bytes: number): string =>
    `.type Builtins_${name},@function\nBuiltins_${name}: .skip ${bytes},0x90\n.size Builtins_${name},${bytes}\n`;
  const blob = [builtin('First', 100), '.balign 64\n', builtin('Middle', 80_000), builtin('Last', 40)];
  const main =
    '.globl main\n.type main,@function\nmain: .cfi_startproc\nret\n.cfi_endproc\n.size main,.-main\n';
  const build = (name: string, start: string): string => {
    writeFileSync(source, `.text\n.balign 64\n${start}\n${blob.join('')}.skip 64,0x90\n${main}`);
    run('gcc', ['-o', join(folder, name), source]);
    return join(folder, name);
  };
  const path = build('builtins', 'v8_Default_embedded_blob_code_:');
  const at = (file: string, name: string): number => {
    const [, value] = new RegExp(`: (\\w+) .* ${name}$`, 'm').exec(run('readelf', ['-sW', file]))!;
    return offsetsOf(file, [Number.parseInt(value!, 16)])[0]!;
  };
  const table = await tables.of(path);
  const [first, last] = [at(path, 'Builtins_First'), at(path, 'Builtins_Last')];
  for (const offset of [first, first + 120, first + 70_000, last, last + 39])
    expect(table.rule(offset)).toEqual({ kind: 'fp', cfa: 'rbp+16', rbp: 'c-16', unsaid: false });
  expect([first - 1, last + 40].map(offset => table.find(offset))).toEqual([0, 0]);
  expect(table.rule(at(path, 'main')).cfa).toBe('rsp+8');

  // A debug file has the symbols of a stripped program.
  strip(path, `${path}.stripped`, `${path}.debug`, false);
  const alone = await tables.of(`${path}.stripped`);
  const attached = await tables.of(`${path}.stripped`, `${path}.debug`);
  expect([alone.rule(first).kind, attached.rule(first).kind]).toEqual(['none', 'fp']);

  // The names alone could be anybody's.
  const other = build('no-builtins', '');
  expect((await tables.of(other)).find(at(other, 'Builtins_First'))).toBe(0);
});

it('musl: a program starts, threads start and signals return where nothing says so', async () => {
  const source = join(folder, 'threads.c');
  writeFileSync(
    source,
    `#include <pthread.h>
     #include <signal.h>
     static void *thread(void *argument) { return argument; }
     int main(void) {
       pthread_t id;
       signal(SIGALRM, SIG_IGN);
       pthread_create(&id, 0, thread, 0);
       return pthread_join(id, 0);
     }`,
  );
  const path = join(folder, 'musl-static');
  run('musl-gcc', ['-static', '-O2', '-o', path, source]);
  const symbols = run('readelf', ['-sW', path]);
  const at = (name: string): number => {
    const [, value] = new RegExp(`: (\\w+) .* ${name}$`, 'm').exec(symbols)!;
    return offsetsOf(path, [Number.parseInt(value!, 16)])[0]!;
  };
  const table = await tables.of(path);
  const kinds = (offset: number, ...places: number[]): string[] =>
    places.map(place => table.rule(offset + place).kind);
  // Its call is the last instruction.
  expect(kinds(at('_start'), 0, 21)).toEqual(['end', 'end']);
  // Return addresses are looked up one byte before.
  expect(kinds(at('__restore_rt'), -1, 0, 8)).toEqual(['signal', 'signal', 'signal']);
  // main is called, and exit with what it returned: the last instructions of the function. The same of a thread.
  for (const name of ['libc_start_main_stage2', 'start_c11']) {
    const size = Number(new RegExp(`: \\w+ +(\\d+) .* ${name}$`, 'm').exec(symbols)![1]);
    expect(kinds(at(name), 0, size - 5, size - 1)).toEqual(['sp', 'end', 'end']);
  }
  // The child calls what it was given; its parent has nothing.
  const child = 41;
  expect(kinds(at('__clone'), child - 1, child, child + 5)).toEqual(['none', 'end', 'end']);
  compare(path, table, readelfRows(path));
});
