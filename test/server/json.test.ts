// SPDX-License-Identifier: Apache-2.0
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonChunks, paced } from '../../src/server/json.js';

const write = (value: unknown) => [...jsonChunks(value)].join('');

it('writes what JSON.stringify writes', () => {
  void fc.assert(
    fc.property(fc.jsonValue(), value => {
      expect(JSON.parse(write(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it('writes columns and iterables of any length, and integers beyond 2^53', () => {
  for (const length of [0, 1, 255, 256, 257, 4095, 4096, 4097, 10_000]) {
    const numbers = Array.from({ length }, (_, at) => at / 2);
    const value = {
      a: Float64Array.from(numbers),
      b: new Set(numbers),
      c: numbers.map(at => [at]),
      none: undefined,
    };
    expect(JSON.parse(write(value))).toEqual({ a: numbers, b: numbers, c: numbers.map(at => [at]) });
  }
  expect(write({ sum: 2n ** 64n, all: BigInt64Array.of(1n, -(2n ** 63n)) })).toBe(
    '{"sum":18446744073709551616,"all":[1,-9223372036854775808]}',
  );
});

it('streams what is large, and lets others work meanwhile', async () => {
  const value = { numbers: Float64Array.from({ length: 1_000_000 }, (_, at) => at * 1.5) };
  const stream = paced(jsonChunks(value));
  expect(stream).toBeInstanceOf(Readable);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const whole = await text(stream as Readable);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(10);
  expect(JSON.parse(whole).numbers).toHaveLength(1_000_000);
  expect(paced(jsonChunks({ small: true }))).toBe('{"small":true}');
});
