// SPDX-License-Identifier: Apache-2.0
// Which rollups are behind, and who has which work. Both rest on the cluster's optimistic concurrency: a document is
// changed only in the state in which it was read.
import { StackwellError } from '../../errors.js';
import {
  type Bucket,
  type Leases,
  type ProfileRecord,
  type Rollups,
  type Segment,
  segmentDay,
} from '../store.js';
import { bulk, type Item } from './bulk.js';
import { type Cluster, statusOf, storeError } from './client.js';
import { profileDocument, segmentDocument } from './documents.js';
import type { Indices } from './indices.js';

const PATIENCE_MS = 10_000;

const idOf = ({ level, start, partition }: Bucket) => `${level}-${start}-${partition}`;

/**
 * Of the marks of one profile the finest level must come first: then whoever sees a coarser one sees the finer ones too.
 * Writes it again where it is there: its version changes, and rollups that are being made will not count as whole.
 */
export function staleItem(indices: Indices, bucket: Bucket): Item {
  const { level, start } = bucket;
  return {
    index: indices.stale,
    id: idOf(bucket),
    op: 'index',
    document: JSON.stringify({ ...bucket, end: start + level * 1000 }),
  };
}

export function elasticRollups(cluster: Cluster, indices: Indices): Rollups {
  return {
    async stale({ from, until }, limit) {
      const found = await cluster.run(client =>
        client.search<Bucket>({
          index: indices.stale,
          size: Math.min(limit, 10_000),
          track_total_hits: false,
          query: {
            bool: { filter: [{ range: { end: { gt: from } } }, { range: { start: { lt: until } } }] },
          },
          sort: ['start', 'level', 'partition'],
          _source: ['level', 'start', 'partition'],
        }),
      );
      return found.hits.hits.map(({ _source }) => _source!);
    },

    async begin(bucket) {
      const got = await cluster.find(client =>
        client.get({ index: indices.stale, id: idOf(bucket), _source: false }),
      );
      // After the version was read: what was acknowledged before is then readable.
      await cluster.run(client => client.indices.refresh({ index: [indices.allProfiles, indices.stale] }));
      return { bucket, version: got === null ? 'none' : `${got._seq_no} ${got._primary_term}` };
    },

    async finish({ bucket, version }, { segments, profiles }) {
      if (version === 'none') return false;
      await write(
        cluster,
        segments.map(segment => segmentItem(indices, segment)),
      );
      await expectSegments(cluster, indices, profiles);
      await write(
        cluster,
        profiles.map(profile => rollupItem(indices, profile)),
      );
      // Readable before the bucket counts as whole.
      const written = [...new Set(profiles.map(profile => indices.profiles(profile, profile.start)))];
      if (written.length > 0) await cluster.run(client => client.indices.refresh({ index: written }));
      const [seqNo, primaryTerm] = version.split(' ').map(Number);
      return cluster.run(async client => {
        try {
          await client.delete({
            index: indices.stale,
            id: idOf(bucket),
            if_seq_no: seqNo!,
            if_primary_term: primaryTerm!,
          });
          return true;
        } catch (error) {
          const status = statusOf(error);
          if (status === 409 || status === 404) return false;
          throw error;
        }
      });
    },

    async abandon(level, before) {
      let gone = 0;
      for (;;) {
        const found = await cluster.run(async client => {
          await client.indices.refresh({ index: indices.stale });
          return client.search({
            index: indices.stale,
            size: 10_000,
            query: { bool: { filter: [{ term: { level } }, { range: { start: { lt: before } } }] } },
            _source: false,
          });
        });
        const items = found.hits.hits.map(({ _id }) => ({
          index: indices.stale,
          id: _id!,
          op: 'delete' as const,
          document: '',
        }));
        if (items.length === 0) return gone;
        await write(cluster, items);
        gone += items.length;
      }
    },
  };
}

/** Of these, those that are nowhere; an id that is none is nowhere, too. */
export async function missingSegments(
  cluster: Cluster,
  indices: Indices,
  ids: string[],
): Promise<Set<string>> {
  const missing = new Set<string>();
  const docs = ids.flatMap(id => {
    const day = segmentDay(id);
    if (day === null) missing.add(id);
    return day === null ? [] : [{ _index: indices.segments(day), _id: id, _source: false }];
  });
  if (docs.length === 0) return missing;
  const found = await cluster.run(client => client.mget({ docs }), PATIENCE_MS);
  for (const doc of found.docs) if (!('found' in doc) || !doc.found) missing.add(doc._id);
  return missing;
}

async function expectSegments(cluster: Cluster, indices: Indices, profiles: ProfileRecord[]): Promise<void> {
  const ids = [...new Set(profiles.flatMap(({ segments }) => segments))];
  const [id] = await missingSegments(cluster, indices, ids);
  if (id !== undefined) throw new StackwellError('SW_SEGMENT_UNKNOWN', { id });
}

function segmentItem(indices: Indices, segment: Segment): Item {
  return {
    index: indices.segments(segment.day),
    id: segment.id,
    op: 'create',
    document: segmentDocument(segment),
  };
}

function rollupItem(indices: Indices, profile: ProfileRecord): Item {
  return {
    index: indices.profiles(profile, profile.start),
    id: profile.id,
    op: 'index',
    document: profileDocument(profile),
  };
}

/** All of them, or throws. */
export async function write(cluster: Cluster, items: Item[]): Promise<void> {
  if (items.length === 0) return;
  for (const result of await bulk(cluster, items, PATIENCE_MS)) if (typeof result === 'object') throw result;
}

export function elasticLeases(cluster: Cluster, indices: Indices): Leases {
  const index = indices.leases;
  return {
    async acquire(name, holder, ttlMs) {
      const got = await cluster.find(client =>
        client.get<{ holder: string; until: number }>({ index, id: name }),
      );
      const now = Date.now();
      if (got !== null && got._source!.holder !== holder && got._source!.until > now) return false;
      const document = { holder, until: now + ttlMs };
      return cluster.run(async client => {
        try {
          if (got === null) await client.create({ index, id: name, document });
          else
            await client.index({
              index,
              id: name,
              document,
              if_seq_no: got._seq_no!,
              if_primary_term: got._primary_term!,
            });
          return true;
        } catch (error) {
          if (statusOf(error) === 409) return false;
          throw storeError(error);
        }
      });
    },

    async release(name, holder) {
      const got = await cluster.find(client => client.get<{ holder: string }>({ index, id: name }));
      if (got === null || got._source!.holder !== holder) return;
      await cluster.run(async client => {
        try {
          await client.delete({
            index,
            id: name,
            if_seq_no: got._seq_no!,
            if_primary_term: got._primary_term!,
          });
        } catch (error) {
          const status = statusOf(error);
          if (status !== 409 && status !== 404) throw error;
        }
      });
    },
  };
}
