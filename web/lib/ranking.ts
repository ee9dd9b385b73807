// SPDX-License-Identifier: Apache-2.0
// What got dearer and what cheaper: of deploys as the server ranks them, of two selections by the same rules from the same
// tests.
import {
  costUnit,
  type Detectable,
  type Everything,
  everythingOf,
  rankInputOf,
} from '../../src/profile/statistics/answer.js';
import {
  type Ranked,
  rank,
  ranked,
  SIGNIFICANT,
  type Verdict,
  verdictOf,
} from '../../src/profile/statistics/ranking.js';
import type { DiffAnswer, PairAnswer } from './api.js';

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

export function rankingOf(answer: DiffAnswer, by: 'self' | 'total'): Ranking {
  const lists = rank(rankInputOf(answer, by));
  const { detectable, whole, work } = answer.statistics;
  return {
    ...lists,
    verdict: verdictOf(lists, detectable),
    omitted: 0,
    whole: everythingOf(whole, costUnit(answer.unit)),
    work: work && everythingOf(work),
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

/** Functions of which nothing is known to have changed, those first whose difference would cost most. */
export function unchangedOf(answer: DiffAnswer, by: 'self' | 'total'): Ranked[] {
  const input = rankInputOf(answer, by);
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
