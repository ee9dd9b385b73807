// SPDX-License-Identifier: Apache-2.0
// What the endpoints that compare have in common: parameters, and how a comparison is written.
import { z } from 'zod';
import { matchingRules } from '#native/profile';
import type { Comparison } from '../../profile/statistics/compare.js';
import type { RankInput } from '../../profile/statistics/ranking.js';
import type { CompareOptions, ComparisonAnswer, ComparisonSide } from '../query/comparison.js';
import { NORMALIZATIONS, type Statistics } from '../query/statistics.js';
import { flag } from './parameters.js';

const DEFAULT_NODES = 8192;

export const comparing = (maxNodes: number, normalization: (typeof NORMALIZATIONS)[number]) => ({
  max_nodes: z.coerce.number().int().min(16).max(maxNodes).optional(),
  normalization: z
    .enum(NORMALIZATIONS)
    .default(normalization)
    .describe(
      'what the sides are compared in. stable: by what did not change, so that one function that got dearer does not make ' +
        'all others look cheaper. none: as they are. total: parts of all of their side. duration: per second of an ' +
        'instance. cpu: per CPU second. factor: the right is multiplied with factor',
    ),
  factor: z.coerce.number().positive().max(1e12).default(1).describe('for normalization=factor'),
  without_rules: z
    .string()
    .max(256)
    .default('')
    .describe(
      'matching rules that are not used, with commas; all turns every one off. ' +
        `There are ${matchingRules()
          .map(({ id }) => id)
          .join(', ')}`,
    ),
});

export const withStatistics = flag
  .default(true)
  .describe('test each function; false saves the work, and leaves statistics null');

interface ComparingParameters {
  max_nodes?: number | undefined;
  normalization: CompareOptions['normalization'];
  factor: number;
  without_rules: string;
}

/** @param most what the configuration allows */
export function compareOptions(
  { max_nodes, normalization, factor, without_rules }: ComparingParameters,
  statistics: boolean,
  most: number,
): CompareOptions {
  const rules = without_rules.split(',').filter(one => one !== '');
  return {
    maxNodes: max_nodes ?? Math.min(DEFAULT_NODES, most),
    without: rules.includes('all') ? matchingRules().map(({ id }) => id) : rules.sort(),
    normalization,
    factor,
    statistics,
  };
}

export function aboutSide({
  from,
  until,
  profiles,
  limited,
  warnings,
  stats,
  instances,
  seconds,
}: ComparisonSide) {
  return { from, until, profiles, limited, warnings, stats, instances, seconds };
}

/** Rules that were used, and those that were turned off. */
export function matchingOf({ without }: CompareOptions) {
  const rules = matchingRules();
  return {
    matching: rules.filter(({ id }) => !without.includes(id)),
    matchingOff: rules.filter(({ id }) => without.includes(id)),
  };
}

/** NaN and Infinity become null in JSON. */
const columns = ({ base, head, change, low, high, q }: Comparison) => ({
  left: base,
  right: head,
  change,
  low,
  high,
  q,
});

export function statisticsAnswer({
  functions,
  untested,
  self,
  total,
  whole,
  work,
  replicates,
  detectable,
}: Statistics) {
  return {
    functions,
    untested,
    replicates,
    self: columns(self),
    total: columns(total),
    whole: columns(whole),
    work: work && columns(work),
    detectable,
  };
}

/** What is ranked: functions by self, or by total. */
export function rankInput(
  { statistics, left, right, normalization }: ComparisonAnswer & { statistics: Statistics },
  by: 'self' | 'total',
  unit: string,
): RankInput {
  const perSecond = (sums: Float64Array, { seconds }: ComparisonSide) => {
    const whole = (seconds ?? 0) * (unit === 'nanoseconds' ? 1e9 : 1);
    return sums.map(one => (whole > 0 ? one / whole : 0));
  };
  const isParts = normalization.kind === 'total' || normalization.kind === 'stable';
  return {
    functions: statistics.functions,
    comparison: statistics[by],
    baseCost: perSecond(statistics.sums.left[by], left),
    headCost: perSecond(statistics.sums.right[by], right),
    // What 'stable' calls 1 is the base: of the head's load that is less where the same work costs more.
    wholeHead: isParts
      ? statistics.whole.head[0]! / (statistics.work?.head[0] ?? 1) / (unit === 'nanoseconds' ? 1e9 : 1)
      : null,
  };
}
