// SPDX-License-Identifier: Apache-2.0
// Unwind tables beside what binutils reads in the same files, row by row.
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compileCpp, offsetsOf, PROGRAMS, random, run, scratch } from './fixtures.js';
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
