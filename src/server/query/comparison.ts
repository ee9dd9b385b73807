// SPDX-License-Identifier: Apache-2.0
// Two questions, compared: one tree, what values are measured in, and which differences are real.
import type { DiffColumns } from '#native/profile';
import { StackwellError } from '../../errors.js';
import { ON_CPU, parseType } from '../../profile/types.js';
import type { Compared, Reading } from './merge.js';
import type { Query } from './query.js';
import type { Question } from './question.js';
import { type Normalization, type Statistics, statistics } from './statistics.js';

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
    kind === 'cpu'
      ? { left: await cpuNanoseconds(query, left), right: await cpuNanoseconds(query, right) }
      : null;
  return query.compare(JSON.stringify(options), left, right, apart, async compared => {
    const diff = await compared.merger.diff({
      maxNodes: options.maxNodes,
      matchingWithout: options.without,
      functions: options.statistics ? MOST_FUNCTIONS : 0,
    });
    const { cells } = compared;
    const asked = normalize(kind, options.factor, compared, diff, cpu);
    const tested =
      diff.matrix === null || cells === null
        ? { statistics: null, normalization: asked }
        : await statistics(diff.matrix, cells.left, cells.right, asked, quantumOf(compared));
    return {
      diff,
      left: side(compared.left, cells?.left ?? null),
      right: side(compared.right, cells?.right ?? null),
      ...tested,
    };
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

/** @throws SW_REQUEST_INVALID for a side without anything to be measured by */
function normalize(
  kind: Normalization['kind'],
  factor: number,
  { cells }: Compared,
  { left, right }: DiffColumns,
  cpu: { left: number; right: number } | null,
): Normalization {
  const over = (whole: number) => (whole > 0 ? 1 / whole : 0);
  const seconds = (side: 'left' | 'right') => cells?.[side].seconds.reduce((sum, one) => sum + one, 0) ?? 0;
  switch (kind) {
    case 'none':
      return { kind, left: 1, right: 1 };
    case 'factor':
      return { kind, left: 1, right: factor };
    case 'stable':
    case 'total':
      return { kind, left: over(Number(left.sum)), right: over(Number(right.sum)) };
    case 'duration':
      return { kind, left: over(seconds('left')), right: over(seconds('right')) };
    case 'cpu': {
      if (cpu === null || !(cpu.left > 0 && cpu.right > 0))
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'normalization: cpu needs on-CPU profiles of both selections, and there are none',
        });
      return { kind, left: over(cpu.left / 1e9), right: over(cpu.right / 1e9) };
    }
  }
}

/** CPU time of the same selection. */
async function cpuNanoseconds(query: Query, question: Question): Promise<number> {
  const { from, until } = question.selection;
  const { series } = await query.timeline(
    { ...question, type: ON_CPU, selection: { ...question.selection, type: ON_CPU } },
    until - from,
    [],
  );
  return series.reduce((sum, { totals }) => sum + totals.reduce((all, one) => all + Number(one), 0), 0);
}

/** One sample in units of the values: of a clock its period, of a count 1; other values are no counts. */
function quantumOf({ left, right }: Compared): number {
  const type = parseType(left.question.type);
  if (type === null) return 0;
  if (type.sampleUnit === 'count') return 1;
  if (type.sampleType !== type.periodType || type.sampleUnit !== type.periodUnit) return 0;
  const period = Math.max(Number(left.period), Number(right.period));
  // Of 1 are values that were measured and not sampled.
  return period > 1 ? period : 0;
}
