// SPDX-License-Identifier: Apache-2.0
// Names of indices, what is in them, and which of them a range of time is in.
import type { Client, estypes } from '@elastic/elasticsearch';
import { LEVELS } from '../store.js';

const DAY_MS = 86_400_000;
/** More than these are not listed one by one. */
const MOST_NAMES = 40;

export interface Layout {
  /** What all names begin with. */
  prefix: string;
  /** '1', or '0-1': as many as there are nodes for. */
  replicas: string;
  shards: number;
}

/** What profiles are kept apart by: each kind has a retention of its own. */
export interface Kind {
  level: number;
  wide: boolean;
}

export const KINDS: Kind[] = [
  { level: 0, wide: false },
  ...LEVELS.flatMap(level => [
    { level, wide: false },
    { level, wide: true },
  ]),
];

const kindName = ({ level, wide }: Kind) => `${level}${wide ? 'w' : ''}`;

/** Coarse rollups are few: an index a month; the others one a day. */
function isMonthly({ level }: Kind): boolean {
  return level >= 600;
}

/** YYYY.MM.DD or YYYY.MM of the UTC day. */
function period(kind: Kind, time: number): string {
  return new Date(time)
    .toISOString()
    .slice(0, isMonthly(kind) ? 7 : 10)
    .replaceAll('-', '.');
}

/** Unix milliseconds, half open. */
function periodRange(period: string): { start: number; end: number } {
  const [year, month, day] = period.split('.').map(Number) as [number, number, number | undefined];
  return day === undefined
    ? { start: Date.UTC(year, month - 1), end: Date.UTC(year, month) }
    : { start: Date.UTC(year, month - 1, day), end: Date.UTC(year, month - 1, day + 1) };
}

export class Indices {
  readonly leases;
  readonly stale;
  readonly debugFiles;
  readonly debugChunks;

  constructor(readonly layout: Layout) {
    this.leases = `${layout.prefix}-leases`;
    this.stale = `${layout.prefix}-stale`;
    this.debugFiles = `${layout.prefix}-debug-files`;
    this.debugChunks = `${layout.prefix}-debug-chunks`;
  }

  get all(): string {
    return `${this.layout.prefix}-*`;
  }

  get allProfiles(): string {
    return `${this.layout.prefix}-profiles-*`;
  }

  get allSegments(): string {
    return `${this.layout.prefix}-segments-*`;
  }

  profiles(kind: Kind, start: number): string {
    return `${this.layout.prefix}-profiles-${kindName(kind)}-${period(kind, start)}`;
  }

  /** YYYY-MM-DD */
  segments(day: string): string {
    return `${this.layout.prefix}-segments-${day.replaceAll('-', '.')}`;
  }

  /** Some of them may not be there. */
  profilesIn(kind: Kind, from: number, until: number): string[] {
    const names: string[] = [];
    const step = isMonthly(kind) ? 28 * DAY_MS : DAY_MS;
    if ((until - from) / step > MOST_NAMES) return [`${this.layout.prefix}-profiles-${kindName(kind)}-*`];
    for (let time = from; ; time = Math.min(until, time + step)) {
      const name = this.profiles(kind, Math.max(from, time === until ? until - 1 : time));
      if (names.at(-1) !== name) names.push(name);
      if (time >= until) return names;
    }
  }

  /** What an index of profiles or segments is for; null for another. */
  parse(name: string): { kind: Kind | null; start: number; end: number } | null {
    const rest = name.slice(this.layout.prefix.length + 1);
    const profiles = /^profiles-(\d+)(w?)-(\d{4}\.\d\d(?:\.\d\d)?)$/.exec(rest);
    if (profiles !== null)
      return {
        kind: { level: Number(profiles[1]), wide: profiles[2] === 'w' },
        ...periodRange(profiles[3]!),
      };
    const segments = /^segments-(\d{4}\.\d\d\.\d\d)$/.exec(rest);
    return segments && { kind: null, ...periodRange(segments[1]!) };
  }

  /** Templates for what is made by itself, and the indices that there is one of. Again and by several at once: the same. */
  async prepare(client: Client): Promise<void> {
    for (const [name, patterns, mappings, settings] of this.#templates())
      await client.indices.putIndexTemplate({
        name: `${this.layout.prefix}-${name}`,
        index_patterns: patterns,
        priority: 500,
        template: { settings, mappings, aliases: { [`${this.layout.prefix}-${name}`]: {} } },
      });
    for (const [index, mappings] of this.#single())
      try {
        await client.indices.create({ index, mappings, settings: this.#settings(1) });
      } catch (error) {
        if (
          (error as { body?: { error?: { type?: string } } }).body?.error?.type !==
          'resource_already_exists_exception'
        )
          throw error;
      }
  }

  #settings(shards: number): estypes.IndicesIndexSettings {
    const { replicas } = this.layout;
    return {
      number_of_shards: shards,
      ...(replicas.includes('-')
        ? { auto_expand_replicas: replicas }
        : { number_of_replicas: Number(replicas) }),
      codec: 'best_compression',
      // An acknowledged write is on disk of every copy that is in sync.
      'translog.durability': 'request',
      refresh_interval: '1s',
      // Until then merges keep what was written once more, as it was sent (there is no `_source`), for a copy that was away:
      // a third of a day's bytes with the 12 h that it is by default.
      'soft_deletes.retention_lease.period': '1h',
    };
  }

  *#templates(): Generator<[string, string[], estypes.MappingTypeMapping, estypes.IndicesIndexSettings]> {
    const { prefix, shards } = this.layout;
    for (const kind of KINDS) {
      const name = `profiles-${kindName(kind)}`;
      yield [name, [`${prefix}-${name}-*`], PROFILE, this.#settings(kind.wide ? 1 : shards)];
    }
    yield ['segments', [`${prefix}-segments-*`], SEGMENT, this.#settings(1)];
  }

  *#single(): Generator<[string, estypes.MappingTypeMapping]> {
    yield [this.leases, LEASE];
    yield [this.stale, STALE];
    yield [this.debugFiles, DEBUG_FILE];
    yield [this.debugChunks, DEBUG_CHUNK];
  }
}

/** Bytes that nothing is searched by. Kept as they are: `_source` would keep them as base64. */
const BYTES = { type: 'binary', store: true, doc_values: false } as const;
const WITHOUT_SOURCE = { dynamic: 'strict', _source: { enabled: false } } as const;

const PROFILE: estypes.MappingTypeMapping = {
  ...WITHOUT_SOURCE,
  properties: {
    tenant: { type: 'keyword' },
    partition: { type: 'short' },
    type: { type: 'keyword' },
    /** Hash of tenant, type and labels. */
    series: { type: 'keyword', index: false },
    labels: { type: 'flattened' },
    names: { type: 'keyword' },
    /** name=value; `name=` says that not all values are listed. */
    facets: { type: 'keyword' },
    start: { type: 'date', format: 'epoch_millis' },
    /** The total is high × 2^32 + low: sums of each half are exact in the doubles that aggregations work in. */
    high: { type: 'long', index: false },
    low: { type: 'long', index: false },
    body: BYTES,
  },
};

const SEGMENT: estypes.MappingTypeMapping = {
  ...WITHOUT_SOURCE,
  properties: {
    tenant: { type: 'keyword' },
    service: { type: 'keyword' },
    body: BYTES,
  },
};

const LEASE: estypes.MappingTypeMapping = {
  dynamic: 'strict',
  properties: {
    holder: { type: 'keyword' },
    until: { type: 'date', format: 'epoch_millis' },
  },
};

const STALE: estypes.MappingTypeMapping = {
  dynamic: 'strict',
  properties: {
    level: { type: 'integer' },
    start: { type: 'date', format: 'epoch_millis' },
    end: { type: 'date', format: 'epoch_millis' },
    partition: { type: 'short' },
  },
};

const DEBUG_FILE: estypes.MappingTypeMapping = {
  dynamic: 'strict',
  properties: {
    buildId: { type: 'keyword' },
    role: { type: 'keyword' },
    kind: { type: 'keyword' },
    sha256: { type: 'keyword' },
    size: { type: 'long' },
    origin: { type: 'keyword' },
    added: { type: 'date', format: 'epoch_millis' },
    used: { type: 'date', format: 'epoch_millis' },
  },
};

const DEBUG_CHUNK: estypes.MappingTypeMapping = {
  ...WITHOUT_SOURCE,
  properties: { body: BYTES },
};
