// SPDX-License-Identifier: Apache-2.0
// From tests of single functions to an answer: what got dearer, what got cheaper, or whether there is too little to tell.
import type { Detectable } from './answer.js';
import type { Comparison } from './compare.js';

export const VERDICTS = ['regression', 'improvement', 'mixed', 'no_change', 'too_little_data'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** A function that differs. */
export interface Ranked {
  function: string;
  file: string;
  module: string;
  /** Why it has no name; '' when it has one. */
  reason: string;
  /** In what the sides are compared in: parts of all, or amounts. */
  base: number;
  head: number;
  /** head / base − 1; null when it is new. */
  change: number | null;
  /** Of the change, 95 %; null where it has no bound. */
  interval: [number | null, number | null];
  q: number;
  /** What an instance uses, in CPU cores (for other types, in their unit a second). */
  baseCost: number;
  headCost: number;
  /** What the change costs each instance: of parts, at the load of the head. */
  cost: number;
}

export interface RankInput {
  functions: { name: string[]; file: string[]; module: string[]; reason: string[] };
  comparison: Pick<Comparison, 'base' | 'head' | 'change' | 'low' | 'high' | 'q'>;
  /** Of each function, in units of the type per instance-second. */
  baseCost: Float64Array;
  headCost: Float64Array;
  /** All that an instance of the head uses; null when the sides are not compared by parts. */
  wholeHead: number | null;
}

/** False discovery rate up to which a difference counts as real. */
export const SIGNIFICANT = 0.05;

/** A function of this part of all … */
export const TELLING_SHARE = 0.2;
/** … that changed by this would have to be seen, before no change can be said to be there. */
export const TELLING_CHANGE = 0.25;

export function ranked(input: RankInput, row: number): Ranked {
  const { functions, comparison, baseCost, headCost, wholeHead } = input;
  const base = comparison.base[row]!;
  const head = comparison.head[row]!;
  return {
    function: functions.name[row]!,
    file: functions.file[row]!,
    module: functions.module[row]!,
    reason: functions.reason[row]!,
    base,
    head,
    change: finite(comparison.change[row]!),
    interval: [finite(comparison.low[row]!), finite(comparison.high[row]!)],
    q: comparison.q[row]!,
    baseCost: baseCost[row]!,
    headCost: headCost[row]!,
    cost: wholeHead === null ? headCost[row]! - baseCost[row]! : (head - base) * wholeHead,
  };
}

/** Those that are real, the dearest first. */
export function rank(input: RankInput): { regressions: Ranked[]; improvements: Ranked[] } {
  const { q, base, head } = input.comparison;
  const rows = [...q.keys()].filter(row => q[row]! < SIGNIFICANT);
  const size = (row: number) => Math.abs(head[row]! - base[row]!);
  rows.sort((a, b) => size(b) - size(a) || a - b);
  const take = (isWanted: (row: number) => boolean) => rows.filter(isWanted).map(row => ranked(input, row));
  return {
    regressions: take(row => head[row]! > base[row]!),
    improvements: take(row => head[row]! < base[row]!),
  };
}

/** The least change that would be found in a function of TELLING_SHARE; null when nothing is known. */
export function tellingChange(detectable: Detectable): number | null {
  return detectable.find(({ share }) => share === TELLING_SHARE)?.change ?? null;
}

export function verdictOf(
  { regressions, improvements }: { regressions: Ranked[]; improvements: Ranked[] },
  detectable: Detectable,
): Verdict {
  if (regressions.length > 0) return improvements.length > 0 ? 'mixed' : 'regression';
  if (improvements.length > 0) return 'improvement';
  const telling = tellingChange(detectable);
  return telling !== null && telling <= TELLING_CHANGE ? 'no_change' : 'too_little_data';
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
