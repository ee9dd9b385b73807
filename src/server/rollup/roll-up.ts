// SPDX-License-Identifier: Apache-2.0
// The rollups of one bucket: one for each series, and a wide one for each service over all its series.
import { createHash } from 'node:crypto';
import { Merger, type RolledUp, sumProfiles } from '#native/profile';
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
import { Quality } from '../query/quality.js';
import type { Segments } from '../query/segments.js';

/** Values of one facet that a rollup lists, as a writer does. */
const MOST_VALUES = 64;
const INT64_MAX = 2n ** 63n - 1n;

export interface Made {
  profiles: ProfileRecord[];
  segments: Segment[];
  /** Profiles that it was made of. */
  sources: number;
  /** Of those, the ones that could not be read. */
  damaged: number;
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

function wideLabels(labels: Labels): Labels {
  return Object.fromEntries(WIDE_LABELS.filter(name => name in labels).map(name => [name, labels[name]!]));
}

/** Reads the level below and makes the level of `bucket`. Wide ones of the finest level are made of its other rollups. */
export async function rollUp(store: Store, symbols: Segments, bucket: Bucket): Promise<Made> {
  const finest = bucket.level === LEVELS[0];
  const lower = finest ? 0 : LEVELS[LEVELS.indexOf(bucket.level as (typeof LEVELS)[number]) - 1]!;
  const made: Made = { profiles: [], segments: [], sources: 0, damaged: 0 };
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
  for (const group of wide) {
    const merger = new Merger({ sampleLabels: true });
    await symbols.supply(merger, group.records, new Set());
    const { damaged } = await merger.addProfiles(group.records);
    if (!finest) made.damaged += damaged.length;
    const service = labelOf(group.labels, 'service_name');
    const rolled = await merger.rollUp({
      labels: [...WIDE_SAMPLE_LABELS],
      segmentPrefix: segmentPrefix(group.tenant, service, day),
    });
    const record = group.record(bucket, true, rolled);
    if (record === null) continue;
    made.profiles.push(record);
    if (rolled.segment !== null)
      made.segments.push({ ...rolled.segment, tenant: group.tenant, service, day });
  }
  return made;
}
