// SPDX-License-Identifier: Apache-2.0
// Rows of a batch of segments and profiles. Runs inside the writer's transaction.
import { createHash } from 'node:crypto';
import type Database from 'better-sqlite3';
import { StackwellError } from '../../errors.js';
import { BoundedMap } from '../../profile/bounded-map.js';
import type { Labels } from '../../profile/types.js';
import {
  type Bucket,
  LEVELS,
  type ProfileRecord,
  type ProfileStats,
  partitionOf,
  type Segment,
} from '../store.js';
import { ROUNDING_MS, storedLevel } from './schema.js';

const bucketKey = ({ level, start, partition }: Bucket) => `${level} ${start} ${partition}`;

export interface Batch {
  segments: Segment[];
  profiles: ProfileRecord[];
}

const roundDown = (time: number) => Math.floor(time / ROUNDING_MS) * ROUNDING_MS;
const roundUp = (time: number) => (Math.floor(time / ROUNDING_MS) + 1) * ROUNDING_MS;

/** Keys in order, so that equal labels are equal texts. */
export function canonicalLabels(labels: Labels): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Only what is not zero: most profiles that do not come from our agent have nothing to say here. */
function packStats(stats: ProfileStats): string {
  return JSON.stringify(stats, (key, value: unknown) =>
    value === 0 ||
    value === '' ||
    (key !== '' && typeof value === 'object' && Object.keys(value!).length === 0)
      ? undefined
      : value,
  );
}

export class Appender {
  /** What is known to be in the file; cleared when a transaction fails, for it may hold what was rolled back. */
  readonly #series = new BoundedMap<string, number>(50_000);
  readonly #segments = new BoundedMap<string, { id: number; last: number }>(50_000);
  /** Key of a facet → until when its row already reaches. */
  readonly #facets = new BoundedMap<string, { first: number; last: number }>(100_000);
  /** Buckets that are stale, and whose rollups nobody is making. */
  readonly #stale = new BoundedMap<string, true>(10_000);
  readonly #sql;

  constructor(db: Database.Database) {
    this.#sql = {
      findSegment: db.prepare<[string], { id: number; last: number }>(
        'SELECT id, last FROM segments WHERE hash = ?',
      ),
      addSegment: db.prepare<[string, string, string, string, number]>(
        'INSERT INTO segments (hash, tenant, service, day, last) VALUES (?, ?, ?, ?, ?)',
      ),
      addBytes: db.prepare<[number | bigint, Uint8Array]>(
        'INSERT INTO segment_bytes (id, bytes) VALUES (?, ?)',
      ),
      touchSegment: db.prepare<[number, number]>('UPDATE segments SET last = ? WHERE id = ?'),
      findSeries: db.prepare<[Buffer], { id: number }>('SELECT id FROM series WHERE hash = ?'),
      addSeries: db.prepare<[Buffer, string, string, string]>(
        'INSERT INTO series (hash, tenant, type, labels) VALUES (?, ?, ?, ?)',
      ),
      addProfile: db.prepare(
        `INSERT INTO profiles (uid, series, level, start, duration, period, total, stats, segments, rows)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid) DO NOTHING`,
      ),
      removeProfile: db.prepare<[string]>('DELETE FROM profiles WHERE uid = ?'),
      addStale: db.prepare<[number, number, number]>(
        `INSERT INTO stale (level, start, partition) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET version = version + 1`,
      ),
      addFacet: db.prepare(
        `INSERT INTO facets (series, name, value, first, last) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`,
      ),
    };
  }

  /** Forgets what it believes to be in the file. */
  reset(): void {
    this.#series.clear();
    this.#segments.clear();
    this.#facets.clear();
    this.#stale.clear();
  }

  /** From now on each profile in it changes its version. */
  watch(bucket: Bucket): void {
    this.#stale.delete(bucketKey(bucket));
  }

  /** @throws SW_SEGMENT_UNKNOWN before anything is written, when a profile names a segment that is nowhere. */
  append({ segments, profiles }: Batch): { stored: number; duplicates: number } {
    this.#checkSegments({ segments, profiles });
    for (const segment of segments) this.#addSegment(segment);
    let stored = 0;
    for (const profile of profiles) {
      if (!this.#addProfile(profile)) continue;
      stored++;
      this.#markStale(profile);
    }
    return { stored, duplicates: profiles.length - stored };
  }

  #checkSegments({ segments, profiles }: Batch): void {
    const brought = new Set(segments.map(segment => segment.id));
    for (const profile of profiles)
      for (const id of profile.segments)
        if (!brought.has(id) && this.#segment(id) === undefined)
          throw new StackwellError('SW_SEGMENT_UNKNOWN', { id });
  }

  /** Rollups, in place of those with the same id. @throws as `append` */
  replace({ segments, profiles }: Batch): void {
    this.#checkSegments({ segments, profiles });
    for (const segment of segments) this.#addSegment(segment);
    for (const profile of profiles) {
      this.#sql.removeProfile.run(profile.id);
      this.#addProfile(profile);
    }
  }

  #markStale({ tenant, labels, start }: ProfileRecord): void {
    const partition = partitionOf(tenant, labels.service_name ?? '');
    for (const level of LEVELS) {
      const bucket = { level, start: start - (start % (level * 1000)), partition };
      const key = bucketKey(bucket);
      if (this.#stale.get(key)) continue;
      this.#sql.addStale.run(level, bucket.start, partition);
      this.#stale.set(key, true);
    }
  }

  #segment(hash: string): { id: number; last: number } | undefined {
    const cached = this.#segments.get(hash);
    if (cached !== undefined) return cached;
    const found = this.#sql.findSegment.get(hash);
    if (found !== undefined) this.#segments.set(hash, found);
    return found;
  }

  #addSegment({ id: hash, tenant, service, day, bytes }: Segment): void {
    if (this.#segment(hash) !== undefined) return;
    const last = roundUp(Date.now());
    const id = Number(this.#sql.addSegment.run(hash, tenant, service, day, last).lastInsertRowid);
    this.#sql.addBytes.run(id, bytes);
    this.#segments.set(hash, { id, last });
  }

  #seriesId({ tenant, type, labels }: ProfileRecord): number {
    const text = canonicalLabels(labels);
    const key = `${tenant === '' ? '' : `${tenant}\n`}${type}\n${text}`;
    const cached = this.#series.get(key);
    if (cached !== undefined) return cached;
    const hash = createHash('sha256').update(key).digest().subarray(0, 16);
    const id =
      this.#sql.findSeries.get(hash)?.id ??
      Number(this.#sql.addSeries.run(hash, tenant, type, text).lastInsertRowid);
    this.#series.set(key, id);
    return id;
  }

  #addProfile(profile: ProfileRecord): boolean {
    const series = this.#seriesId(profile);
    const start = Math.trunc(profile.start);
    const ids = new Uint32Array(profile.segments.length);
    for (const [index, hash] of profile.segments.entries()) {
      const segment = this.#segment(hash)!;
      ids[index] = segment.id;
      if (segment.last < start) {
        segment.last = roundUp(start);
        this.#sql.touchSegment.run(segment.last, segment.id);
      }
    }
    const { changes } = this.#sql.addProfile.run(
      profile.id,
      series,
      storedLevel(profile.level, profile.wide),
      start,
      Math.trunc(profile.duration),
      profile.period,
      profile.total,
      packStats(profile.stats),
      Buffer.from(ids.buffer),
      profile.rows,
    );
    if (changes === 0) return false;
    for (const [name, values] of Object.entries(profile.facets))
      for (const value of values) if (value !== '') this.#addFacet(series, name, value, start);
    for (const name of profile.facetsOmitted) this.#addFacet(series, name, '', start);
    return true;
  }

  #addFacet(series: number, name: string, value: string, start: number): void {
    const key = `${series}\n${name}\n${value}`;
    const known = this.#facets.get(key);
    if (known !== undefined && known.first <= start && start < known.last) return;
    const first = roundDown(start);
    const last = roundUp(start);
    this.#sql.addFacet.run(series, name, value, first, last);
    // Only what this row surely covers: two windows far apart do not say what lies between.
    this.#facets.set(key, { first, last });
  }
}
