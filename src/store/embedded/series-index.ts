// SPDX-License-Identifier: Apache-2.0
// All series in memory, and which of them a selection means.
import type Database from 'better-sqlite3';
import { labelOf } from '../../profile/labels.js';
import type { Labels, Matcher } from '../../profile/types.js';
import { partitionOf, type Selection } from '../store.js';
import { storedLevel } from './schema.js';

interface Entry {
  id: number;
  tenant: string;
  type: string;
  labels: Labels;
  partition: number;
}

type Test = (values: string[]) => Uint8Array;

/** Regular expressions are the engine's (RE2); it is loaded when the first one is asked for. */
async function compile({ op, value }: Matcher): Promise<Test> {
  if (op === '=' || op === '!=') {
    const same = op === '=' ? 1 : 0;
    return values => Uint8Array.from(values, one => (one === value ? same : 1 - same));
  }
  const { Matcher: Native } = await import('#native/profile');
  const matcher = new Native(op, value);
  return values => matcher.test(values);
}

function parseLabels(text: string): Labels | null {
  try {
    const labels = JSON.parse(text) as unknown;
    return typeof labels === 'object' ? (labels as Labels | null) : null;
  } catch {
    return null;
  }
}

export class SeriesIndex {
  readonly #entries = new Map<number, Entry>();
  /** Series whose labels are damaged. */
  unreadable: number[] = [];
  #last = 0;
  readonly #sql;

  constructor(db: Database.Database) {
    this.#sql = {
      added: db.prepare<[number], { id: number; tenant: string; type: string; labels: string }>(
        'SELECT id, tenant, type, labels FROM series WHERE id > ? ORDER BY id',
      ),
      hasProfile: db
        .prepare<[number, number, number, number], number>(
          'SELECT 1 FROM profiles WHERE series = ? AND level = ? AND start >= ? AND start < ? LIMIT 1',
        )
        .pluck(),
      facetValues: db
        .prepare<[number, string, number, number], string>(
          'SELECT value FROM facets WHERE series = ? AND name = ? AND last > ? AND first < ?',
        )
        .pluck(),
    };
  }

  get(id: number): Entry | undefined {
    if (!this.#entries.has(id)) this.refresh();
    return this.#entries.get(id);
  }

  /** Ids only grow, so what is new is what lies beyond the last one seen. */
  refresh(): void {
    for (const { id, tenant, type, labels: text } of this.#sql.added.iterate(this.#last)) {
      const labels = parseLabels(text);
      this.#last = id;
      if (labels === null) {
        this.unreadable.push(id);
        continue;
      }
      const partition = partitionOf(tenant, labelOf(labels, 'service_name'));
      this.#entries.set(id, { id, tenant, type, labels, partition });
    }
  }

  /** After series were deleted. */
  forget(): void {
    this.#entries.clear();
    this.unreadable = [];
    this.#last = 0;
  }

  /** Series that have a profile in the selection (and, by their facets, may have a row in it). */
  async match(selection: Selection): Promise<Entry[]> {
    this.refresh();
    const { tenant, type, matchers, sampleMatchers = [], partitions, from, until } = selection;
    const level = storedLevel(selection.level, selection.wide);
    let entries = [...this.#entries.values()];
    if (tenant !== null) entries = entries.filter(entry => entry.tenant === tenant);
    if (partitions !== undefined) entries = entries.filter(entry => partitions.includes(entry.partition));
    if (type !== undefined) entries = entries.filter(entry => entry.type === type);
    for (const matcher of matchers) {
      const hits = (await compile(matcher))(entries.map(entry => labelOf(entry.labels, matcher.name)));
      entries = entries.filter((_, index) => hits[index] === 1);
    }
    entries = entries.filter(
      entry => this.#sql.hasProfile.get(entry.id, level, Math.ceil(from), Math.ceil(until)) !== undefined,
    );
    // The facets of a wide rollup are those of the series that it is made of.
    for (const matcher of selection.wide ? [] : sampleMatchers) {
      const test = await compile(matcher);
      // A row without the label matches as '': then no list of values can exclude a profile.
      if (test([''])[0] === 1) continue;
      entries = entries.filter(entry => {
        const values = this.#sql.facetValues.all(entry.id, matcher.name, from, until);
        return values.includes('') || (values.length > 0 && test(values).includes(1));
      });
    }
    return entries;
  }
}
