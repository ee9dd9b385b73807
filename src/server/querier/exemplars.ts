// SPDX-License-Identifier: Apache-2.0
// Of each point of a series the largest profile, so that one can look at it alone.
import { labelOf } from '../../profile/labels.js';
import type { Labels } from '../../profile/types.js';
import type { ProfileRecord } from '../../store/store.js';
import type { Context } from '../context.js';
import { uuidOf } from '../query/profile-ids.js';
import type { Question } from '../query/question.js';
import { type Points, pointAt } from './buckets.js';

export interface Exemplar {
  /** UUID. */
  id: string;
  /** Unix milliseconds. */
  time: number;
  value: bigint;
  labels: { name: string; value: string }[];
}

export interface Exemplars {
  at(key: Labels, timestamp: number): Exemplar[];
  warnings: string[];
}

/** @param groupBy those labels that its series has already are not repeated */
export function exemplar(record: ProfileRecord, groupBy: string[]): Exemplar {
  const { start, total, labels } = record;
  return {
    id: uuidOf(record),
    time: start,
    value: total,
    labels: Object.entries(labels)
      .filter(([name]) => !groupBy.includes(name))
      .map(([name, value]) => ({ name, value })),
  };
}

export async function exemplarsOf(
  { query }: Context,
  question: Question,
  points: Points,
  groupBy: string[],
): Promise<Exemplars> {
  if ((question.selection.sampleMatchers ?? []).length > 0)
    return {
      at: () => [],
      warnings: ['exemplars are whole profiles: there are none of a part of the samples'],
    };
  const largest = new Map<string, Exemplar>();
  const keyOf = (labels: Labels, timestamp: number) =>
    JSON.stringify([timestamp, ...groupBy.map(name => labelOf(labels, name))]);
  const isEmpty = question.selection.from >= question.selection.until;
  const selection = { ...question.selection, ...(isEmpty ? {} : points.range) };
  const warnings = await query.scan({ ...question, selection }, records => {
    for (const record of records) {
      const key = keyOf(record.labels, pointAt(points, record.start));
      const best = largest.get(key);
      if (best === undefined || best.value < record.total) largest.set(key, exemplar(record, groupBy));
    }
  });
  return {
    at: (key, timestamp) => {
      const found = largest.get(keyOf(key, timestamp));
      return found === undefined ? [] : [found];
    },
    warnings,
  };
}
