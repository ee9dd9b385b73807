// SPDX-License-Identifier: Apache-2.0
// Profiles of a selection, in pages of a point in time: oldest first, none twice, whatever is written meanwhile.
import type { estypes } from '@elastic/elasticsearch';
import type { ProfileRecord, Selection } from '../store.js';
import { type Cluster, statusOf } from './client.js';
import { parseProfile } from './documents.js';
import { type Filters, kindOf, LENIENT } from './filter.js';
import type { Indices } from './indices.js';

/** The first page; later ones have as many as PAGE_BYTES take, going by what came. */
const FIRST_PAGE = 256;
const LARGEST_PAGE = 2048;
/** Of JSON: more would hold the event loop for too long while it is parsed. */
const PAGE_BYTES = 1024 * 1024;
const KEEP_ALIVE = '2m';

type Hit = estypes.SearchHit<unknown>;

export class Selector {
  constructor(
    private readonly cluster: Cluster,
    private readonly indices: Indices,
    private readonly filters: Filters,
  ) {}

  async *profiles(selection: Selection, onDamaged: () => void): AsyncGenerator<ProfileRecord[]> {
    if (selection.from >= selection.until) return;
    const { level, wide } = kindOf(selection);
    for await (const hits of this.pages(selection, ['body'], selection.withFacets ? ['facets'] : [])) {
      const records: ProfileRecord[] = [];
      for (const { fields } of hits) {
        const record = parseProfile((fields as { body?: unknown[] } | undefined)?.body?.[0], level, wide);
        if (record === null) {
          onDamaged();
          continue;
        }
        for (const facet of (fields as { facets?: string[] }).facets ?? []) {
          const [name, value] = [facet.slice(0, facet.indexOf('=')), facet.slice(facet.indexOf('=') + 1)];
          if (value === '') record.facetsOmitted.push(name);
          else record.facets[name] = [...(record.facets[name] ?? []), value];
        }
        records.push(record);
      }
      if (records.length > 0) yield records;
    }
  }

  /** Hits of a selection with these stored fields, and these that are searched by. */
  async *pages(selection: Selection, fields: string[], docvalues: string[]): AsyncGenerator<Hit[]> {
    const query = await this.filters.of(selection);
    const index = this.indices.profilesIn(kindOf(selection), selection.from, selection.until);
    yield* pagesOf(this.cluster, index, query, fields, docvalues, ['start']);
  }
}

/** Everything that matches, in pages; ordered by the number that is the first of `sort`. */
export async function* pagesOf(
  cluster: Cluster,
  index: string | string[],
  query: estypes.QueryDslQueryContainer,
  fields: string[],
  docvalues: string[] = [],
  sort: string[] = [],
): AsyncGenerator<Hit[]> {
  const what = {
    track_total_hits: false,
    _source: false,
    ...(fields.length === 0 ? {} : { stored_fields: fields }),
    ...(docvalues.length === 0 ? {} : { docvalue_fields: docvalues }),
  };
  let size = FIRST_PAGE;
  // What fits into one page, as most does, needs no point in time.
  const only = await cluster.run(client =>
    client.search({ index, ...LENIENT, size, query, sort: sort.length === 0 ? ['_doc'] : sort, ...what }),
  );
  const first = only.hits.hits;
  if (first.length < size) {
    if (first.length > 0) yield first;
    return;
  }
  let whole: Hit[] = [];
  let rest = query;
  if (sort.length > 0) {
    // What comes before the last of it is complete, and is not asked for again.
    const last = first.at(-1)!.sort![0] as number;
    whole = first.filter(hit => (hit.sort![0] as number) < last);
    rest = { bool: { filter: [query, { range: { [sort[0]!]: { gte: last } } }] } };
    size = nextSize(first);
  }
  let pit = (
    await cluster.run(client => client.openPointInTime({ index, keep_alive: KEEP_ALIVE, ...LENIENT }))
  ).id;
  let ahead: Promise<Hit[]> | null = null;
  const page = async (after: estypes.SortResults | undefined) => {
    const found = await cluster.run(client =>
      client.search({
        pit: { id: pit, keep_alive: KEEP_ALIVE },
        size,
        query: rest,
        sort: [...sort, '_shard_doc'],
        ...what,
        ...(after === undefined ? {} : { search_after: after }),
      }),
    );
    pit = found.pit_id ?? pit;
    return found.hits.hits;
  };
  try {
    ahead = page(undefined);
    ahead.catch(() => {});
    if (whole.length > 0) yield whole;
    for (;;) {
      const hits: Hit[] = await ahead;
      ahead = null;
      if (hits.length === 0) return;
      const isLast = hits.length < size;
      size = nextSize(hits);
      if (!isLast) {
        // The next page is read while this one is worked on. If nobody takes it, its failure is nobody's either.
        ahead = page(hits.at(-1)!.sort);
        ahead.catch(() => {});
      }
      yield hits;
      if (ahead === null) return;
    }
  } finally {
    await ahead?.catch(() => {});
    await cluster.client.closePointInTime({ id: pit }).catch(() => {});
  }
}

function nextSize(hits: Hit[]): number {
  let bytes = 0;
  for (const { fields } of hits)
    bytes += 300 + String((fields as { body?: string[] } | undefined)?.body?.[0] ?? '').length;
  return Math.max(16, Math.min(LARGEST_PAGE, Math.floor((PAGE_BYTES * hits.length) / bytes)));
}

/** By id; those that are not there are not in the answer. */
export async function readSegments(
  cluster: Cluster,
  indices: Indices,
  ids: string[],
  dayOf: (id: string) => string | null,
): Promise<Map<string, Uint8Array>> {
  const segments = new Map<string, Uint8Array>();
  const docs = ids.flatMap(id => {
    const day = dayOf(id);
    return day === null
      ? []
      : [{ _index: indices.segments(day), _id: id, _source: false, stored_fields: ['body'] }];
  });
  for (let at = 0; at < docs.length; at += 16) {
    const found = await cluster.run(async client => {
      try {
        return await client.mget({ docs: docs.slice(at, at + 16) });
      } catch (error) {
        if (statusOf(error) === 404) return { docs: [] };
        throw error;
      }
    });
    for (const doc of found.docs) {
      if (!('found' in doc) || !doc.found) continue;
      const body = (doc.fields as { body?: string[] } | undefined)?.body?.[0];
      if (typeof body === 'string') segments.set(doc._id, Uint8Array.from(Buffer.from(body, 'base64')));
    }
  }
  return segments;
}
