// SPDX-License-Identifier: Apache-2.0
// Profiles of a selection, in batches of columns that cost one message and one buffer each.
import type Database from 'better-sqlite3';
import { BoundedMap } from '../../profile/bounded-map.js';
import { noCoverage } from '../../profile/coverage.js';
import type { Labels } from '../../profile/types.js';
import type { ProfileRecord, ProfileStats, Selection } from '../store.js';
import { storedLevel } from './schema.js';
import type { SeriesIndex } from './series-index.js';

/** The first batch is small and each is twice the one before: what is read is worked on while the next is read. */
const FIRST_PROFILES = 64;
const BATCH_PROFILES = 1024;
const BATCH_BYTES = 4 * 1024 * 1024;

/** What crosses the thread border; `rows` is one buffer, handed over and not copied. */
export interface RecordBatch {
  uid: string[];
  /** Positions in `seriesTenants`, `seriesTypes`, `seriesLabels`. */
  series: Uint32Array;
  /** Profiles that are there and cannot be read. */
  damaged: number;
  seriesTenants: string[];
  seriesTypes: string[];
  seriesLabels: Labels[];
  start: Float64Array;
  duration: Float64Array;
  period: BigInt64Array;
  total: BigInt64Array;
  /** Positions in `statsTexts`. */
  stats: Uint32Array;
  statsTexts: string[];
  /** n + 1 offsets into `segment`, which has positions in `segmentHashes`. */
  segmentOffset: Uint32Array;
  segment: Uint32Array;
  segmentHashes: string[];
  /** n + 1 offsets into `rows`. */
  rowOffset: Uint32Array;
  rows: Uint8Array;
  level: number;
}

interface Row {
  uid: string;
  series: bigint;
  start: bigint;
  duration: bigint;
  period: bigint;
  total: bigint;
  stats: string;
  segments: Buffer;
  rows: Buffer;
}

/** Distinct values of a column, and where each stands. */
class Distinct<T> {
  readonly values: T[] = [];
  readonly #positions = new Map<T, number>();

  position(value: T): number {
    let position = this.#positions.get(value);
    if (position === undefined) {
      position = this.values.push(value) - 1;
      this.#positions.set(value, position);
    }
    return position;
  }
}

/** The profiles that a selection had when it was opened, oldest first. Holds no transaction open between batches. */
export class Cursor {
  #next = 0;
  #size = FIRST_PROFILES;

  private constructor(
    private readonly ids: Float64Array,
    private readonly level: number,
    /** Profiles of series that cannot be read: nobody knows whether they are selected. */
    private damaged: number,
  ) {}

  static open(db: Database.Database, selection: Selection, series: number[], unreadable: number[]): Cursor {
    const level = storedLevel(selection.level, selection.wide);
    const find = db
      .prepare<[number, number, number, number], [number, number]>(
        'SELECT id, start FROM profiles WHERE series = ? AND level = ? AND start >= ? AND start < ?',
      )
      .raw();
    const ids: number[] = [];
    const starts: number[] = [];
    for (const one of series)
      for (const [id, start] of find.iterate(
        one,
        level,
        Math.ceil(selection.from),
        Math.ceil(selection.until),
      )) {
        ids.push(id);
        starts.push(start);
      }
    const order = Uint32Array.from(ids.keys());
    order.sort((a, b) => starts[a]! - starts[b]! || ids[a]! - ids[b]!);
    let damaged = 0;
    for (const one of unreadable)
      damaged += find.all(one, level, Math.ceil(selection.from), Math.ceil(selection.until)).length;
    return new Cursor(
      Float64Array.from(order, position => ids[position]!),
      level,
      damaged,
    );
  }

  /** Null at the end. Profiles that were deleted meanwhile are left out. */
  next(reader: RecordReader): RecordBatch | null {
    while (this.#next < this.ids.length) {
      const ids = this.ids.subarray(this.#next, this.#next + this.#size);
      const { batch, taken } = reader.read(ids, this.level);
      this.#next += taken;
      this.#size = Math.min(this.#size * 2, BATCH_PROFILES);
      batch.damaged += this.damaged;
      this.damaged = 0;
      if (batch.uid.length > 0 || batch.damaged > 0) return batch;
    }
    if (this.damaged > 0) {
      const { batch } = reader.read(new Float64Array(0), this.level);
      batch.damaged = this.damaged;
      this.damaged = 0;
      return batch;
    }
    return null;
  }
}

export class RecordReader {
  readonly #find;
  readonly #findSegment;
  /** Segment row id → hash. Ids are never used again, so an entry stays true. */
  readonly #hashes = new BoundedMap<number, string>(20_000);

  constructor(
    db: Database.Database,
    private readonly index: SeriesIndex,
  ) {
    this.#find = db
      .prepare<[number], Row>(
        'SELECT uid, series, start, duration, period, total, stats, segments, rows FROM profiles WHERE id = ?',
      )
      .safeIntegers();
    this.#findSegment = db.prepare<[number], string>('SELECT hash FROM segments WHERE id = ?').pluck();
  }

  read(ids: Float64Array, level: number): { batch: RecordBatch; taken: number } {
    const found: Row[] = [];
    let damaged = 0;
    let bytes = 0;
    let taken = 0;
    while (taken < ids.length && bytes < BATCH_BYTES) {
      const row = this.#row(ids[taken++]!);
      if (row === undefined) continue;
      if (row === null || !isWhole(row) || this.index.get(Number(row.series)) === undefined) {
        damaged++;
        continue;
      }
      found.push(row);
      bytes += row.rows.length;
    }
    return { batch: { ...this.#columns(found, bytes, level), damaged }, taken };
  }

  /** Undefined when it is gone, null when the file is damaged there. */
  #row(id: number): Row | undefined | null {
    try {
      return this.#find.get(id);
    } catch (error) {
      if ((error as { code?: string }).code?.startsWith('SQLITE_CORRUPT')) return null;
      throw error;
    }
  }

  #columns(found: Row[], bytes: number, level: number): Omit<RecordBatch, 'damaged'> {
    const count = found.length;
    const series = new Distinct<number>();
    const stats = new Distinct<string>();
    const hashes = new Distinct<string>();
    const segment: number[] = [];
    const batch: Omit<RecordBatch, 'damaged'> = {
      uid: new Array<string>(count),
      series: new Uint32Array(count),
      seriesTenants: [],
      seriesTypes: [],
      seriesLabels: [],
      start: new Float64Array(count),
      duration: new Float64Array(count),
      period: new BigInt64Array(count),
      total: new BigInt64Array(count),
      stats: new Uint32Array(count),
      statsTexts: stats.values,
      segmentOffset: new Uint32Array(count + 1),
      segment: new Uint32Array(0),
      segmentHashes: hashes.values,
      rowOffset: new Uint32Array(count + 1),
      rows: new Uint8Array(bytes),
      level,
    };
    let offset = 0;
    for (const [index, row] of found.entries()) {
      batch.uid[index] = row.uid;
      batch.series[index] = series.position(Number(row.series));
      batch.start[index] = Number(row.start);
      batch.duration[index] = Number(row.duration);
      batch.period[index] = row.period;
      batch.total[index] = row.total;
      batch.stats[index] = stats.position(row.stats);
      for (let at = 0; at + 4 <= row.segments.length; at += 4)
        segment.push(hashes.position(this.#hash(row.segments.readUInt32LE(at))));
      batch.segmentOffset[index + 1] = segment.length;
      batch.rows.set(row.rows, offset);
      offset += row.rows.length;
      batch.rowOffset[index + 1] = offset;
    }
    batch.segment = Uint32Array.from(segment);
    for (const id of series.values) {
      const one = this.index.get(id);
      batch.seriesTenants.push(one?.tenant ?? '');
      batch.seriesTypes.push(one?.type ?? '');
      batch.seriesLabels.push(one?.labels ?? {});
    }
    return batch;
  }

  #hash(id: number): string {
    let hash = this.#hashes.get(id);
    if (hash === undefined) {
      hash = this.#findSegment.get(id) ?? '';
      this.#hashes.set(id, hash);
    }
    return hash;
  }
}

/** Whether its columns have what a writer puts there; rows are checked when they are merged. */
function isWhole({ stats, segments, rows, start, duration }: Row): boolean {
  try {
    return (
      (stats === '{}' || typeof JSON.parse(stats) === 'object') &&
      Buffer.isBuffer(segments) &&
      segments.length % 4 === 0 &&
      Buffer.isBuffer(rows) &&
      typeof start === 'bigint' &&
      typeof duration === 'bigint'
    );
  } catch {
    return false;
  }
}

/** On the caller's side: records whose `rows` are views into the batch's one buffer. */
export function toRecords(batch: RecordBatch): ProfileRecord[] {
  const stats = batch.statsTexts.map(unpackStats);
  return batch.uid.map((id, index) => ({
    id,
    tenant: batch.seriesTenants[batch.series[index]!]!,
    type: batch.seriesTypes[batch.series[index]!]!,
    labels: batch.seriesLabels[batch.series[index]!]!,
    // Facets are for the store's own use; who reads rows has the values themselves.
    facets: {},
    facetsOmitted: [],
    start: batch.start[index]!,
    duration: batch.duration[index]!,
    period: batch.period[index]!,
    total: batch.total[index]!,
    level: Math.abs(batch.level),
    wide: batch.level < 0,
    segments: Array.from(
      batch.segment.subarray(batch.segmentOffset[index], batch.segmentOffset[index + 1]),
      position => batch.segmentHashes[position]!,
    ),
    rows: batch.rows.subarray(batch.rowOffset[index], batch.rowOffset[index + 1]),
    stats: stats[batch.stats[index]!]!,
  }));
}

/** What was zero, and what an older version did not know of, is not in the text. */
function unpackStats(text: string): ProfileStats {
  return { ...noCoverage(), clock: '', ...(JSON.parse(text) as Partial<ProfileStats>) };
}
