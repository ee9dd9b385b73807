// SPDX-License-Identifier: Apache-2.0
// A comparison in plain words, and what of it is listed.
import { describe, expect, it } from 'vitest';
import type { Ranked } from '../../src/profile/statistics/ranking.js';
import { ON_CPU } from '../../src/profile/types.js';
import { costUnitOf, formatAmount, formatDifference, formatPercent } from '../../web/lib/format.js';
import { inOrder, type Ranking, rankingOf, unchangedOf } from '../../web/lib/ranking.js';
import {
  formatChange,
  formatInterval,
  normalizationSentence,
  verdictSentences,
  workSentence,
} from '../../web/lib/verdict.js';
import { diffOf } from './diff-data.js';
import { treeOf, windowOf } from './fixture-data.js';

const cores = costUnitOf(ON_CPU);
const row = (over: Partial<Ranked>): Ranked => ({
  function: 'ns::parse(int)',
  file: 'parse.cc',
  module: 'app',
  reason: '',
  base: 0.2,
  head: 0.28,
  change: 0.4,
  interval: [0.31, 0.49],
  q: 0.0001,
  baseCost: 0.35,
  headCost: 0.49,
  cost: 0.14,
  ...over,
});
const ranking = (over: Partial<Ranking>): Ranking => ({
  verdict: 'regression',
  regressions: [],
  improvements: [],
  omitted: 0,
  whole: null,
  work: null,
  detectable: [
    { share: 0.1, change: 0.12 },
    { share: 0.2, change: 0.08 },
  ],
  ...over,
});
const say = (over: Partial<Ranking>) =>
  verdictSentences(ranking(over), cores, name => name.split('(')[0]!).map(({ tone, text, more }) => [
    tone,
    text,
    more,
  ]);

describe('verdict', () => {
  it('says what got dearer, by how much, and what that costs', () => {
    expect(say({ regressions: [row({}), row({})] })).toEqual([
      ['bad', 'ns::parse got 40 % dearer (31 % to 49 %), which costs 0.14 cores an instance', 1],
    ]);
  });

  it('says what got cheaper, without a minus that turns it round', () => {
    const cheaper = row({ change: -0.2, interval: [-0.25, -0.15], cost: -0.05 });
    expect(say({ verdict: 'improvement', improvements: [cheaper] })).toEqual([
      ['good', 'ns::parse got 20 % cheaper (15 % to 25 %), which saves 0.050 cores an instance', 0],
    ]);
    expect(
      say({ verdict: 'mixed', regressions: [row({})], improvements: [cheaper] }).map(([tone]) => tone),
    ).toEqual(['bad', 'good']);
  });

  it('says what is new, what is gone, and what is many times as dear', () => {
    const one = (over: Partial<Ranked>) => say({ regressions: [row(over)] })[0]![1];
    expect(one({ change: null, base: 0, interval: [null, null] })).toBe(
      'ns::parse is new, and costs 0.14 cores an instance',
    );
    expect(one({ change: -1, head: 0, interval: [-1, -0.9], cost: -0.14 })).toBe(
      'ns::parse is gone, which saves 0.14 cores an instance',
    );
    expect(one({ change: 3.2, interval: [2.5, 4] })).toBe(
      'ns::parse got 4.2 times as dear (3.5 to 5.0 times), which costs 0.14 cores an instance',
    );
  });

  it('says no cost that would contradict it', () => {
    // Sums of a longer time: more in all, and less a second.
    expect(say({ regressions: [row({ cost: -0.1 })] })[0]![1]).toBe(
      'ns::parse got 40 % dearer (31 % to 49 %)',
    );
  });

  it('tells nothing changed from too little to tell', () => {
    expect(say({ verdict: 'no_change' })).toEqual([
      [
        'none',
        'Nothing changed: a change of 8.0 % in a function with a fifth of the CPU time would have been found',
        0,
      ],
    ]);
    expect(say({ verdict: 'too_little_data', detectable: [{ share: 0.2, change: 0.9 }] })).toEqual([
      [
        'unknown',
        'Too little data to tell: only a change of 90 % or more in a function with a fifth of the CPU time would have been found',
        0,
      ],
    ]);
    expect(say({ verdict: 'too_little_data', detectable: [] })[0]![1]).toMatch(
      /^Too little data to tell: there is nothing/,
    );
  });

  it('says what the same work costs, if that is known', () => {
    const work = { base: 1, head: 1.08, change: 0.08, interval: [0.05, 0.11] as [number, number], p: 0.001 };
    expect(workSentence(work)).toBe('The same work costs 8.0 % more (5.0 % to 11 %)');
    expect(workSentence({ ...work, change: -0.08, interval: [-0.11, -0.05] })).toBe(
      'The same work costs 8.0 % less (5.0 % to 11 %)',
    );
    expect(workSentence({ ...work, p: 0.4, interval: [-0.02, 0.11] })).toBe(
      'The same work costs the same, as far as can be told (−2.0 % to +11 %)',
    );
    expect(workSentence({ ...work, p: 0.9, interval: [null, null] })).toBe(
      'What the same work costs cannot be told',
    );
    expect(workSentence(null)).toBeNull();
  });

  it('says when another measure took the place of the one that was asked for', () => {
    expect(normalizationSentence('total', 'stable')).toContain('more than four fifths changed');
    expect(normalizationSentence('total', 'total')).toBe('compared as parts of all');
  });
});

describe('numbers', () => {
  it('have signs, and say what has no bound', () => {
    expect([0.4, -0.083, 0.0004, -1, null, 11.4, 0].map(formatChange)).toEqual([
      '+40 %',
      '−8.3 %',
      '<0.1 %',
      'gone',
      'new',
      '×12',
      '0 %',
    ]);
    expect(formatInterval([0.31, 0.49])).toBe('+31 % to +49 %');
    expect(formatInterval([-1, 0.2])).toBe('−100 % to +20 %');
    expect(formatInterval([null, null])).toBe('no bound');
    expect(formatInterval([0.1, null])).toBe('at least +10 %');
    expect([0.003, 0.0996, 0.31].map(formatPercent)).toEqual(['0.3 %', '10 %', '31 %']);
    expect([0.14, -0.14, 0, -0.00001].map(formatDifference)).toEqual(['+0.14', '−0.14', '0', '<0.0001']);
    expect([0, 0.14, 0.0097, 12.34, 1.5, 250, -0.031, 0.00001].map(formatAmount)).toEqual([
      '0',
      '0.14',
      '0.0097',
      '12.3',
      '1.50',
      '250',
      '−0.031',
      '<0.0001',
    ]);
  });
});

describe('ranking', () => {
  const tree = treeOf(windowOf(1_700_000_000_000).filter(sample => sample.type === ON_CPU));
  const busy = tree.function[tree.self.indexOf(Math.max(...tree.self))]!;
  const answer = diffOf(tree, fn => (fn === busy ? 1.5 : 1));

  it('has what is real and leaves the rest for those who ask', () => {
    const { regressions, improvements, verdict } = rankingOf(answer, 'self');
    expect([verdict, regressions.length, improvements.length]).toEqual(['regression', 1, 0]);
    expect(regressions[0]).toMatchObject({ function: tree.functions.name[busy], q: 0.001 });
    expect(regressions[0]!.change).toBeCloseTo(0.5, 6);
    // Three instances for 600 s: what they use is the sums by 1,800 s.
    const self = answer.left.self.reduce((sum, one, at) => sum + (tree.function[at] === busy ? one : 0), 0);
    expect(regressions[0]!.baseCost).toBeCloseTo(self / 1e9 / 1800, 9);
    expect(regressions[0]!.headCost).toBeCloseTo((self * 1.5) / 1e9 / 1800, 9);
    expect(regressions[0]!.cost).toBeCloseTo((self * 0.5) / 1e9 / 1800, 9);
    const rest = unchangedOf(answer, 'self');
    expect(rest.length).toBe(tree.functions.name.length - 1);
    expect(rest.some(one => one.function === tree.functions.name[busy])).toBe(false);
  });

  it('is sorted and narrowed as asked', () => {
    const rows = [
      row({ function: 'b', cost: 0.1, change: 2 }),
      row({ function: 'a', cost: 0.3, change: 0.1, module: 'libx' }),
      row({ function: 'c', cost: 0.2, change: null }),
    ];
    const names = (list: Ranked[]) => list.map(one => one.function).join('');
    expect(names(inOrder(rows, 'cost', ''))).toBe('acb');
    expect(names(inOrder(rows, 'change', ''))).toBe('cba');
    expect(names(inOrder(rows, 'name', ''))).toBe('abc');
    expect(names(inOrder(rows, 'cost', 'LIBX parse'))).toBe('a');
  });
});

describe('what an instance uses', () => {
  it('is a rate of what is added up, and an average of what is there at a moment', () => {
    const unit = (id: string, each?: number) => costUnitOf(id, each);
    expect(unit(ON_CPU, 10)).toMatchObject({ name: 'cores', factor: 1 });
    expect(unit('memory:alloc_space:bytes:space:bytes', 10)).toMatchObject({
      name: 'MiB/s',
      factor: 1 / 1048576,
    });
    // A snapshot each 10 s of an instance: 10 s of its "rate" are one.
    expect(unit('memory:inuse_space:bytes:space:bytes', 10)).toMatchObject({
      name: 'MiB',
      factor: 10 / 1048576,
    });
    expect(unit('goroutine:goroutine:count:goroutine:count', 10)).toMatchObject({
      name: 'goroutine',
      factor: 10,
    });
  });
});
