// SPDX-License-Identifier: Apache-2.0
// Sums over time. The store knows them for whole profiles; where a matcher is on sample labels the rows decide.
import { Merger } from '#native/profile';
import { labelOf } from '../../profile/labels.js';
import { LEVELS, type ProfileRecord, type Series } from '../../store/store.js';
import type { Sources } from './merge.js';
import { choosePieces, selectPieces } from './pieces.js';
import type { Piece } from './plan.js';
import type { Question } from './question.js';
import type { Segments } from './segments.js';

const TARGET_BUCKETS = 200;
const STEP_MS = 10_000;
export const MAX_BUCKETS = 20_000;

/** A multiple of 10 s that gives about 200 buckets. */
export function chooseStep(from: number, until: number): number {
  return Math.max(1, Math.ceil((until - from) / TARGET_BUCKETS / STEP_MS)) * STEP_MS;
}

export interface Timeline {
  series: Series[];
  profiles: number;
  warnings: string[];
  limited: boolean;
}

export async function timeline(
  sources: Sources,
  question: Question,
  stepMs: number,
  groupBy: string[],
): Promise<Timeline> {
  const { selection } = question;
  // A rollup must lie in one bucket.
  const maxLevel = LEVELS.findLast(level => stepMs % (level * 1000) === 0) ?? 0;
  const { pieces, warnings: kept } = await choosePieces(sources.store, selection, {
    groupBy,
    maxLevel,
    ages: sources.ages,
  });
  if ((selection.sampleMatchers ?? []).length > 0) {
    const answer = await byRows(sources, question, pieces, stepMs, groupBy);
    return { ...answer, warnings: [...kept, ...answer.warnings] };
  }
  const sum = new SeriesSum();
  for (const piece of pieces)
    for (const series of await sources.store.timeline({ ...selection, ...piece }, stepMs, groupBy))
      sum.add(series);
  const series = sum.series();
  return {
    series,
    profiles: series.reduce((sum, one) => sum + one.profiles, 0),
    warnings: [...question.warnings, ...kept],
    limited: false,
  };
}

/** Series of several pieces, which may share buckets. */
class SeriesSum {
  readonly #all = new Map<
    string,
    { labels: Series['labels']; buckets: Map<number, bigint>; profiles: number }
  >();

  add({ labels, times, totals, profiles }: Series): void {
    const key = JSON.stringify(Object.values(labels));
    const all = this.#all.get(key) ?? { labels, buckets: new Map<number, bigint>(), profiles: 0 };
    this.#all.set(key, all);
    all.profiles += profiles;
    for (const [row, time] of times.entries())
      all.buckets.set(time, (all.buckets.get(time) ?? 0n) + totals[row]!);
  }

  series(): Series[] {
    return [...this.#all.values()].map(({ labels, buckets, profiles }) => {
      const times = [...buckets.keys()].sort((a, b) => a - b);
      return { labels, times, totals: times.map(time => buckets.get(time)!), profiles };
    });
  }
}

/**
 * Everything of a series goes into one merger, bucket after bucket; what its sum grew by is the bucket's total. So a
 * segment is read once, not once a bucket.
 */
class RowSeries {
  readonly times: number[] = [];
  readonly totals: bigint[] = [];
  profiles = 0;
  readonly #merger: Merger;
  readonly #known = new Set<string>();
  #sum = 0n;

  constructor(
    readonly labels: Series['labels'],
    question: Question,
  ) {
    this.#merger = new Merger({
      matchers: question.selection.sampleMatchers ?? [],
      sampleLabels: false,
    });
  }

  async add(time: number, records: ProfileRecord[], segments: Segments): Promise<void> {
    await segments.supply(this.#merger, records, this.#known);
    await this.#merger.addProfiles(records);
    this.profiles += records.length;
    // By a label that no row has: one value, '', with the sum of all rows.
    const { total } = await this.#merger.sumBy('');
    const sum = total.reduce((all, one) => all + one, 0n);
    const grown = sum - this.#sum;
    this.#sum = sum;
    if (this.times.at(-1) === time) this.totals[this.totals.length - 1]! += grown;
    else {
      this.times.push(time);
      this.totals.push(grown);
    }
  }
}

async function byRows(
  { store, segments, maxProfiles }: Sources,
  question: Question,
  pieces: Piece[],
  stepMs: number,
  groupBy: string[],
): Promise<Timeline> {
  const all = new Map<string, RowSeries>();
  let seen = 0;
  let limited = false;
  let damaged = 0;
  const onDamaged = () => {
    damaged++;
  };
  for await (const batch of selectPieces(store, question.selection, pieces, onDamaged)) {
    const records = batch.slice(0, maxProfiles - seen);
    limited = records.length < batch.length;
    seen += records.length;
    const parts = new Map<string, { series: RowSeries; time: number; records: ProfileRecord[] }>();
    for (const record of records) {
      const values = groupBy.map(name => labelOf(record.labels, name));
      const key = JSON.stringify(values);
      let series = all.get(key);
      if (series === undefined) {
        series = new RowSeries(Object.fromEntries(groupBy.map((name, at) => [name, values[at]!])), question);
        all.set(key, series);
      }
      const time = Math.floor(record.start / stepMs) * stepMs;
      const place = `${time} ${key}`;
      const part = parts.get(place);
      if (part === undefined) parts.set(place, { series, time, records: [record] });
      else part.records.push(record);
    }
    // In order of time, for profiles come so and a Map keeps the order of insertion.
    for (const part of parts.values()) await part.series.add(part.time, part.records, segments);
    if (limited) break;
  }
  const warnings = [...question.warnings];
  if (damaged > 0) warnings.push(`${damaged} profiles are damaged and left out`);
  if (limited)
    warnings.push(`only the first ${maxProfiles} profiles of the range are counted (limits.queryProfiles)`);
  return {
    series: [...all.values()].map(({ labels, times, totals, profiles }) => ({
      labels,
      times,
      totals,
      profiles,
    })),
    profiles: seen,
    warnings,
    limited,
  };
}
