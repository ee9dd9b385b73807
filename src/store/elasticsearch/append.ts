// SPDX-License-Identifier: Apache-2.0
// Appends of many requests share bulk requests: whatever waits when one goes is in it.
import { StackwellError } from '../../errors.js';
import { BoundedMap } from '../../profile/bounded-map.js';
import { LEVELS, type ProfileRecord, partitionOf, SETTLE_MS, type Segment } from '../store.js';
import { bulk, type Item, type ItemResult } from './bulk.js';
import type { Cluster } from './client.js';
import { profileDocument, segmentDocument } from './documents.js';
import type { Indices } from './indices.js';
import { missingSegments, staleItem } from './stale.js';

/** Bulk requests that are under way at the same time: the cluster has a queue of its own, and one that is full says 429. */
const AT_ONCE = 4;
const GROUP_BATCHES = 256;
const GROUP_BYTES = 8 * 1024 * 1024;
/** Who waits for an answer gives up at about this time; it is told before, and comes again. */
const PATIENCE_MS = 10_000;

/** Another server may delete a service: a segment that was there is looked up again after this. */
const SURE_MS = 60_000;

export interface Batch {
  segments: Segment[];
  profiles: ProfileRecord[];
}

interface Waiting {
  batch: Batch;
  bytes: number;
  resolve: (result: { stored: number; duplicates: number }) => void;
  reject: (error: unknown) => void;
}

export class Appender {
  #queue: Waiting[] = [];
  #running = 0;
  #idle: (() => void)[] = [];
  /** Segments that are in the store, and when that was last known for sure. */
  readonly #segments = new BoundedMap<string, number>(200_000);
  /** Buckets that are marked as stale, until rollups of them may begin. */
  readonly #stale = new BoundedMap<string, true>(50_000);

  constructor(
    private readonly cluster: Cluster,
    private readonly indices: Indices,
  ) {}

  append(batch: Batch): Promise<{ stored: number; duplicates: number }> {
    let bytes = 0;
    for (const segment of batch.segments) bytes += segment.bytes.length;
    for (const profile of batch.profiles) bytes += profile.rows.length;
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, bytes, resolve, reject });
      this.#next();
    });
  }

  /** After something was deleted. */
  forget(): void {
    this.#segments.clear();
  }

  /** When everything that was appended has its answer. */
  async drain(): Promise<void> {
    while (this.#running > 0 || this.#queue.length > 0)
      await new Promise<void>(resolve => this.#idle.push(resolve));
  }

  #isThere(id: string): boolean {
    const known = this.#segments.get(id);
    return known !== undefined && performance.now() - known < SURE_MS;
  }

  #next(): void {
    if (this.#running >= AT_ONCE || this.#queue.length === 0) return;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < GROUP_BATCHES && bytes < GROUP_BYTES)
      bytes += this.#queue[count++]!.bytes;
    const group = this.#queue.splice(0, count);
    this.#running++;
    void this.#write(group).finally(() => {
      this.#running--;
      this.#next();
      for (const idle of this.#idle.splice(0)) idle();
    });
    this.#next();
  }

  async #write(group: Waiting[]): Promise<void> {
    try {
      const open = await this.#known(group);
      const failed = await this.#prepare(open);
      await this.#profiles(open.filter(one => !failed.has(one)));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** Refuses what names a segment that is nowhere; the others of the group are not concerned. */
  async #known(group: Waiting[]): Promise<Waiting[]> {
    const unsure = new Set<string>();
    for (const { batch } of group) {
      const brought = new Set(batch.segments.map(({ id }) => id));
      for (const { segments } of batch.profiles)
        for (const id of segments) if (!brought.has(id) && !this.#isThere(id)) unsure.add(id);
    }
    if (unsure.size === 0) return group;
    const missing = await missingSegments(this.cluster, this.indices, [...unsure]);
    for (const id of unsure) if (!missing.has(id)) this.#segments.set(id, performance.now());
    return group.filter(({ batch, reject }) => {
      const brought = new Set(batch.segments.map(({ id }) => id));
      const id = batch.profiles
        .flatMap(({ segments }) => segments)
        .find(one => missing.has(one) && !brought.has(one));
      if (id !== undefined) reject(new StackwellError('SW_SEGMENT_UNKNOWN', { id }));
      return id === undefined;
    });
  }

  /** Segments and marks, which must be on disk before the profiles. Resolves to those that failed, which have been told. */
  async #prepare(group: Waiting[]): Promise<Set<Waiting>> {
    const items: Item[] = [];
    const owners: Waiting[][] = [];
    const rows = new Map<string, number>();
    const add = (key: string, owner: Waiting, make: () => Item) => {
      const row = rows.get(key);
      if (row !== undefined) owners[row]!.push(owner);
      else {
        rows.set(key, items.push(make()) - 1);
        owners.push([owner]);
      }
    };
    const marked: string[] = [];
    for (const one of group) {
      for (const segment of one.batch.segments) {
        if (this.#isThere(segment.id)) continue;
        add(segment.id, one, () => ({
          index: this.indices.segments(segment.day),
          id: segment.id,
          op: 'create',
          document: segmentDocument(segment),
        }));
      }
      for (const { key, item } of this.#marks(one.batch.profiles, this.#stale)) {
        add(key, one, () => item);
        marked.push(key);
      }
    }
    if (items.length === 0) return new Set();
    const results = await bulk(this.cluster, items, PATIENCE_MS);
    const failed = reject(results, owners);
    for (const [key, row] of rows) {
      if (typeof results[row] === 'object') continue;
      if (key.startsWith('stale ')) this.#stale.set(key, true);
      else this.#segments.set(key, performance.now());
    }
    return failed;
  }

  async #profiles(group: Waiting[]): Promise<void> {
    const items: Item[] = [];
    const owners: Waiting[][] = [];
    for (const one of group)
      for (const profile of one.batch.profiles) {
        items.push({
          index: this.indices.profiles({ level: 0, wide: false }, profile.start),
          id: profile.id,
          op: 'create',
          document: profileDocument(profile),
        });
        owners.push([one]);
      }
    const results = items.length === 0 ? [] : await bulk(this.cluster, items, PATIENCE_MS);
    const failed = reject(results, owners);
    // It may have taken long: then rollups may have been begun that lack these.
    const late = [
      ...this.#marks(
        group.flatMap(({ batch }) => batch.profiles),
        null,
      ),
    ];
    if (late.length > 0) {
      const again = await bulk(
        this.cluster,
        late.map(({ item }) => item),
        PATIENCE_MS,
      );
      const error = again.find(result => typeof result === 'object');
      if (error !== undefined) {
        for (const one of group) if (!failed.has(one)) one.reject(error);
        return;
      }
    }
    const stored = new Map<Waiting, number>();
    results.forEach((result, row) => {
      const one = owners[row]![0]!;
      if (result === 'done') stored.set(one, (stored.get(one) ?? 0) + 1);
    });
    for (const one of group) {
      if (failed.has(one)) continue;
      const count = stored.get(one) ?? 0;
      one.resolve({ stored: count, duplicates: one.batch.profiles.length - count });
    }
  }

  /**
   * Marks that `profiles` need: with `known` before they are written, those that are not known to be there; without,
   * after it, of buckets that may have been rolled up since.
   */
  *#marks(
    profiles: ProfileRecord[],
    known: BoundedMap<string, true> | null,
  ): Generator<{ key: string; item: Item }> {
    const seen = new Set<string>();
    // Later than this, nobody can count on that a mark of before is still there.
    const settled = Date.now() - SETTLE_MS / 2;
    for (const { tenant, labels, start } of profiles) {
      const partition = partitionOf(tenant, labels.service_name ?? '');
      for (const level of LEVELS) {
        const bucket = { level, start: start - (start % (level * 1000)), partition };
        const isLate = bucket.start + level * 1000 <= settled;
        const item = staleItem(this.indices, bucket);
        const key = `stale ${item.id}`;
        if (seen.has(key) || (known === null ? !isLate : !isLate && known.get(key) !== undefined)) continue;
        seen.add(key);
        yield { key, item };
      }
    }
  }
}

/** Tells who owns an item that failed; resolves to those. */
function reject(results: ItemResult[], owners: Waiting[][]): Set<Waiting> {
  const failed = new Set<Waiting>();
  results.forEach((result, row) => {
    if (typeof result === 'string') return;
    for (const owner of owners[row]!) {
      if (!failed.has(owner)) owner.reject(result);
      failed.add(owner);
    }
  });
  return failed;
}
