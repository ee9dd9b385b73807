// SPDX-License-Identifier: Apache-2.0
// Sums over time. The store knows them for whole profiles; where a label of samples is asked for the rows decide.
import { Merger } from '#native/profile';
import { StackwellError } from '../../errors.js';
import { labelOf } from '../../profile/labels.js';
import { isOfRequest } from '../../profile/types.js';
import { SeriesBuckets } from '../../store/series-buckets.js';
import { LEVELS, type ProfileRecord, type Series, type Store } from '../../store/store.js';
import type { Sources } from './merge.js';
import { type Ages, choosePieces, selectPieces } from './pieces.js';
import type { Piece } from './plan.js';
import { isProfileLabel, isSampleLabel, type Question } from './question.js';
import type { Segments } from './segments.js';

const TARGET_BUCKETS = 200;
const STEP_MS = 10_000;
export const MAX_BUCKETS = 20_000;
/** Which labels are of samples is looked up in the last hour of a range. */
const LOOK_MS = 3_600_000;

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

export interface Buckets {
  stepMs: number;
  /** Unix milliseconds: one bucket starts here. */
  origin: number;
  /** A bucket has its end, and not its start: what is at a border counts before it. Rollups count after it. */
  endsIncluded: boolean;
  /** Count profiles as they came: averages are wanted. */
  exact: boolean;
}

/** How many finer rollups must lie in a bucket that is not aligned to them: each counts where it starts. */
const PER_BUCKET = 4;

/** The coarsest rollups that buckets may be made of, in seconds. */
export function levelFor({ stepMs, origin, exact }: Buckets): number {
  if (exact) return 0;
  const fits = (level: number) => {
    const ms = level * 1000;
    return stepMs % ms === 0 && (origin % ms === 0 || stepMs >= PER_BUCKET * ms);
  };
  return LEVELS.findLast(fits) ?? 0;
}

/** Where what is that fine is not kept any more from the beginning of the range on, the finest that is. */
export function keptLevel(level: number, from: number, ages: Ages, now: number): number {
  const isKept = (one: number) => from >= now - (ages[one] ?? Number.POSITIVE_INFINITY);
  if (isKept(level)) return level;
  return LEVELS.find(one => one > level && isKept(one)) ?? LEVELS.at(-1)!;
}

/**
 * `groupBy` are labels of profiles, and at most one of samples.
 * @throws SW_REQUEST_INVALID when there are more
 */
export async function timeline(
  sources: Sources,
  question: Question,
  buckets: Buckets,
  groupBy: string[],
): Promise<Timeline> {
  const { selection } = question;
  const sampleLabels = await sampleLabelsOf(sources.store, question, groupBy);
  if (sampleLabels.length > 1)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `only one label of samples can be grouped by, not ${sampleLabels.join(' and ')}`,
    });
  const now = Date.now();
  // Rollups do not tell requests apart.
  const exact = buckets.exact || sampleLabels.some(isOfRequest);
  const level = levelFor({ ...buckets, exact });
  const kept = keptLevel(level, selection.from, sources.ages, now);
  const { pieces, warnings } = await choosePieces(sources.store, selection, {
    groupBy,
    maxLevel: exact ? level : kept,
    ages: sources.ages,
  });
  if (exact && kept > level)
    warnings.push(
      `profiles as they came are only kept since ${new Date(now - sources.ages[level]!).toISOString()}: what is older is left out`,
    );
  if ((selection.sampleMatchers ?? []).length > 0 || sampleLabels.length > 0)
    return byRows(sources, question, pieces, buckets, groupBy, sampleLabels[0] ?? null, warnings);
  const { stepMs, origin } = buckets;
  const sum = new SeriesSum();
  for (const piece of pieces) {
    const shift = buckets.endsIncluded && piece.level === 0 ? 1 : 0;
    const found = await sources.store.timeline({ ...selection, ...piece }, stepMs, groupBy, origin + shift);
    for (const series of found) sum.add(series, shift);
  }
  const series = sum.series();
  return {
    series,
    profiles: series.reduce((sum, one) => sum + one.profiles, 0),
    warnings: [...question.warnings, ...warnings],
    limited: false,
  };
}

/** Of `groupBy`, those that only samples have. */
async function sampleLabelsOf(store: Store, { selection }: Question, groupBy: string[]): Promise<string[]> {
  if (groupBy.every(isProfileLabel)) return [];
  const { from, until } = selection;
  const names = await store.labelNames({ ...selection, from: Math.max(from, until - LOOK_MS) });
  return groupBy.filter(name => isSampleLabel(name, names));
}

/** Series of several pieces, which may share buckets. */
class SeriesSum {
  readonly #all = new Map<string, SeriesBuckets>();

  /** @param shift by which its times are late */
  add({ labels, times, totals, counts, profiles }: Series, shift: number): void {
    const key = JSON.stringify(Object.values(labels));
    const all = this.#all.get(key) ?? new SeriesBuckets(labels);
    this.#all.set(key, all);
    all.profiles += profiles;
    for (const [row, time] of times.entries()) all.add(time - shift, totals[row]!, counts[row]!);
  }

  series(): Series[] {
    return [...this.#all.values()].map(one => one.series());
  }
}

/**
 * Everything of a group goes into one merger, bucket after bucket; what its sums grew by are the bucket's totals. So a
 * segment is read once, not once a bucket.
 */
class RowGroup {
  /** By value of the sample label; one, '', where none is asked for. */
  readonly #series = new Map<string, Series & { sum: bigint }>();
  readonly #merger: Merger;
  readonly #known = new Set<string>();

  constructor(
    private readonly labels: Series['labels'],
    private readonly sampleLabel: string | null,
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
    // By a label that no row has: one value, '', with the sum of all rows.
    const { value, total } = await this.#merger.sumBy(this.sampleLabel ?? '');
    for (const [row, name] of value.entries()) {
      const series = this.#of(name);
      const grown = total[row]! - series.sum;
      series.sum = total[row]!;
      const last = series.times.length - 1;
      if (series.times[last] === time) {
        series.totals[last]! += grown;
        series.counts[last]! += records.length;
      } else if (grown !== 0n || this.sampleLabel === null) {
        series.times.push(time);
        series.totals.push(grown);
        series.counts.push(records.length);
      } else continue;
      series.profiles += records.length;
    }
  }

  #of(value: string): Series & { sum: bigint } {
    const known = this.#series.get(value);
    if (known !== undefined) return known;
    const labels = this.sampleLabel === null ? this.labels : { ...this.labels, [this.sampleLabel]: value };
    const series = { labels, times: [], totals: [], counts: [], profiles: 0, sum: 0n };
    this.#series.set(value, series);
    return series;
  }

  series(): Series[] {
    return [...this.#series.values()].map(({ sum: _, ...series }) => series);
  }
}

async function byRows(
  { store, segments, maxProfiles }: Sources,
  question: Question,
  pieces: Piece[],
  { stepMs, origin, endsIncluded }: Buckets,
  groupBy: string[],
  sampleLabel: string | null,
  chosen: string[],
): Promise<Timeline> {
  const ofProfiles = groupBy.filter(name => name !== sampleLabel);
  const all = new Map<string, RowGroup>();
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
    const parts = new Map<string, { group: RowGroup; time: number; records: ProfileRecord[] }>();
    for (const record of records) {
      const values = ofProfiles.map(name => labelOf(record.labels, name));
      const key = JSON.stringify(values);
      let group = all.get(key);
      if (group === undefined) {
        const labels = Object.fromEntries(ofProfiles.map((name, at) => [name, values[at]!]));
        group = new RowGroup(labels, sampleLabel, question);
        all.set(key, group);
      }
      const start = record.start - (endsIncluded && record.level === 0 ? 1 : 0);
      const time = Math.floor((start - origin) / stepMs) * stepMs + origin;
      const place = `${time} ${key}`;
      const part = parts.get(place);
      if (part === undefined) parts.set(place, { group, time, records: [record] });
      else part.records.push(record);
    }
    // In order of time, for profiles come so and a Map keeps the order of insertion.
    for (const part of parts.values()) await part.group.add(part.time, part.records, segments);
    if (limited) break;
  }
  const warnings = [...question.warnings, ...chosen];
  if (damaged > 0) warnings.push(`${damaged} profiles are damaged and left out`);
  if (limited)
    warnings.push(`only the first ${maxProfiles} profiles of the range are counted (limits.queryProfiles)`);
  const series = [...all.values()].flatMap(group => group.series());
  return { series, profiles: seen, warnings, limited };
}
