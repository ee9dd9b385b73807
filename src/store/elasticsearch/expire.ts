// SPDX-License-Identifier: Apache-2.0
// Retention by whole indices, and deletion on request. Several servers may do the same at the same time.
import type { estypes } from '@elastic/elasticsearch';
import type { Retention, StoreStats } from '../store.js';
import type { Item } from './bulk.js';
import type { Cluster } from './client.js';
import { LENIENT } from './filter.js';
import type { Indices, Kind } from './indices.js';
import { pagesOf } from './select.js';
import { write } from './stale.js';

const DAY_MS = 86_400_000;

interface Index {
  name: string;
  /** Null: segments. */
  kind: Kind | null;
  start: number;
  end: number;
  documents: number;
  /** On disk, copies included. */
  bytes: number;
}

async function listIndices(cluster: Cluster, indices: Indices): Promise<Index[]> {
  const found = await cluster.run(client =>
    client.indices.stats({
      index: [indices.allProfiles, indices.allSegments],
      metric: ['docs', 'store'],
      ...LENIENT,
    }),
  );
  return Object.entries(found.indices ?? {}).flatMap(([name, { primaries, total }]) => {
    const parsed = indices.parse(name);
    if (parsed === null) return [];
    return [
      { name, ...parsed, documents: primaries?.docs?.count ?? 0, bytes: total?.store?.size_in_bytes ?? 0 },
    ];
  });
}

export async function expire(
  cluster: Cluster,
  indices: Indices,
  { maxAge, maxBytes }: Retention,
  now: number,
): Promise<{ profiles: number; segments: number; bytes: number }> {
  const gone = { profiles: 0, segments: 0, bytes: 0 };
  let all = await listIndices(cluster, indices);
  const remove = async (index: Index) => {
    // The statistics know only of what a refresh has made readable.
    const documents = await cluster.find(async client => {
      await client.indices.refresh({ index: index.name });
      const { count } = await client.count({ index: index.name });
      await client.indices.delete({ index: index.name });
      return count;
    });
    // Another server may have been first.
    if (index.kind === null) gone.segments += documents ?? 0;
    else gone.profiles += documents ?? 0;
    gone.bytes += index.bytes;
    all = all.filter(one => one !== index);
  };
  for (const index of all) {
    const age = index.kind === null ? undefined : maxAge[index.kind.level];
    if (age !== undefined && index.end <= now - age) await remove(index);
  }
  await removeSegments();
  // What is being written stays, however large it is.
  const isOld = ({ end }: Index) => end <= now - DAY_MS;
  while (maxBytes > 0 && all.reduce((sum, { bytes }) => sum + bytes, 0) > maxBytes) {
    const profiles = all.filter(index => index.kind !== null && isOld(index)).sort((a, b) => a.end - b.end);
    const next = profiles.find(({ kind }) => kind!.level === 0) ?? profiles[0];
    if (next === undefined) break;
    await remove(next);
    await removeSegments();
  }
  return gone;

  /** A profile names segments of its own day or a later one, or, when clocks differ, of the day before. */
  async function removeSegments(): Promise<void> {
    const oldest = all.reduce(
      (oldest, { kind, start }) => (kind === null ? oldest : Math.min(oldest, start)),
      now,
    );
    for (const index of all) if (index.kind === null && index.end + DAY_MS <= oldest) await remove(index);
  }
}

export async function deleteOwned(
  cluster: Cluster,
  indices: Indices,
  { tenant, service }: { tenant: string; service?: string },
): Promise<{ profiles: number; segments: number }> {
  await cluster.run(client =>
    client.indices.refresh({ index: [indices.allProfiles, indices.allSegments], ...LENIENT }),
  );
  const removeAll = async (index: string, query: estypes.QueryDslQueryContainer) => {
    let gone = 0;
    for await (const hits of pagesOf(cluster, index, query, [])) {
      const items = hits.map(
        ({ _index, _id }): Item => ({ index: _index, id: _id!, op: 'delete', document: '' }),
      );
      await write(cluster, items);
      gone += items.length;
    }
    return gone;
  };
  const owned = (field: string): estypes.QueryDslQueryContainer => ({
    bool: {
      filter: [{ term: { tenant } }, ...(service === undefined ? [] : [{ term: { [field]: service } }])],
    },
  });
  const profiles = await removeAll(indices.allProfiles, owned('labels.service_name'));
  const segments = await removeAll(indices.allSegments, owned('service'));
  await cluster.run(client =>
    client.indices.refresh({ index: [indices.allProfiles, indices.allSegments], ...LENIENT }),
  );
  return { profiles, segments };
}

export async function stats(cluster: Cluster, indices: Indices): Promise<StoreStats> {
  const all = await listIndices(cluster, indices);
  const found = await cluster.run(client =>
    client.search<
      unknown,
      { series: estypes.AggregationsCardinalityAggregate; oldest: estypes.AggregationsMinAggregate }
    >({
      index: indices.allProfiles,
      ...LENIENT,
      size: 0,
      track_total_hits: false,
      aggs: { series: { cardinality: { field: 'series' } }, oldest: { min: { field: 'start' } } },
    }),
  );
  const sum = (of: (index: Index) => number) => all.reduce((total, index) => total + of(index), 0);
  return {
    profiles: sum(({ kind, documents }) => (kind === null ? 0 : documents)),
    segments: sum(({ kind, documents }) => (kind === null ? documents : 0)),
    series: found.aggregations?.series.value ?? 0,
    bytes: sum(({ bytes }) => bytes),
    oldest: found.aggregations?.oldest.value ?? null,
  };
}
