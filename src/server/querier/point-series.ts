// SPDX-License-Identifier: Apache-2.0
// Sums, or averages, over time, as points.
import { StackwellError } from '../../errors.js';
import type { Labels } from '../../profile/types.js';
import type { Series as StoredSeries } from '../../store/store.js';
import type { Context } from '../context.js';
import type { Question } from '../query/question.js';
import type { Points } from './buckets.js';
import { isOfType, labelPairs, storedName } from './private-labels.js';

const MAX_GROUP_LABELS = 16;
const MAX_SERIES = 2000;

export interface PointSeries {
  labels: { name: string; value: string }[];
  points: { value: number; timestamp: number }[];
  /** By which values of labels of profiles it is told from others. */
  key: Labels;
}

/** @throws SW_REQUEST_INVALID */
export function groupLabels(groupBy: string[]): { names: string[]; stored: string[] } {
  if (groupBy.length > MAX_GROUP_LABELS)
    throw new StackwellError('SW_REQUEST_INVALID', { reason: `group_by: more than ${MAX_GROUP_LABELS}` });
  const names = [...new Set(groupBy)].sort();
  return { names, stored: [...new Set(names.filter(name => !isOfType(name)).map(storedName))] };
}

export interface SeriesOptions {
  groupBy: string[];
  average: boolean;
  /** 0 for no limit but our own. */
  limit: number;
  /** Of profiles as they came, where these are kept; averages always are. */
  exact?: boolean;
}

/** The largest first. */
export async function pointSeries(
  { query, metrics }: Context,
  question: Question,
  points: Points,
  { groupBy, average, limit, exact = average }: SeriesOptions,
): Promise<{ series: PointSeries[]; warnings: string[] }> {
  const done = metrics.querySeconds.startTimer({ kind: 'timeline' });
  const { names, stored } = groupLabels(groupBy);
  const isEmpty = question.selection.from >= question.selection.until;
  const selection = { ...question.selection, ...(isEmpty ? {} : points.range) };
  const { stepMs, origin } = points;
  const { series, warnings } = await query.timeline({ ...question, selection }, stepMs, stored, {
    origin,
    endsIncluded: true,
    exact,
  });
  const value = ({ totals, counts }: StoredSeries, row: number) =>
    average ? Number(totals[row]!) / counts[row]! : Number(totals[row]!);
  const all = series.map(one => ({
    key: one.labels,
    labels: labelPairs(names, question.type, one.labels),
    points: one.times.map((time, row) => ({
      value: value(one, row),
      timestamp: time + stepMs,
    })),
    sum: one.times.reduce((sum, _, row) => sum + value(one, row), 0),
  }));
  const text = ({ labels }: PointSeries) => JSON.stringify(labels.map(({ value }) => value));
  all.sort((a, b) => b.sum - a.sum || (text(a) < text(b) ? -1 : 1));
  const largest = all.slice(0, limit > 0 ? Math.min(limit, MAX_SERIES) : MAX_SERIES);
  done();
  const isCut = largest.length === MAX_SERIES && all.length > MAX_SERIES;
  return {
    series: largest.map(({ sum: _, ...one }) => one),
    warnings: isCut ? [...warnings, `only the ${MAX_SERIES} largest series are given`] : warnings,
  };
}
