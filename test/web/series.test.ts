// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { marksOf, shortDeploy } from '../../web/lib/marks.js';
import { shares, stack } from '../../web/lib/series.js';

const T = 1_700_000_000_000;
const options = { perMs: 1e-6, layers: 2, from: T, until: T + 100_000, now: T + 500_000 };

describe('deploys on a timeline', () => {
  const deploy = (n: number, first: number) => ({
    service: 's',
    deploy: `v${n}`,
    first,
    last: first + 1000,
    hosts: 1,
    instances: 1,
    profiles: 1,
    total: 1,
  });

  it('are those that began in it, not what ran already, and not without end', () => {
    const range = { from: T, until: T + 100_000 };
    const answer = (deploys: ReturnType<typeof deploy>[]) => ({ deploys, from: T, step: 10_000 });
    // Seen in the first step: it may have been there before.
    const few = [deploy(3, T + 90_000), deploy(2, T + 50_000), deploy(1, T + 10_000), deploy(0, T)];
    expect(marksOf(answer(few), range).marks.map(one => one.deploy)).toEqual(['v2', 'v3']);
    expect(marksOf({ ...answer(few), from: T - 1e6 }, range).marks.map(one => one.deploy)).toEqual([
      'v1',
      'v2',
      'v3',
    ]);
    const many = Array.from({ length: 500 }, (_, i) => deploy(i, T + 20_000 + i * 100));
    const { marks, earlier } = marksOf(answer(many), range);
    expect([marks.length, earlier, marks.at(-1)!.deploy]).toEqual([24, 476, 'v499']);
  });

  it('have names that are not longer than a heading', () => {
    expect(shortDeploy('v1.2.3')).toBe('v1.2.3');
    expect(shortDeploy('c0ffee12'.repeat(5))).toBe('c0ffee12c0ff');
    expect(shortDeploy('x'.repeat(2000)).length).toBe(28);
  });
});

describe('timeline', () => {
  const series = [
    { labels: { s: 'a' }, times: [T, T + 10_000, T + 30_000], totals: [10e9, 20e9, 10e9] },
    { labels: { s: 'b' }, times: [T + 10_000], totals: [5e9] },
    { labels: { s: 'c' }, times: [T], totals: [1e9] },
    { labels: { s: 'd' }, times: [T], totals: [2e9] },
  ];

  it('is in cores, keeps the biggest apart and the rest together', () => {
    const s = stack({ step: 10_000, series }, 's', options);
    expect(s.layers.map(layer => layer.name)).toEqual(['a', 'b', null]);
    expect(s.layers[0]!.rates).toEqual([1, 2, 0, 1]);
    expect(s.layers[1]!.rates).toEqual([0, 0.5, 0, 0]);
    expect(s.layers[2]!.rates[0]).toBeCloseTo(0.3, 12);
    expect(s.total).toBe(48e9);
    expect(s.layers.reduce((sum, layer) => sum + layer.total, 0)).toBe(s.total);
  });

  it('averages snapshots, whatever the length of a bucket', () => {
    const held = [{ labels: { s: 'a' }, times: [T, T + 60_000], totals: [60, 40], counts: [6, 5] }];
    const s = stack({ step: 60_000, series: held }, 's', { ...options, perMs: 1, until: T + 70_000 });
    expect(s.layers[0]!.rates).toEqual([10, 8]);
  });

  it('tells idle from absent', () => {
    const s = stack({ step: 10_000, series }, 's', options);
    expect([...s.present]).toEqual([1, 1, 0, 1]);
    expect(s.times).toEqual([0, 1, 2, 3, 4].map(i => T + i * 10_000));
  });

  it('marks what may still be on its way', () => {
    const whole = stack({ step: 10_000, series }, 's', options);
    expect(whole.pendingFrom).toBe(T + 40_000);
    const early = stack({ step: 10_000, series }, 's', { ...options, now: T + 47_000 });
    expect(early.pendingFrom).toBe(T + 30_000);
  });

  it('divides a bucket that the range cuts by what of it is asked for', () => {
    const one = [{ labels: { s: 'a' }, times: [T, T + 60_000], totals: [30e9, 20e9] }];
    const s = stack({ step: 60_000, series: one }, 's', { ...options, from: T + 30_000, until: T + 80_000 });
    expect(s.layers[0]!.rates).toEqual([1, 1]);
    const sliver = stack({ step: 60_000, series: one }, 's', {
      ...options,
      from: T + 59_999,
      until: T + 80_000,
    });
    expect(sliver.layers[0]!.rates[0]).toBe(3);
  });

  it('is empty without profiles', () => {
    expect(stack({ step: 10_000, series: [] }, 's', options)).toMatchObject({
      times: [],
      layers: [],
      total: 0,
    });
  });

  it('sums by labels, biggest first', () => {
    expect(
      shares(
        [
          { labels: { a: 'x', b: '1' }, times: [1], totals: [3] },
          { labels: { a: 'y' }, times: [1, 2], totals: [4, 4] },
          { labels: { a: 'x', b: '2' }, times: [1], totals: [1] },
        ],
        ['a'],
      ),
    ).toEqual([
      { values: { a: 'y' }, total: 8 },
      { values: { a: 'x' }, total: 4 },
    ]);
  });
});
