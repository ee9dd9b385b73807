// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { debugPaths, isBaseName, supplementPaths } from '../../src/agent/profiling/symbolizer/places.js';
import { SymbolsBuilder } from '../../src/symbolizer/builder.js';
import { LocationCache } from '../../src/symbolizer/cache.js';
import { type Frame, framesOf } from './fixtures.js';

/** What an address is called: anything, as long as it depends on both. */
function frames(file: number, offset: number): Frame[] {
  return Array.from({ length: (file + offset) % 4 }, (_, i) => ({
    name: `f${file}:${offset % 7}:${i}`,
    systemName: `_f${file}:${offset}:${i}`,
    file: i === 0 ? '' : `${file}.cc`,
    line: (offset + i) % 1000,
    startLine: (offset + i) % 500,
  }));
}

it('gives back what was put in, as long as it has it, and never more than it may', () => {
  const where = fc.record({
    file: fc.integer({ min: 0, max: 5 }),
    // Kernel addresses use 48 bits.
    offset: fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 40 }).map(n => 2 ** 47 + n * 2 ** 32),
    ),
  });
  fc.assert(
    fc.property(fc.array(where, { maxLength: 400 }), fc.integer({ min: 2, max: 60 }), (asked, capacity) => {
      const cache = new LocationCache(capacity);
      const builder = new SymbolsBuilder(asked.length, []);
      for (const [row, { file, offset }] of asked.entries()) {
        let entry = cache.find(file, offset);
        if (entry < 0) {
          entry = cache.begin(file, offset);
          for (const one of frames(file, offset))
            cache.push(one.name, one.systemName, one.file, one.line, one.startLine);
        }
        builder.copy(row, cache.generation, entry, 'no_symbols');
        expect(cache.size).toBeLessThanOrEqual(capacity);
        // The last one asked for is there.
        expect(cache.find(file, offset)).toBeGreaterThanOrEqual(0);
      }
      const symbols = builder.build();
      for (const [row, { file, offset }] of asked.entries()) {
        expect(framesOf(symbols, row)).toEqual(frames(file, offset));
        expect(symbols.reason[row]).toBe(frames(file, offset).length === 0 ? 1 : 0);
      }
      expect(new Set(symbols.strings).size).toBe(symbols.strings.length);
    }),
    { numRuns: 200 },
  );
});

it('what is used stays', () => {
  const cache = new LocationCache(100);
  const put = (offset: number): void => {
    if (cache.find(1, offset) < 0) cache.begin(1, offset);
  };
  for (let i = 0; i < 1000; i++) {
    put(7);
    put(1000 + i);
  }
  expect(cache.find(1, 7)).toBeGreaterThanOrEqual(0);
  expect(cache.find(1, 1000)).toBe(-1);
});

it('a name in a file becomes part of a path only if it is nothing but a name', () => {
  for (const name of ['', '.', '..', '/etc/passwd', '../secret', 'a/b', 'a\0b', 'x'.repeat(256)]) {
    expect(isBaseName(name)).toBe(false);
    expect(debugPaths('/bin/true', '', name)).toEqual([]);
  }
  expect(debugPaths('/usr/bin/../bin/true', 'abcdef0123', 'true.debug')).toEqual([
    '/usr/lib/debug/.build-id/ab/cdef0123.debug',
    '/usr/bin/true.debug',
    '/usr/bin/.debug/true.debug',
    '/usr/lib/debug/usr/bin/true.debug',
  ]);
  expect(
    supplementPaths('/usr/lib/debug/usr/bin/true.debug', '../../.dwz/x/true.debug', 'abcdef0123'),
  ).toEqual(['/usr/lib/debug/.build-id/ab/cdef0123.debug', '/usr/lib/debug/.dwz/x/true.debug']);
  expect(supplementPaths('/usr/lib/debug/true.debug', '../../../../../../etc/shadow', '')).toEqual([]);
});
