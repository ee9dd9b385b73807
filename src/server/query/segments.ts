// SPDX-License-Identifier: Apache-2.0
// Symbol segments on their way from the store into mergers, with the last ones kept: they never change.
import type { Merger } from '#native/profile';
import { BoundedMap } from '../../profile/bounded-map.js';
import type { ProfileRecord, Store } from '../../store/store.js';

const CACHE_BYTES = 64 * 1024 * 1024;
/** Segments asked for in one call: enough to be quick, few enough to be small. */
const BATCH = 64;

export class Segments {
  readonly #cache = new BoundedMap<string, Uint8Array>(CACHE_BYTES, bytes => bytes.length);

  constructor(private readonly store: Store) {}

  /** Adds what `records` need and `merger` lacks. Resolves to the ids that are missing or damaged. */
  async supply(merger: Merger, records: ProfileRecord[], known: Set<string>): Promise<string[]> {
    const wanted = new Set<string>();
    for (const { segments } of records)
      for (const id of segments)
        if (!known.has(id)) {
          known.add(id);
          wanted.add(id);
        }
    const bad: string[] = [];
    const ids = [...wanted];
    for (let at = 0; at < ids.length; at += BATCH) {
      const some = ids.slice(at, at + BATCH);
      const read = await this.#read(some);
      const { damaged } = await merger.addSegments([...read].map(([id, bytes]) => ({ id, bytes })));
      bad.push(...some.filter(id => !read.has(id)), ...damaged);
    }
    return bad;
  }

  async #read(ids: string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    const missing: string[] = [];
    for (const id of ids) {
      const cached = this.#cache.get(id);
      if (cached === undefined) missing.push(id);
      else found.set(id, cached);
    }
    if (missing.length > 0)
      for (const [id, bytes] of await this.store.readSegments(missing)) {
        this.#cache.set(id, bytes);
        found.set(id, bytes);
      }
    return found;
  }
}
