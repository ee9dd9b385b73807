// SPDX-License-Identifier: Apache-2.0
// What GET /api/v1/diff tells of its tests, and what follows from it: the server, the command line and the page rank alike.
import type { RankInput } from './ranking.js';

/** In JSON null is what has no number: a change from nothing, an interval without a bound. */
export type Column = ArrayLike<number | null>;

export interface TestedColumns {
  left: Column;
  right: Column;
  change: Column;
  low: Column;
  high: Column;
  q: Column;
}

/** For functions with a part of all, the least change that would be found in four of five cases. */
export type Detectable = { share: number; change: number | null }[];

/** As far as it is needed to rank. */
export interface TestedAnswer {
  unit: string;
  normalization: { kind: string; left: number; right: number };
  /** Instance-seconds. */
  left: { seconds: number | null };
  right: { seconds: number | null };
  statistics: {
    functions: RankInput['functions'];
    self: TestedColumns;
    total: TestedColumns;
    whole: TestedColumns;
    work: TestedColumns | null;
  };
}

/** Of everything together. */
export interface Everything {
  base: number;
  head: number;
  change: number | null;
  interval: [number | null, number | null];
  p: number;
}

/** Units of a type in what an instance costs: time a second is cores, other things are themselves a second. */
export function costUnit(unit: string): number {
  return unit === 'nanoseconds' ? 1e9 : 1;
}

/** Whether sides are compared by parts of a whole: costs are then those at the load of the head. */
export function isOfParts(kind: string): boolean {
  return kind === 'total' || kind === 'stable';
}

export function rankInputOf(answer: TestedAnswer, by: 'self' | 'total'): RankInput {
  const { statistics, normalization, left, right, unit } = answer;
  const column = (given: Column) => Float64Array.from(given, one => one ?? Number.NaN);
  const tested = statistics[by];
  const comparison = {
    base: column(tested.left),
    head: column(tested.right),
    change: column(tested.change),
    low: column(tested.low),
    high: column(tested.high),
    q: column(tested.q),
  };
  // Tests are in normalized values; a cost is what an instance uses a second.
  const costs = (values: Float64Array, scale: number, seconds: number | null) => {
    const divisor = scale * (seconds ?? 0) * costUnit(unit);
    return values.map(one => (divisor > 0 ? one / divisor : 0));
  };
  return {
    functions: statistics.functions,
    comparison,
    baseCost: costs(comparison.base, normalization.left, left.seconds),
    headCost: costs(comparison.head, normalization.right, right.seconds),
    // What 'stable' calls 1 is the base: of the head's load that is less where the same work costs more.
    wholeHead: isOfParts(normalization.kind)
      ? statistics.whole.right[0]! / (statistics.work?.right[0] ?? 1) / costUnit(unit)
      : null,
  };
}

/** The one row of a comparison of everything; its q is its p. @param unit that its values are in, as `costUnit` has it */
export function everythingOf({ left, right, change, low, high, q }: TestedColumns, unit = 1): Everything {
  const number = (column: Column) => {
    const value = column[0] ?? null;
    return value !== null && Number.isFinite(value) ? value : null;
  };
  return {
    base: left[0]! / unit,
    head: right[0]! / unit,
    change: number(change),
    interval: [number(low), number(high)],
    p: q[0]!,
  };
}
