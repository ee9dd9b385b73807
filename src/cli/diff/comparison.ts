// SPDX-License-Identifier: Apache-2.0
// A comparison as the command line has it, whether a server made it or this process from two files.
import type { DiffTree } from '../../profile/formats/diff-svg.js';
import type { Everything, GateInput } from '../../profile/statistics/gate.js';
import type { RankInput } from '../../profile/statistics/ranking.js';

type Column = (number | null)[] | Float64Array;

interface Columns {
  left: Column;
  right: Column;
  change: Column;
  low: Column;
  high: Column;
  q: Column;
}

interface Side {
  sum: number | bigint;
  seconds: number | null;
  instances: number | null;
  profiles: number;
  from: number;
  until: number;
  warnings: string[];
}

/** What GET /api/v1/diff answers, as far as it is used. */
export interface DiffAnswer extends DiffTree {
  type: string;
  unit: string;
  left: DiffTree['left'] & Side;
  right: DiffTree['right'] & Side;
  normalization: { kind: string; left: number; right: number };
  matching: { id: string; what: string }[];
  statistics: {
    functions: RankInput['functions'];
    untested: number;
    replicates: Record<'left' | 'right', { instances: number; blocks: number }>;
    self: Columns;
    total: Columns;
    whole: Columns;
    work: Columns | null;
    detectable: { share: number; change: number | null }[];
  };
}

/** JSON has no NaN and no Infinity: a change without a value is one from nothing. */
function column(given: Column, missing: number): Float64Array {
  return Float64Array.from(given, one => one ?? missing);
}

/** What an instance uses in `unit`s a second; of time, in cores. */
function perSecond(unit: string): number {
  return unit === 'nanoseconds' ? 1e9 : 1;
}

export function rankInputOf(answer: DiffAnswer, by: 'self' | 'total'): RankInput {
  const { statistics, normalization, left, right, unit } = answer;
  const columns = statistics[by];
  const cost = (values: Column, scale: number, { seconds }: Side) => {
    const divisor = scale * (seconds ?? 0) * perSecond(unit);
    return column(values, 0).map(one => (divisor > 0 ? one / divisor : 0));
  };
  const isParts = normalization.kind === 'total' || normalization.kind === 'stable';
  return {
    functions: statistics.functions,
    comparison: {
      base: column(columns.left, 0),
      head: column(columns.right, 0),
      change: column(columns.change, Number.POSITIVE_INFINITY),
      low: column(columns.low, Number.NaN),
      high: column(columns.high, Number.NaN),
      q: column(columns.q, 1),
    },
    baseCost: cost(columns.left, normalization.left, left),
    headCost: cost(columns.right, normalization.right, right),
    wholeHead: isParts
      ? (statistics.whole.right[0] ?? 0) / (statistics.work?.right[0] ?? 1) / perSecond(unit)
      : null,
  };
}

function everything(columns: Columns & { p?: Column }): Everything {
  return { change: columns.change[0] ?? null, p: columns.q[0] ?? 1 };
}

export function gateInputOf(answer: DiffAnswer, by: 'self' | 'total'): GateInput {
  const { statistics, normalization, right } = answer;
  return {
    input: rankInputOf(answer, by),
    all: Number(right.sum) * normalization.right,
    work: statistics.work && everything(statistics.work),
    whole: everything(statistics.whole),
    detectable: statistics.detectable,
  };
}
