// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import {
  type Asked,
  buildIdOf,
  compileCpp,
  compileGo,
  framesOf,
  offsetsOf,
  question,
  random,
  randomAddresses,
  reasonOf,
  run,
  scratch,
} from './fixtures.js';

const { folder, remove } = scratch();
let full: string;
let addresses: number[];

beforeAll(() => {
  full = compileCpp(folder);
  addresses = randomAddresses(full, 40);
});

afterAll(remove);

async function expectHealthy(symbolizer: Symbolizer): Promise<void> {
  const symbols = await symbolizer.symbolize(question([{ path: full, at: offsetsOf(full, addresses) }]));
  for (let row = 0; row < addresses.length; row++) expect(reasonOf(symbols, row)).toBe('');
  expect(symbols.frames.line.filter(line => line > 0).length).toBeGreaterThan(addresses.length / 2);
}

/** Section headers: [offset of the header, section's offset, size] by name. */
function sectionOf(path: string, name: string): { header: number; offset: number } {
  const start = Number(/Start of section headers:\s+(\d+)/.exec(run('readelf', ['-hW', path]))![1]);
  const line = run('readelf', ['-SW', path])
    .split('\n')
    .find(text => text.includes(` ${name} `))!;
  const [, index, offset] = /\[\s*(\d+)\]\s+\S+\s+\S+\s+[0-9a-f]+ ([0-9a-f]+)/.exec(line)!;
  return { header: start + Number(index) * 64, offset: Number.parseInt(offset!, 16) };
}

it('survives 200 files with damaged headers', async () => {
  const next = random(42);
  const sources = [full, compileGo(folder)].map(path => {
    const content = readFileSync(path);
    const at = offsetsOf(path, randomAddresses(path, 5, 9));
    return { content, at, headers: Number(content.readBigUInt64LE(40)), sections: content.readUInt16LE(60) };
  });
  const asked: Asked[] = Array.from({ length: 200 }, (_, i) => {
    const { content, at, headers, sections } = sources[i % 2]!;
    const damaged = Buffer.from(content);
    // One to eight bytes of the file header, the program headers or the section headers; sometimes a cut.
    for (let times = 1 + Math.floor(next() * 8); times > 0; times--) {
      const place = next();
      const where =
        place < 0.2
          ? 16 + Math.floor(next() * 48)
          : place < 0.5
            ? 64 + Math.floor(next() * 56 * 10)
            : headers + Math.floor(next() * sections * 64);
      damaged[where] = next() < 0.5 ? 0xff : Math.floor(next() * 256);
    }
    const path = join(folder, `damaged-${i}`);
    writeFileSync(path, next() < 0.1 ? damaged.subarray(0, Math.floor(next() * damaged.length)) : damaged);
    return { path, at };
  });
  const symbolizer = await Symbolizer.start();
  try {
    const before = performance.now();
    const symbols = await symbolizer.symbolize(question(asked));
    expect(performance.now() - before).toBeLessThan(30_000);
    const counts = new Map<string, number>();
    for (let row = 0; row < 1000; row++) {
      const reason = reasonOf(symbols, row);
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    for (const reason of counts.keys()) expect(['', 'no_symbols', 'file_damaged']).toContain(reason);
    expect(counts.get('file_damaged')).toBeGreaterThan(100);
    await expectHealthy(symbolizer);
  } finally {
    await symbolizer.close();
  }
});

it('a file that asks for 2 PB costs its lines, a file that nothing can read all of its names', async () => {
  const huge = compileCpp(folder, 'huge', ['-g', '-O2', '-gz=zlib']);
  const content = readFileSync(huge);
  // Elf64_Chdr: type, reserved, size after decompression.
  content.writeBigUInt64LE(2n ** 51n, sectionOf(huge, '.debug_info').offset + 8);
  writeFileSync(huge, content);
  const symbolizer = await Symbolizer.start();
  try {
    const at = offsetsOf(huge, addresses);
    const symbols = await symbolizer.symbolize(
      question([
        { path: huge, at },
        { path: full, at: offsetsOf(full, addresses) },
      ]),
    );
    for (let row = 0; row < addresses.length * 2; row++) expect(reasonOf(symbols, row)).toBe('');
    const lines = (row: number): number => framesOf(symbols, row).reduce((sum, frame) => sum + frame.line, 0);
    expect(addresses.every((_, row) => lines(row) === 0)).toBe(true);
    expect(addresses.some((_, row) => lines(row + addresses.length) > 0)).toBe(true);
    expect(symbolizer.stats().restarts).toBe(1);

    // Known from now on: it is not asked about its lines again.
    const again = await symbolizer.symbolize(question([{ path: huge, at: at.map(offset => offset + 1) }]));
    expect(again.reason.some(reason => reason === 0)).toBe(true);
    expect(symbolizer.stats().restarts).toBe(1);
  } finally {
    await symbolizer.close();
  }
});

it('the memory of the child is bounded', async () => {
  // 300 MB of zeroes in little space: decompressed, they are over the limit.
  const program = join(folder, 'bomb');
  const zeroes = join(folder, 'zeroes');
  writeFileSync(zeroes, '');
  truncateSync(zeroes, 300 * 1024 * 1024);
  run('xz', ['-0', '-k', zeroes]);
  run('objcopy', ['--strip-all', `--add-section=.gnu_debugdata=${zeroes}.xz`, full, program]);
  const symbolizer = await Symbolizer.start({ memoryBytes: 100 * 1024 * 1024 });
  try {
    const symbols = await symbolizer.symbolize(question([{ path: program, at: offsetsOf(full, addresses) }]));
    for (let row = 0; row < addresses.length; row++) expect(reasonOf(symbols, row)).toBe('file_damaged');
    expect(symbolizer.stats().residentBytes).toBeLessThan(120 * 1024 * 1024);
    const restarts = symbolizer.stats().restarts;
    await symbolizer.symbolize(question([{ path: program, at: [0x1200] }]));
    expect(symbolizer.stats().restarts).toBe(restarts);
    await expectHealthy(symbolizer);
  } finally {
    await symbolizer.close();
  }
});

it('a file that shrinks while it is read ends the child only', async () => {
  const shrinks = compileCpp(folder, 'shrinks', ['-g', '-O2']);
  const at = offsetsOf(shrinks, randomAddresses(shrinks, 40));
  const symbolizer = await Symbolizer.start();
  try {
    const asked = {
      path: shrinks,
      at,
      inode: statSync(shrinks, { bigint: true }).ino,
      buildId: buildIdOf(shrinks),
    };
    const symbols = await symbolizer.symbolize(question([{ ...asked, at: at.slice(0, 1) }]));
    expect(reasonOf(symbols, 0)).toBe('');
    truncateSync(shrinks, 4096);
    const after = await symbolizer.symbolize(question([asked]));
    expect(reasonOf(after, 0)).toBe('');
    expect(new Set(at.map((_, row) => reasonOf(after, row)))).toContain('file_damaged');
    await expectHealthy(symbolizer);
  } finally {
    await symbolizer.close();
  }
});
