// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StackwellError } from '../../src/errors.js';
import { parseSelector } from '../../src/profile/selector.js';

const parsed = (text: string) => parseSelector(text).map(({ name, op, value }) => [name, op, value]);
const failure = (text: string) => {
  try {
    parseSelector(text);
  } catch (error) {
    if (error instanceof StackwellError) return [error.code, error.details.position];
    throw error;
  }
  return null;
};

describe('selectors', () => {
  it('reads matchers as Prometheus writes them', () => {
    expect(parsed('{service_name="checkout", deploy=~"v4.*",pid!="1",x!~"a|b"}')).toEqual([
      ['service_name', '=', 'checkout'],
      ['deploy', '=~', 'v4.*'],
      ['pid', '!=', '1'],
      ['x', '!~', 'a|b'],
    ]);
    expect(parsed(' { a = "1" , } ')).toEqual([['a', '=', '1']]);
    expect(parsed('a="1", b="2"')).toEqual(parsed('{a="1", b="2"}'));
    for (const all of ['', ' ', '{}', ' { } ']) expect(parsed(all)).toEqual([]);
    expect(parsed('{"service.name"="x"}')).toEqual([['service.name', '=', 'x']]);
  });

  it('reads strings with Go escapes, and raw ones', () => {
    expect(parsed(String.raw`{a="\"\\\n\x41\u00e9\U0001F525", b='it\'s'}`)).toEqual([
      ['a', '=', '"\\\nAé🔥'],
      ['b', '=', "it's"],
    ]);
    expect(parsed('{a=`\\d+"`}')).toEqual([['a', '=', '\\d+"']]);
  });

  it('says where the error is', () => {
    expect(failure('{a="1"')).toEqual(['SW_QUERY_INVALID', 6]);
    expect(failure('{a}')).toEqual(['SW_QUERY_INVALID', 2]);
    expect(failure('{a=1}')).toEqual(['SW_QUERY_INVALID', 3]);
    expect(failure('{a="1" b="2"}')).toEqual(['SW_QUERY_INVALID', 7]);
    expect(failure('{a="1}')).toEqual(['SW_QUERY_INVALID', 3]);
    expect(failure(String.raw`{a="\d"}`)).toEqual(['SW_QUERY_INVALID', 4]);
    expect(failure('{a="1"} x')).toEqual(['SW_QUERY_INVALID', 8]);
    expect(failure('{,}')).toEqual(['SW_QUERY_INVALID', 1]);
    expect(failure('{1a="x"}')).toEqual(['SW_QUERY_INVALID', 1]);
    expect(failure(`{${'a="b",'.repeat(65)}}`)?.[0]).toBe('SW_QUERY_INVALID');
  });

  it('gives back every value that is written with escapes', () => {
    void fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.constantFrom('=', '!=', '=~', '!~'), (value, op) => {
        const quoted = value.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n');
        expect(parsed(`{name${op}"${quoted}"}`)).toEqual([['name', op, value]]);
      }),
    );
  });

  it('ends with an error of ours or an answer, whatever the text', () => {
    void fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}ab="\\\'`~!, \n1x') }), text => {
        const position = failure(text)?.[1] as number | undefined;
        if (position !== undefined) {
          expect(position).toBeGreaterThanOrEqual(0);
          expect(position).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
