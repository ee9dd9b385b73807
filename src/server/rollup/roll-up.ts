// SPDX-License-Identifier: Apache-2.0
// The rollups of one bucket: one for each series, and a wide one for each service over all its series.
import { createHash } from 'node:crypto';
import { Merger, type RolledUp, type SymbolWriter, sumProfiles } from '#native/profile';
import { labelOf } from '../../profile/labels.js';
import type { Labels } from '../../profile/types.js';
import {
  type Bucket,
  LEVELS,
  type ProfileRecord,
  type Segment,
  type Store,
  segmentPrefix,
  WIDE_LABELS,
  WIDE_SAMPLE_LABELS,
} from '../../store/store.js';
import type { Writers } from '../ingest/writers.js';
import { Quality } from '../query/quality.js';
import type { Segments } from '../query/segments.js';

/** Values of one facet that a rollup lists, as a writer does. */
const MOST_VALUES = 64;
const INT64_MAX = 2n ** 63n - 1n;

/** Symbols that a writer counts on from now on, or not. */
export interface WriterTicket {
  writer: SymbolWriter;
  ticket: number;
}

export interface Made {
  profiles: ProfileRecord[];
  segments: Segment[];
  /** Profiles that it was made of. */
  sources: number;
  /** Of those, the ones that could not be read. */
  damaged: number;
  /** To be committed when it is stored, else rolled back. */
  tickets: WriterTicket[];
}

/** What has the same tenant, type and labels. */
class Group {
  readonly records: ProfileRecord[] = [];
  readonly #facets = new Map<string, Set<string>>();
  readonly #omitted = new Set<string>();

  constructor(
    readonly tenant: string,
    readonly type: string,
    readonly labels: Labels,
  ) {}

  add(record: ProfileRecord): void {
    this.records.push(record);
    for (const [name, values] of Object.entries(record.facets)) {
      const all = this.#facets.get(name) ?? new Set();
      this.#facets.set(name, all);
      for (const value of values) {
        if (all.size < MOST_VALUES || all.has(value)) all.add(value);
        else this.#omitted.add(name);
      }
    }
    for (const name of record.facetsOmitted) this.#omitted.add(name);
  }

  /** The rollup with these rows; null when its total is over 64 bits, and then its parts stand for it no longer. */
  record({ level, start }: Bucket, wide: boolean, rolled: RolledUp): ProfileRecord | null {
    if (rolled.total > INT64_MAX || rolled.total < -INT64_MAX) return null;
    const { tenant, type, labels } = this;
    const quality = new Quality();
    for (const record of this.records) quality.add(record);
    const { clocks, late: _, ...coverage } = quality.finish();
    const kept = (name: string) => !wide || (WIDE_SAMPLE_LABELS as readonly string[]).includes(name);
    return {
      id: createHash('sha256')
        .update(JSON.stringify(['rollup', level, wide, start, tenant, type, labels]))
        .digest('hex')
        .slice(0, 32),
      tenant,
      type,
      labels,
      facets: Object.fromEntries(
        [...this.#facets].filter(([name]) => kept(name)).map(([name, values]) => [name, [...values]]),
      ),
      facetsOmitted: [...this.#omitted].filter(kept),
      start,
      duration: level * 1000,
      period: this.records.at(-1)!.period,
      total: rolled.total,
      level,
      wide,
      segments: rolled.segments,
      rows: rolled.rows,
      stats: { ...coverage, clock: clocks.join(', '), profiles: countProfiles(this.records) },
    };
  }
}

export function countProfiles(records: ProfileRecord[]): number {
  return records.reduce((sum, { stats }) => sum + (stats.profiles ?? 1), 0);
}

class Groups {
  readonly #groups = new Map<string, Group>();

  add(record: ProfileRecord, labels: Labels): void {
    const key = JSON.stringify([record.tenant, record.type, labels]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group(record.tenant, record.type, labels);
      this.#groups.set(key, group);
    }
    group.add(record);
  }

  [Symbol.iterator](): Iterator<Group> {
    return this.#groups.values();
  }
}

const MERGED = { type: 'merged', unit: 'count' };
/** What was within the limits when it came is so when it is merged, or nearly. */
const LIMITS = {
  maxBytes: 1 << 29,
  maxSamples: 1 << 24,
  maxLocations: 1 << 24,
  maxStrings: 1 << 24,
  maxDepth: 32_768,
};

/** Everything that was added, with the symbols of `writer`. */
async function rewritten(merger: Merger, writer: SymbolWriter, tickets: WriterTicket[]): Promise<RolledUp> {
  const pprof = await merger.pprof({
    sampleType: MERGED.type,
    sampleUnit: MERGED.unit,
    periodType: MERGED.type,
    periodUnit: MERGED.unit,
    period: 1n,
    timeNanos: 1n,
    durationNanos: 1n,
    sampleLabels: true,
    reasons: true,
  });
  const { ticket, segment, profiles } = await writer.add(pprof, LIMITS);
  tickets.push({ writer, ticket });
  const { segments, rows, rowCount, total } = profiles[0]!;
  return { segments, rows, rowCount, total, segment, damaged: [] };
}

function wideLabels(labels: Labels): Labels {
  return Object.fromEntries(WIDE_LABELS.filter(name => name in labels).map(name => [name, labels[name]!]));
}

/**
 * Reads the level below and makes the level of `bucket`. Wide ones of the finest level are made of its other rollups.
 * Coarser wide ones get symbols of their own, by the month: a question about a month would else read what each of its
 * days has written, which is mostly the same.
 */
export async function rollUp(
  store: Store,
  symbols: Segments,
  writers: Writers,
  bucket: Bucket,
): Promise<Made> {
  const finest = bucket.level === LEVELS[0];
  const lower = finest ? 0 : LEVELS[LEVELS.indexOf(bucket.level as (typeof LEVELS)[number]) - 1]!;
  const made: Made = { profiles: [], segments: [], sources: 0, damaged: 0, tickets: [] };
  const read = async (wide: boolean, groups: Groups) => {
    const selection = {
      tenant: null,
      matchers: [],
      from: bucket.start,
      until: bucket.start + bucket.level * 1000,
      level: lower,
      wide,
      partitions: [bucket.partition],
      withFacets: true,
    };
    const onDamaged = () => {
      made.damaged++;
    };
    for await (const batch of store.selectProfiles(selection, onDamaged))
      for (const record of batch) {
        made.sources++;
        groups.add(record, record.labels);
      }
  };

  const series = new Groups();
  await read(false, series);
  const wide = new Groups();
  if (!finest) await read(true, wide);
  for (const group of series) {
    const rolled = await sumProfiles(group.records);
    made.damaged += rolled.damaged.length;
    const record = group.record(bucket, false, rolled);
    if (record === null) continue;
    made.profiles.push(record);
    if (finest) wide.add(record, wideLabels(record.labels));
  }

  const day = new Date(bucket.start).toISOString().slice(0, 10);
  const month = `${day.slice(0, 7)}-01`;
  for (const group of wide) {
    const merger = new Merger({ sampleLabels: true });
    await symbols.supply(merger, group.records, new Set());
    const { damaged } = await merger.addProfiles(group.records);
    if (!finest) made.damaged += damaged.length;
    const { tenant } = group;
    const service = labelOf(group.labels, 'service_name');
    const rolled = finest
      ? await merger.rollUp({
          labels: [...WIDE_SAMPLE_LABELS],
          segmentPrefix: segmentPrefix(tenant, service, day),
        })
      : await rewritten(merger, writers.get(tenant, service, month), made.tickets);
    const record = group.record(bucket, true, rolled);
    if (record === null) continue;
    made.profiles.push(record);
    if (rolled.segment !== null)
      made.segments.push({ ...rolled.segment, tenant, service, day: finest ? day : month });
  }
  return made;
}
