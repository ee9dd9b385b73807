// SPDX-License-Identifier: Apache-2.0
// The rollups of one bucket: one for each series, and a wide one for each service over all its series.
import { createHash } from 'node:crypto';
import { Merger, type Summed, type SymbolWriter, sumProfiles } from '#native/profile';
import { labelOf } from '../../profile/labels.js';
import { isOfRequest, type Labels, REQUEST_LABELS } from '../../profile/types.js';
import {
  type Bucket,
  LEVELS,
  type ProfileRecord,
  type Segment,
  type Selection,
  type Store,
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
      if (isOfRequest(name)) {
        this.#omitted.add(name);
        continue;
      }
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
  record(
    { level, start }: Bucket,
    wide: boolean,
    rolled: Pick<Summed, 'segments' | 'rows' | 'total'>,
  ): ProfileRecord | null {
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

/** The level that rollups of a level are made of. */
export function below(level: number): number {
  return LEVELS[LEVELS.indexOf(level as (typeof LEVELS)[number]) - 1] ?? 0;
}

function wideLabels(labels: Labels): Labels {
  return Object.fromEntries(WIDE_LABELS.filter(name => name in labels).map(name => [name, labels[name]!]));
}

/** Which services' rows may say of which request they are. Asks the store once for each, and only where any does. */
class Requests {
  readonly #services = new Map<string, boolean>();
  #any: boolean | null = null;

  constructor(
    private readonly store: Store,
    private readonly bucket: Bucket,
  ) {}

  async has({ tenant, labels }: Group): Promise<boolean> {
    this.#any ??= await this.#ask({ tenant: null, matchers: [] });
    if (!this.#any) return false;
    const value = labelOf(labels, 'service_name');
    const key = JSON.stringify([tenant, value]);
    const known =
      this.#services.get(key) ??
      (await this.#ask({ tenant, matchers: [{ name: 'service_name', op: '=', value }] }));
    this.#services.set(key, known);
    return known;
  }

  async #ask(of: Pick<Selection, 'tenant' | 'matchers'>): Promise<boolean> {
    const { start, level, partition } = this.bucket;
    const range = { from: start, until: start + level * 1000, partitions: [partition] };
    const { sample } = await this.store.labelNames({ ...of, ...range });
    return sample.some(isOfRequest);
  }
}

/**
 * Reads the level below and makes the level of `bucket`. Wide ones of the finest level are made of its other rollups;
 * they bring together what the profiles of many agents have each in a segment of its own. Coarser wide ones get symbols
 * by the month: a question about a month would else read what each of its days has written, which is mostly the same.
 */
export async function rollUp(
  store: Store,
  symbols: Segments,
  writers: Writers,
  bucket: Bucket,
): Promise<Made> {
  const finest = bucket.level === LEVELS[0];
  const lower = below(bucket.level);
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

  const day = new Date(bucket.start).toISOString().slice(0, 10);
  /** By a writer, with symbols of its own, as far as it has not written them before. */
  const write = async (group: Group, isWide: boolean, since: string): Promise<void> => {
    const sampleLabels = isWide ? [...WIDE_SAMPLE_LABELS] : { except: [...REQUEST_LABELS] };
    const merger = new Merger({ sampleLabels });
    const known = new Set<string>();
    for (const { id, bytes } of made.segments)
      if (group.records.some(({ segments }) => segments.includes(id))) {
        await merger.addSegment(id, bytes);
        known.add(id);
      }
    await symbols.supply(merger, group.records, known);
    const { damaged } = await merger.addProfiles(group.records);
    if (!isWide || !finest) made.damaged += damaged.length;
    const { tenant } = group;
    const service = labelOf(group.labels, 'service_name');
    const writer = writers.get(tenant, service, since);
    const { ticket, segment, profiles } = await merger.rollUp(writer);
    const record = group.record(bucket, isWide, profiles[0]!);
    if (record === null) {
      writer.rollback(ticket);
      return;
    }
    made.profiles.push(record);
    made.tickets.push({ writer, ticket });
    if (segment !== null) made.segments.push({ ...segment, tenant, service, day: since });
  };

  const requests = new Requests(store, bucket);
  const series = new Groups();
  await read(false, series);
  const wide = new Groups();
  if (!finest) await read(true, wide);
  for (const group of series) {
    if (finest && (await requests.has(group))) await write(group, false, day);
    else {
      const rolled = await sumProfiles(group.records);
      made.damaged += rolled.damaged.length;
      const record = group.record(bucket, false, rolled);
      if (record !== null) made.profiles.push(record);
    }
  }
  if (finest) for (const record of made.profiles) wide.add(record, wideLabels(record.labels));
  const month = `${day.slice(0, 7)}-01`;
  for (const group of wide) await write(group, true, finest ? day : month);
  return made;
}
