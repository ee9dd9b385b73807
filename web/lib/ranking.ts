// SPDX-License-Identifier: Apache-2.0
// What got dearer and what cheaper: of deploys as the server ranks them, of two selections by the same rules from the same
// tests.
import {
  type Ranked,
  type RankInput,
  rank,
  ranked,
  SIGNIFICANT,
  TELLING_SHARE,
  type Verdict,
  verdictOf,
} from '../../src/profile/statistics/ranking.js';
import type { Detectable, DiffAnswer, Everything, PairAnswer, TestedColumns } from './api.js';

export interface Ranking {
  verdict: Verdict;
  regressions: Ranked[];
  improvements: Ranked[];
  /** Changed functions past the server's limit. */
  omitted: number;
  whole: Everything | null;
  work: Everything | null;
  detectable: Detectable;
}

const SECONDS: Record<string, number> = { nanoseconds: 1e9 };

function comparisonOf({ left, right, change, low, high, q }: TestedColumns): RankInput['comparison'] {
  const column = (numbers: (number | null)[]) => Float64Array.from(numbers, one => one ?? Number.NaN);
  return {
    base: column(left),
    head: column(right),
    change: column(change),
    low: column(low),
    high: column(high),
    q: column(q),
  };
}

function inputOf(
  answer: Pick<DiffAnswer, 'statistics' | 'normalization' | 'left' | 'right' | 'unit'>,
  by: 'self' | 'total',
): RankInput {
  const { statistics, normalization, unit } = answer;
  const comparison = comparisonOf(statistics[by]);
  const scale = SECONDS[unit] ?? 1;
  // Tests are in normalized values; a cost is what an instance uses a second.
  const costs = (values: Float64Array, factor: number, seconds: number | null) =>
    values.map(value =>
      factor > 0 && seconds !== null && seconds > 0 ? value / factor / seconds / scale : 0,
    );
  const isParts = normalization.kind === 'total' || normalization.kind === 'stable';
  return {
    functions: statistics.functions,
    comparison,
    baseCost: costs(comparison.base, normalization.left, answer.left.seconds),
    headCost: costs(comparison.head, normalization.right, answer.right.seconds),
    wholeHead: isParts ? statistics.whole.right[0]! / (statistics.work?.right[0] ?? 1) / scale : null,
  };
}

export function rankingOf(answer: DiffAnswer, by: 'self' | 'total'): Ranking {
  const lists = rank(inputOf(answer, by));
  const { detectable, whole, work } = answer.statistics;
  const telling = detectable.find(({ share }) => share === TELLING_SHARE)?.change ?? null;
  const scale = SECONDS[answer.unit] ?? 1;
  return {
    ...lists,
    verdict: verdictOf(lists, telling),
    omitted: 0,
    whole: everything(whole, scale),
    work: work === null ? null : everything(work, 1),
    detectable,
  };
}

export function rankingOfPair(pair: PairAnswer): Ranking {
  const { verdict, regressions, improvements, omitted, whole, work, detectable } = pair;
  return {
    verdict,
    regressions,
    improvements,
    omitted: omitted.regressions + omitted.improvements,
    whole,
    work,
    detectable,
  };
}

function everything(columns: TestedColumns, scale: number): Everything {
  return {
    base: columns.left[0]! / scale,
    head: columns.right[0]! / scale,
    change: columns.change[0] ?? null,
    interval: [columns.low[0] ?? null, columns.high[0] ?? null],
    p: columns.q[0]!,
  };
}

/** Functions of which nothing is known to have changed, those first whose difference would cost most. */
export function unchangedOf(answer: DiffAnswer, by: 'self' | 'total'): Ranked[] {
  const input = inputOf(answer, by);
  const rows = [...input.comparison.q.keys()].filter(row => !(input.comparison.q[row]! < SIGNIFICANT));
  return rows.map(row => ranked(input, row)).sort((a, b) => Math.abs(b.cost) - Math.abs(a.cost));
}

export type Order = 'cost' | 'change' | 'name';

/** Sorted, and narrowed to those whose name, module or file has all words. */
export function inOrder(rows: Ranked[], order: Order, filter: string): Ranked[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter(row => {
    const hay = `${row.function} ${row.module} ${row.file}`.toLowerCase();
    return words.every(word => hay.includes(word));
  });
  // What is new changed by more than anything.
  const change = (row: Ranked) => (row.change === null ? Number.POSITIVE_INFINITY : Math.abs(row.change));
  if (order === 'name')
    found.sort((a, b) => (a.function < b.function ? -1 : a.function > b.function ? 1 : 0));
  else if (order === 'change')
    found.sort((a, b) =>
      change(a) === change(b) ? Math.abs(b.cost) - Math.abs(a.cost) : change(b) - change(a),
    );
  else found.sort((a, b) => Math.abs(b.cost) - Math.abs(a.cost));
  return found;
}
