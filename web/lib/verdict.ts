// SPDX-License-Identifier: Apache-2.0
// A comparison in plain words.

import type { Everything } from '../../src/profile/statistics/answer.js';
import type { NormalizationKind } from '../../src/profile/statistics/normalization.js';
import { type Ranked, SIGNIFICANT, tellingChange } from '../../src/profile/statistics/ranking.js';
import type { CostUnit } from './format.js';
import { formatCost, formatPercent } from './format.js';
import type { Ranking } from './ranking.js';

/** `+40 %`, `−8.3 %`, `+∞` has no name: `new`. */
export function formatChange(change: number | null): string {
  if (change === null) return 'new';
  if (change <= -1) return 'gone';
  if (Math.abs(change) < 0.0005) return change === 0 ? '0 %' : '<0.1 %';
  if (change >= 9) return `×${(change + 1).toPrecision(2)}`;
  return `${change < 0 ? '−' : '+'}${formatPercent(Math.abs(change))}`;
}

/** `+31 % to +49 %`; what has no bound is said to have none. */
export function formatInterval([low, high]: Ranked['interval']): string {
  if (low === null && high === null) return 'no bound';
  const one = (change: number) => (change <= -1 ? '−100 %' : formatChange(change));
  if (high === null) return `at least ${one(low!)}`;
  if (low === null) return `at most ${one(high)}`;
  return `${one(low)} to ${one(high)}`;
}

/** `31 % to 49 %`, without signs where both have that of the change. */
function bounds([low, high]: Ranked['interval'], sign: 1 | -1): string {
  if (low === null || high === null) return '';
  const [a, b] = sign > 0 ? [low, high] : [-high, -low];
  if (a < 0 || b >= 9) return ` (${formatInterval([low, high])})`;
  return ` (${formatPercent(a)} to ${formatPercent(b)})`;
}

/** `parse got 40 % dearer (31 % to 49 %), which costs 0.14 cores an instance`. */
export function describe(row: Ranked, shortened: string, unit: CostUnit): string {
  const { change, interval, cost } = row;
  const money = `${formatCost(Math.abs(cost), unit)} an instance`;
  // By sums of unlike lengths, more of something can cost less a second: then that is no consequence.
  const so = (wanted: 1 | -1, verb: string) => (Math.sign(cost) === wanted ? `, which ${verb} ${money}` : '');
  if (change === null) return `${shortened} is new, and costs ${money}`;
  if (change <= -1) return `${shortened} is gone${so(-1, 'saves')}`;
  if (change > 0) {
    const [low, high] = interval;
    const times = (one: number) => (one + 1).toFixed(1);
    const much =
      change < 2
        ? `${formatPercent(change)} dearer${bounds(interval, 1)}`
        : `${times(change)} times as dear${low === null || high === null ? '' : ` (${times(low)} to ${times(high)} times)`}`;
    return `${shortened} got ${much}${so(1, 'costs')}`;
  }
  return `${shortened} got ${formatPercent(-change)} cheaper${bounds(interval, -1)}${so(-1, 'saves')}`;
}

export interface Sentence {
  tone: 'bad' | 'good' | 'none' | 'unknown';
  text: string;
  /** Of the rest of the same kind. */
  more: number;
}

/** What changed, or that nothing did, or that there is too little to tell. */
export function verdictSentences(
  { verdict, regressions, improvements, detectable }: Ranking,
  unit: CostUnit,
  short: (name: string) => string,
): Sentence[] {
  const found: Sentence[] = [];
  for (const [tone, list] of [
    ['bad', regressions],
    ['good', improvements],
  ] as const)
    if (list.length > 0)
      found.push({ tone, text: describe(list[0]!, short(list[0]!.function), unit), more: list.length - 1 });
  if (found.length > 0) return found;
  const telling = tellingChange(detectable);
  const of = `a function with a fifth of ${unit.whole}`;
  if (verdict === 'no_change')
    return [
      {
        tone: 'none',
        text: `Nothing changed: a change of ${telling === null ? '–' : formatPercent(telling)} in ${of} would have been found`,
        more: 0,
      },
    ];
  return [
    {
      tone: 'unknown',
      text:
        telling === null
          ? 'Too little data to tell: there is nothing to measure the noise by'
          : `Too little data to tell: only a change of ${formatPercent(telling)} or more in ${of} would have been found`,
      more: 0,
    },
  ];
}

/** `The same work costs 8.1 % more (5.0 % to 11 %)`; null where sides are not compared by the same work. */
export function workSentence(work: Everything | null): string | null {
  if (work === null) return null;
  if (work.change === null) return 'What the same work costs cannot be told';
  if (!(work.p < SIGNIFICANT)) {
    const [low, high] = work.interval;
    return low === null || high === null
      ? 'What the same work costs cannot be told'
      : `The same work costs the same, as far as can be told (${formatInterval(work.interval)})`;
  }
  const more = work.change > 0;
  return `The same work costs ${formatPercent(Math.abs(work.change))} ${more ? 'more' : 'less'}${bounds(work.interval, more ? 1 : -1)}`;
}

export const NORMALIZATIONS: { kind: NormalizationKind; name: string; title: string }[] = [
  {
    kind: 'stable',
    name: 'what did not change',
    title: 'One function that got dearer does not make all others look cheaper',
  },
  { kind: 'total', name: 'parts of all', title: 'Each side’s values as parts of all of that side' },
  { kind: 'duration', name: 'instance time', title: 'A second of an instance; more load is more' },
  { kind: 'cpu', name: 'CPU time', title: 'A CPU second of the same selection' },
  { kind: 'factor', name: 'a factor', title: 'The right is multiplied with a number that you choose' },
  { kind: 'none', name: 'as they are', title: 'Sums as they were recorded' },
];

/** How values were made comparable. */
export function normalizationSentence(used: NormalizationKind, asked: NormalizationKind): string {
  if (used !== asked && asked === 'stable')
    return 'compared as parts of all: more than four fifths changed, so nothing is left to compare with';
  switch (used) {
    case 'stable':
      return 'measured by what did not change';
    case 'total':
      return 'compared as parts of all';
    case 'duration':
      return 'compared per second of an instance';
    case 'cpu':
      return 'compared per CPU second';
    case 'factor':
      return 'the right is multiplied with a factor';
    case 'none':
      return 'compared as recorded, whatever was recorded more of';
  }
}
