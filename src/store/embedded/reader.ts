// SPDX-License-Identifier: Apache-2.0
// Worker thread: a read-only connection. In WAL mode it never waits for the writer, nor the writer for it.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { labelOf } from '../../profile/labels.js';
import { SeriesBuckets } from '../series-buckets.js';
import type { Bucket, LabelNames, LabelValues, Selection, Series, StoreStats } from '../store.js';
import { serve, Transfer, workerOptions } from './channel.js';
import { bytesOnDisk } from './expire.js';
import { storeError } from './failure.js';
import { FILE_NAME, storedLevel } from './schema.js';
import { Cursor, RecordReader } from './select.js';
import { SeriesIndex } from './series-index.js';
import { listStale } from './stale.js';

/** Most values of one label that are looked at; far above what a writer lists of a facet for one profile. */
const MAX_VALUES = 100_000;

const { folder } = workerOptions<{ folder: string }>();
const file = join(folder, FILE_NAME);

class Reader {
  readonly #db = new Database(file, { readonly: true });
  readonly #index: SeriesIndex;
  readonly #records: RecordReader;
  readonly #cursors = new Map<number, Cursor>();
  #nextCursor = 0;

  constructor() {
    this.#db.pragma('cache_size = -16384');
    this.#index = new SeriesIndex(this.#db);
    this.#records = new RecordReader(this.#db, this.#index);
  }

  async open(selection: Selection): Promise<number> {
    const series = await this.#index.match(selection);
    const cursor = Cursor.open(
      this.#db,
      selection,
      series.map(one => one.id),
      this.#index.unreadable,
    );
    this.#cursors.set(this.#nextCursor, cursor);
    return this.#nextCursor++;
  }

  next(cursor: number): unknown {
    const batch = this.#cursors.get(cursor)?.next(this.#records) ?? null;
    if (batch === null) {
      this.#cursors.delete(cursor);
      return null;
    }
    return new Transfer(batch, [batch.rows.buffer as ArrayBuffer]);
  }

  done(cursor: number): null {
    this.#cursors.delete(cursor);
    return null;
  }

  segments(ids: string[]): unknown {
    const find = this.#db
      .prepare<[string], Buffer>(
        'SELECT bytes FROM segment_bytes JOIN segments USING (id) WHERE segments.hash = ?',
      )
      .pluck();
    const found = new Map<string, Uint8Array>();
    const buffers: ArrayBuffer[] = [];
    for (const id of ids) {
      const bytes = find.get(id);
      if (bytes === undefined) continue;
      // Small Buffers share a pool that must not be handed over.
      const own =
        bytes.byteLength === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : Uint8Array.from(bytes);
      found.set(id, own);
      buffers.push(own.buffer as ArrayBuffer);
    }
    return new Transfer(found, buffers);
  }

  async timeline({
    selection,
    stepMs,
    groupBy,
    origin,
  }: {
    selection: Selection;
    stepMs: number;
    groupBy: string[];
    origin: number;
  }): Promise<Series[]> {
    // SUM over 64-bit integers fails when it overflows; two halves do not, and >> keeps the sign.
    const sums = this.#db
      .prepare<[bigint, bigint, number, number, number, number], [bigint, bigint, bigint, bigint]>(
        `SELECT (start - ?) / ? AS bucket, sum(total >> 32), sum(total & 4294967295), count(*) FROM profiles
         WHERE series = ? AND level = ? AND start >= ? AND start < ? GROUP BY bucket`,
      )
      .safeIntegers()
      .raw();
    // Numbers are bound as reals, and dividing by one would not cut to whole buckets.
    const step = BigInt(stepMs);
    // Division cuts towards zero: the origin that counts lies before every profile.
    const first = origin % stepMs;
    const groups = new Map<string, SeriesBuckets>();
    for (const { id, labels } of await this.#index.match(selection)) {
      const own = Object.fromEntries(groupBy.map(name => [name, labelOf(labels, name)]));
      const key = JSON.stringify(Object.values(own));
      const group = groups.get(key) ?? new SeriesBuckets(own);
      groups.set(key, group);
      const { from, until } = selection;
      for (const [bucket, high, low, count] of sums.iterate(
        BigInt(first),
        step,
        id,
        storedLevel(selection.level, selection.wide),
        Math.ceil(from),
        Math.ceil(until),
      )) {
        group.add(first + Number(bucket) * stepMs, (high << 32n) + low, Number(count));
        group.profiles += Number(count);
      }
    }
    return [...groups.values()].map(group => group.series());
  }

  async types(selection: Selection): Promise<string[]> {
    return [...new Set((await this.#index.match(selection)).map(series => series.type))].sort();
  }

  async labelNames(selection: Selection): Promise<LabelNames> {
    const find = this.#db
      .prepare<[number, number, number], string>(
        'SELECT DISTINCT name FROM facets WHERE series = ? AND last > ? AND first < ?',
      )
      .pluck();
    const profile = new Set<string>();
    const sample = new Set<string>();
    for (const { id, labels } of await this.#index.match(selection)) {
      for (const name of Object.keys(labels)) profile.add(name);
      for (const name of find.iterate(id, selection.from, selection.until)) sample.add(name);
    }
    return { profile: [...profile].sort(), sample: [...sample].sort() };
  }

  async labelValues({
    name,
    selection,
    limit,
  }: {
    name: string;
    selection: Selection;
    limit: number;
  }): Promise<LabelValues> {
    const find = this.#db
      .prepare<[number, string, number, number, number], string>(
        'SELECT value FROM facets WHERE series = ? AND name = ? AND last > ? AND first < ? LIMIT ?',
      )
      .pluck();
    const values = new Set<string>();
    let complete = true;
    for (const { id, labels } of await this.#index.match(selection)) {
      if (Object.hasOwn(labels, name)) values.add(labels[name]!);
      for (const value of find.iterate(id, name, selection.from, selection.until, MAX_VALUES)) {
        if (value === '') complete = false;
        else values.add(value);
      }
      if (values.size > MAX_VALUES) {
        complete = false;
        break;
      }
    }
    const sorted = [...values].sort();
    return { values: sorted.slice(0, limit), omitted: Math.max(0, sorted.length - limit), complete };
  }

  stale(range: { from: number; until: number; limit: number }): Bucket[] {
    return listStale(this.#db, range);
  }

  stats(): StoreStats {
    const one = (sql: string) => this.#db.prepare(sql).pluck().get() as number | null;
    return {
      profiles: one('SELECT count(*) FROM profiles') ?? 0,
      segments: one('SELECT count(*) FROM segments') ?? 0,
      series: one('SELECT count(*) FROM series') ?? 0,
      bytes: bytesOnDisk(file),
      oldest: one('SELECT min(start) FROM profiles'),
    };
  }

  forget(): null {
    this.#index.forget();
    return null;
  }

  close(): null {
    this.#db.close();
    return null;
  }
}

let reader: Reader | null = null;

serve(
  (method, argument) => {
    reader ??= new Reader();
    return (reader[method as keyof Reader] as (argument: unknown) => unknown).call(reader, argument);
  },
  error => storeError(error, folder),
);
