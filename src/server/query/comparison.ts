// SPDX-License-Identifier: Apache-2.0
// Two questions, compared: one tree, what values are measured in, and which differences are real.
import type { DiffColumns } from '#native/profile';
import { StackwellError } from '../../errors.js';
import { type Normalization, normalizationOf, quantumOf } from '../../profile/statistics/normalization.js';
import { ON_CPU, parseType } from '../../profile/types.js';
import type { Reading } from './merge.js';
import type { Query } from './query.js';
import type { Question } from './question.js';
import { type Statistics, statistics } from './statistics.js';

/** Functions that are tested; what is beyond them is too small to tell anything about. */
const MOST_FUNCTIONS = 1000;

export interface CompareOptions {
  maxNodes: number;
  /** Matching rules that are not to be used. */
  without: string[];
  normalization: Normalization['kind'];
  /** Of the right, for normalization 'factor'. */
  factor: number;
  statistics: boolean;
}

export interface ComparisonSide extends Omit<Reading, 'question'> {
  from: number;
  until: number;
  /** Null where they were not looked for: without statistics. */
  instances: number | null;
  /** Instance-seconds; null likewise. */
  seconds: number | null;
}

export interface ComparisonAnswer {
  diff: DiffColumns;
  left: ComparisonSide;
  right: ComparisonSide;
  normalization: Normalization;
  /** Null unless asked for. */
  statistics: Statistics | null;
}

/**
 * Shared by all who ask for the same. Normalization 'stable' takes statistics.
 * @throws SW_QUERY_INVALID, SW_REQUEST_INVALID, SW_SERVER_BUSY
 */
export async function compareQuestions(
  query: Query,
  left: Question,
  right: Question,
  options: CompareOptions,
): Promise<ComparisonAnswer> {
  const kind = options.normalization;
  if (kind === 'stable' && !options.statistics)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: 'normalization: what is stable is found by statistics, which are turned off',
    });
  const apart = options.statistics || kind === 'duration';
  const cpu =
    kind === 'cpu' ? { left: await cpuSeconds(query, left), right: await cpuSeconds(query, right) } : null;
  return query.compare(JSON.stringify(options), left, right, apart, async compared => {
    const diff = await compared.merger.diff({
      maxNodes: options.maxNodes,
      matchingWithout: options.without,
      functions: options.statistics ? MOST_FUNCTIONS : 0,
    });
    const { cells } = compared;
    const sides = {
      left: side(compared.left, cells?.left ?? null),
      right: side(compared.right, cells?.right ?? null),
    };
    const measures = (which: 'left' | 'right') => ({
      sum: Number(diff[which].sum),
      seconds: sides[which].seconds,
      cpuSeconds: cpu?.[which] ?? null,
    });
    const asked = normalizationOf(kind, options.factor, measures('left'), measures('right'));
    const period = Math.max(Number(compared.left.period), Number(compared.right.period));
    const tested =
      diff.matrix === null || cells === null
        ? { statistics: null, normalization: asked }
        : await statistics(
            diff.matrix,
            cells.left,
            cells.right,
            asked,
            quantumOf(parseType(left.type)!, period),
          );
    return { diff, ...sides, ...tested };
  });
}

function side(
  { question, ...reading }: Reading,
  cells: { instances: number; seconds: Float64Array } | null,
): ComparisonSide {
  const { from, until } = question.selection;
  return {
    ...reading,
    from,
    until,
    instances: cells?.instances ?? null,
    seconds: cells?.seconds.reduce((sum, one) => sum + one, 0) ?? null,
  };
}

/** CPU time of the same selection. */
async function cpuSeconds(query: Query, question: Question): Promise<number> {
  const { from, until } = question.selection;
  const { series } = await query.timeline(
    { ...question, type: ON_CPU, selection: { ...question.selection, type: ON_CPU } },
    until - from,
    [],
  );
  const nanoseconds = series.reduce(
    (sum, { totals }) => sum + totals.reduce((all, one) => all + Number(one), 0),
    0,
  );
  return nanoseconds / 1e9;
}
