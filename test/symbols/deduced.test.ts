// SPDX-License-Identifier: Apache-2.0
// What instructions alone tell, beside the frame information of the compiler that wrote them.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { BINARY, compileCpp, random, run, scratch } from './fixtures.js';
import { Tables } from './unwind-tables.js';

const { folder, remove } = scratch();
const tables = new Tables();

afterAll(async () => {
  await tables.close();
  remove();
});

interface Section {
  address: number;
  offset: number;
  size: number;
}

function sectionOf(file: string, name: string): Section {
  const line = run('readelf', ['-SW', file])
    .split('\n')
    .find(line => line.includes(` ${name} `))!;
  const [address, offset, size] = line
    .slice(line.indexOf(name) + name.length)
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(number => Number.parseInt(number, 16));
  return { address: address!, offset: offset!, size: size! };
}

it.each([
  { of: 'a stripped program of Rust', file: () => BINARY, known: 0.6 },
  { of: 'a program of C++ with symbols', file: () => compileCpp(folder), known: 0.8 },
])('tells the same as the compiler of $of', async ({ file, known }) => {
  const full = file();
  const bare = path.join(folder, 'bare');
  const bytes = readFileSync(full);
  const frames = sectionOf(full, '.eh_frame');
  writeFileSync(bare, bytes.fill(0, frames.offset, frames.offset + frames.size));
  const [told, deduced] = [await tables.of(full), await tables.of(bare)];

  const text = sectionOf(full, '.text');
  const next = random(3);
  let [both, same, asked] = [0, 0, 0];
  const wrong: string[] = [];
  for (let i = 0; i < 50_000; i++) {
    const offset = text.offset + Math.floor(next() * text.size);
    const expected = told.rule(offset);
    if (expected.kind !== 'sp') continue;
    asked++;
    const own = deduced.rule(offset);
    if (own.kind !== 'sp') continue;
    both++;
    // Compilers leave it at "saved" behind the instruction that takes it back: its value is then in both places.
    const frame = own.rbp === expected.rbp || own.rbp === 'same' || expected.rbp === 'same';
    if (own.cfa === expected.cfa && frame) same++;
    else wrong.push(`${offset.toString(16)}: ${own.cfa} ${own.rbp}, told ${expected.cfa} ${expected.rbp}`);
  }
  expect(both / asked).toBeGreaterThan(known);
  expect(same / both, wrong.slice(0, 20).join('\n')).toBeGreaterThan(0.995);
});
