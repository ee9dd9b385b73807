// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StackwellError } from '../../src/errors.js';
import { parseDuration, parseRange, parseTime } from '../../src/profile/time.js';

const NOW = Date.UTC(2026, 10, 23, 12);
const time = (text: string) => parseTime(text, NOW);
const code = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (error instanceof StackwellError) return error.code;
    throw error;
  }
  return null;
};

describe('times', () => {
  it('are RFC 3339', () => {
    expect(time('2026-11-23T11:00:00Z')).toBe(NOW - 3_600_000);
    expect(time('2026-11-23T13:30:00.250+02:00')).toBe(NOW - 1_799_750);
    expect(time('2026-11-23 11:00:00z')).toBe(NOW - 3_600_000);
    expect(time('2024-02-29T00:00:00Z')).toBe(Date.UTC(2024, 1, 29));
  });

  it('are Unix times, told apart by their size', () => {
    for (const text of ['1795440000', '1795440000000', '1795440000000000', '1795440000000000000'])
      expect(time(text)).toBe(1_795_440_000_000);
    // Through a double, these nanoseconds would be another millisecond.
    expect(time('1795440000000999999')).toBe(1_795_440_000_000);
  });

  it('are relative', () => {
    expect(time('now')).toBe(NOW);
    expect(time('now-15m')).toBe(NOW - 900_000);
    expect(time('now-1h30m')).toBe(NOW - 5_400_000);
    expect(time('now+2d')).toBe(NOW + 172_800_000);
    expect(parseDuration('1w2d3h4m5s6ms')).toBe(788_645_006);
  });

  it('are refused when they are none', () => {
    for (const text of [
      '',
      'yesterday',
      'now-',
      'now-15',
      'now-15x',
      'now 15m',
      '-5',
      '1e9',
      '2026-11-23',
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-11-23T24:00:00Z',
      '2026-11-23T11:00:00',
      '999999999999999999999',
      'now-99999999999999999999d',
    ])
      expect([text, code(() => time(text))]).toEqual([text, 'SW_TIME_INVALID']);
  });

  it('round-trip through RFC 3339 and through numbers', () => {
    const date = fc.date({
      min: new Date(Date.UTC(1973, 3)),
      max: new Date(Date.UTC(2200, 0)),
      noInvalidDate: true,
    });
    void fc.assert(
      fc.property(date, moment => {
        expect(time(moment.toISOString())).toBe(moment.getTime());
        expect(time(String(moment.getTime() * 1000))).toBe(moment.getTime());
      }),
    );
  });
});

describe('ranges', () => {
  it('are the last 15 minutes when nothing is said', () => {
    expect(parseRange({}, NOW)).toEqual({ from: NOW - 900_000, until: NOW });
  });

  it('are refused when they are empty', () => {
    expect(code(() => parseRange({ from: 'now', until: 'now' }, NOW))).toBe('SW_TIME_INVALID');
    expect(code(() => parseRange({ until: 'now-1h' }, NOW))).toBe('SW_TIME_INVALID');
  });
});
