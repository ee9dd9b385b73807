// SPDX-License-Identifier: Apache-2.0
// What the endpoints that compare have in common: parameters, and how a comparison is written.
import { z } from 'zod';
import { matchingRules } from '#native/profile';
import type { Comparison } from '../../profile/statistics/compare.js';
import { NORMALIZATIONS, type NormalizationKind } from '../../profile/statistics/normalization.js';
import type { CompareOptions, ComparisonSide } from '../query/comparison.js';
import type { Statistics } from '../query/statistics.js';
import { DEFAULT_NODES, flag } from './parameters.js';

export const comparing = (maxNodes: number, normalization: NormalizationKind) => ({
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

/** Ids of the rules that a list names, sorted. Whether there are such is for the engine to say. */
export function rulesOf(list: string): string[] {
  const rules = list.split(',').filter(one => one !== '');
  return rules.includes('all') ? matchingRules().map(({ id }) => id) : rules.sort();
}

/** @param most what the configuration allows */
export function compareOptions(
  { max_nodes, normalization, factor, without_rules }: ComparingParameters,
  statistics: boolean,
  most: number,
): CompareOptions {
  return {
    maxNodes: max_nodes ?? Math.min(DEFAULT_NODES, most),
    without: rulesOf(without_rules),
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
