// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { OFF_CPU, ON_CPU } from '../../src/profile/types.js';
import { formatShare } from '../../src/profile/units.js';
import { formatBytes, formatRate, formatSeconds, formatValue, measureOf } from '../../web/lib/format.js';

describe('numbers', () => {
  it.each([
    [0, '0 s'],
    [3e-9, '3 ns'],
    [4.2e-6, '4.2 µs'],
    [0.00053, '530 µs'],
    [0.0531, '0.053 s'],
    [1.005, '1.00 s'],
    [12.345, '12.35 s'],
    [123.45, '123.5 s'],
    [12345.6, '12,346 s'],
  ])('%d seconds', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it.each([
    [0, 10, '0 %'],
    [1, 3, '33.3 %'],
    [0.5, 100, '0.50 %'],
    [1e-9, 1, '<0.01 %'],
    [1, 1, '100 %'],
    [99.96, 100, '>99.9 %'],
    [1e9 - 1, 1e9, '>99.9 %'],
    [99.9, 100, '99.9 %'],
    [5, 0, '–'],
  ])('the share %d of %d', (part, whole, text) => {
    expect(formatShare(part, whole)).toBe(text);
  });

  it('knows the unit of a value', () => {
    expect(formatValue(2_500_000_000, 'nanoseconds')).toBe('2.50 s');
    expect(formatValue(1500, 'milliseconds')).toBe('1.50 s');
    expect(formatValue(1536, 'bytes')).toBe('1.5 KiB');
    expect(formatValue(1_234_567, 'count')).toBe('1,234,567');
    expect(formatValue(12, 'goroutines')).toBe('12 goroutines');
    expect(formatBytes(1023)).toBe('1,023 B');
    expect(formatBytes(5 * 1024 ** 4)).toBe('5.0 TiB');
  });

  it('writes rates with digits that matter', () => {
    expect([0, 0.0042, 0.31, 1.52, 15.2, 152, 15_200, 1.52e7].map(formatRate)).toEqual([
      '0',
      '0.004',
      '0.31',
      '1.52',
      '15.2',
      '152',
      '15.2 k',
      '15.2 M',
    ]);
  });

  it('turns time per time into cores', () => {
    const cpu = measureOf(ON_CPU);
    expect(cpu).toMatchObject({ name: 'On-CPU', unit: 'nanoseconds', rate: 'cores' });
    // Two cores for ten seconds.
    expect((20e9 / 10_000) * cpu.perMs).toBeCloseTo(2, 12);
    expect(measureOf(OFF_CPU)).toMatchObject({ name: 'Off-CPU', rate: 'threads off CPU' });
    const memory = measureOf('memory:alloc_space:bytes:space:bytes');
    expect(memory.rate).toBe('MiB per second');
    expect(((10 * 1024 * 1024) / 10_000) * memory.perMs).toBeCloseTo(1, 12);
    const held = measureOf('memory:inuse_space:bytes:space:bytes');
    expect(held.rate).toBe('MiB, average snapshot');
    expect(10 * 1024 * 1024 * held.perMs).toBeCloseTo(10, 12);
    expect(measureOf('goroutine:goroutine:count:goroutine:count').rate).toBe('goroutine, average snapshot');
    expect(measureOf('not a type').name).toBe('not a type');
  });
});
