// SPDX-License-Identifier: Apache-2.0
// What there is in a range. Wide ranges are looked up in rollups: they have the labels of what they are made of.
import { isOfRequest, type Labels } from '../../profile/types.js';
import type { LabelNames, LabelValues, Selection, Store } from '../../store/store.js';
import { type Ages, choosePieces } from './pieces.js';

/** Up to this, profiles as they came are few enough. */
const SHORT_MS = 6 * 3_600_000;

export class Discovery {
  constructor(
    private readonly store: Store,
    private readonly ages: Ages,
  ) {}

  async types(selection: Selection): Promise<string[]> {
    const found = await this.#each(selection, piece => this.store.types(piece));
    return [...new Set(found.flat())].sort();
  }

  async labelNames(selection: Selection): Promise<LabelNames> {
    const found = await this.#each(selection, piece => this.store.labelNames(piece));
    const union = (of: (names: LabelNames) => string[]) => [...new Set(found.flatMap(of))].sort();
    return { profile: union(names => names.profile), sample: union(names => names.sample) };
  }

  async labelValues(name: string, selection: Selection, limit: number): Promise<LabelValues> {
    // Of requests rollups know nothing.
    const ask = (piece: Selection) => this.store.labelValues(name, piece, limit);
    const found = isOfRequest(name) ? [await ask(selection)] : await this.#each(selection, ask);
    const values = [...new Set(found.flatMap(one => one.values))].sort();
    // What one part left out may be what another one has: at least so many are missing.
    const omitted = Math.max(0, ...found.map(one => one.omitted)) + Math.max(0, values.length - limit);
    return { values: values.slice(0, limit), omitted, complete: found.every(one => one.complete) };
  }

  /** Distinct values that profiles of one type have for these labels. */
  async series(selection: Selection, names: string[]): Promise<Labels[]> {
    const found = await this.#each(selection, piece =>
      this.store.timeline(piece, piece.until - piece.from, names),
    );
    const distinct = new Map(
      found.flat().map(({ labels }) => [JSON.stringify(Object.values(labels)), labels]),
    );
    return [...distinct.keys()].sort().map(key => distinct.get(key)!);
  }

  async #each<T>(selection: Selection, ask: (selection: Selection) => Promise<T>): Promise<T[]> {
    if (selection.until - selection.from <= SHORT_MS) return [await ask(selection)];
    const { pieces } = await choosePieces(this.store, selection, { narrow: true, ages: this.ages });
    return Promise.all(pieces.map(piece => ask({ ...selection, ...piece })));
  }
}
