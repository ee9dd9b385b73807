// SPDX-License-Identifier: Apache-2.0
// The address, times, queries and scopes: what a link must carry from one person to another.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatQuery, parseQuery, withLabels } from '../../web/lib/query.js';
import { choose, chosen, SCOPES } from '../../web/lib/scope.js';
import { describeRange, formatSpan, parseTime, resolveRange } from '../../web/lib/time.js';
import { DEFAULTS, formatState, type PageState, parseState } from '../../web/state/url.js';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });

describe('address', () => {
  it('is empty for what is so by default', () => {
    expect(formatState(DEFAULTS)).toBe('');
    expect(parseState('')).toEqual(DEFAULTS);
  });

  it('gives every state back', () => {
    const anyState: fc.Arbitrary<PageState> = fc.record({
      type: text,
      query: text,
      from: text,
      until: text,
      live: fc.boolean(),
      by: text,
      view: fc.constantFrom('both', 'flame', 'table'),
      layout: fc.constantFrom('icicle', 'flame'),
      find: text,
      regex: fc.boolean(),
      zoom: text,
      span: text,
      sort: fc.constantFrom('self', 'total', 'name'),
      filter: text,
      nodes: fc.integer({ min: 16, max: 1 << 20 }),
      mode: fc.constantFrom('profile', 'compare'),
      sides: fc.constantFrom('deploys', 'selections'),
      service: text,
      base: text,
      head: text,
      since: text,
      upto: text,
      left: text,
      right: text,
      left_from: text,
      left_until: text,
      right_from: text,
      right_until: text,
      norm: fc.constantFrom('stable', 'total', 'duration', 'cpu', 'factor', 'none'),
      factor: text,
      without: text,
      rank: fc.constantFrom('self', 'total'),
      graph: fc.constantFrom('merged', 'beside'),
      amounts: fc.constantFrom('share', 'cost'),
      order: fc.constantFrom('cost', 'change', 'name'),
      all: fc.boolean(),
    });
    fc.assert(
      fc.property(anyState, state => {
        expect(parseState(formatState(state))).toEqual(state);
      }),
    );
  });

  it('takes the default where an address says something impossible', () => {
    const state = parseState(
      '?view=cube&layout=sideways&sort=luck&nodes=1e9&nodes=7&unknown=1&mode=both&norm=much&rank=x&graph=3d',
    );
    expect(state).toEqual(DEFAULTS);
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 10, 23, 12, 0, 3);

  it.each([
    ['now', now],
    ['now-15m', now - 900_000],
    ['now-2d', now - 172_800_000],
    ['1763899200000', 1_763_899_200_000],
    ['2026-11-23T12:00:00Z', Date.UTC(2026, 10, 23, 12)],
    ['2026-11-23T12:00:00+02:00', Date.UTC(2026, 10, 23, 10)],
  ])('reads %s', (written, ms) => {
    expect(parseTime(written, now)).toBe(ms);
  });

  it.each(['', 'yesterday', '12:00', '5', 'now-15', 'now+5m', '2026-13-45', '2026-02-30T99:00Z'])(
    'refuses %j',
    bad => {
      expect(parseTime(bad, now)).toBeNull();
    },
  );

  it('moves a following range by whole windows, so that buckets stand still', () => {
    const a = resolveRange('now-15m', 'now', now)!;
    expect(a.until % 10_000).toBe(0);
    expect(a.until).toBeGreaterThanOrEqual(now);
    expect(a.until - a.from).toBe(900_000);
    expect(resolveRange('now-15m', 'now', now + 6_000)).toEqual(a);
    expect(resolveRange('now-15m', 'now', now + 8_000)!.until).toBe(a.until + 10_000);
  });

  it('refuses ranges that end before they begin', () => {
    expect(resolveRange('now', 'now-15m', now)).toBeNull();
    expect(resolveRange('now', 'now', now)).toBeNull();
    expect(resolveRange('x', 'now', now)).toBeNull();
  });

  it('names what it can', () => {
    expect(describeRange('now-1h', 'now', { from: 0, until: 1 })).toBe('Last hour');
    const local = new Date(2026, 10, 23, 12, 0, 0).getTime();
    expect(describeRange(String(local), String(local + 65_000), { from: local, until: local + 65_000 })).toBe(
      '2026-11-23 12:00:00 – 12:01:05',
    );
    expect([10_000, 150_000, 7_200_000, 200_000_000].map(formatSpan)).toEqual([
      '10 s',
      '2.5 min',
      '2 h',
      '2.3 days',
    ]);
  });
});

describe('query', () => {
  it('gives every query back', () => {
    const matcher = fc.record({
      name: fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,10}$/),
      op: fc.constantFrom('=' as const, '!=' as const, '=~' as const, '!~' as const),
      value: text,
    });
    fc.assert(
      fc.property(fc.array(matcher, { maxLength: 5 }), matchers => {
        expect(parseQuery(formatQuery(matchers))).toEqual({ ok: true, matchers });
      }),
    );
  });

  it.each([
    ['service_name="a"', 0],
    ['{a="b"', 6],
    ['{a=b}', 3],
    ['{a~"b"}', 2],
    ['{a="b" c="d"}', 7],
    ['{a="b}', 6],
    ['{a="b"} x', 8],
  ])('says where %s is wrong', (query, at) => {
    expect(parseQuery(query)).toMatchObject({ ok: false, at });
  });

  it('replaces the matchers of a label and leaves the others', () => {
    expect(withLabels('{a="1", b=~"2|3", a!="4"}', { a: '5' })).toBe('{b=~"2|3", a="5"}');
    expect(withLabels('{a="1"}', { a: null })).toBe('');
  });
});

describe('scope', () => {
  const process = SCOPES.find(scope => scope.id === 'process')!;
  const container = SCOPES.find(scope => scope.id === 'container')!;

  it('is one value at a time', () => {
    const named = choose('{service_name="a"}', process, 'process_name', 'java');
    expect(named).toBe('{service_name="a", process_name="java"}');
    const one = choose(named, process, 'pid', '12');
    expect(one).toBe('{service_name="a", pid="12"}');
    expect(chosen(one, process)).toEqual({ label: 'pid', value: '12', text: 'pid 12' });
    expect(choose(one, process, 'pid', null)).toBe('{service_name="a"}');
    expect(chosen('{pid=~"1|2"}', process)).toBeNull();
  });

  it('shortens container ids', () => {
    const id = '8f3a91c04be27d55'.repeat(4);
    expect(chosen(`{container_id="${id}"}`, container)?.text).toBe('8f3a91c04be2');
  });
});
