// SPDX-License-Identifier: Apache-2.0
import { type Store, segmentDay } from '../store.js';
import { Aggregator } from './aggregate.js';
import { Appender } from './append.js';
import { Cluster, type Connection } from './client.js';
import { elasticDebugFiles } from './debug-files.js';
import { deleteOwned, expire, stats } from './expire.js';
import { Filters, LENIENT } from './filter.js';
import { Indices, type Layout } from './indices.js';
import { readSegments, Selector } from './select.js';
import { elasticLeases, elasticRollups } from './stale.js';

export interface ElasticsearchOptions extends Connection, Layout {
  /**
   * What was acknowledged before is in every answer, at the price of a refresh for each question. Without it answers may
   * lack what is younger than a second.
   */
  readAll?: boolean;
}

/**
 * A cluster of Elasticsearch 8 as store. The server keeps nothing itself: any number may share a cluster.
 * @throws SW_STORE_UNAVAILABLE, SW_ELASTICSEARCH_AUTH, SW_ELASTICSEARCH_VERSION
 */
export async function openElasticsearchStore(options: ElasticsearchOptions): Promise<Store> {
  const cluster = new Cluster(options);
  const indices = new Indices(options);
  try {
    await cluster.check();
    await cluster.run(client => indices.prepare(client), 30_000);
  } catch (error) {
    await cluster.client.close();
    throw error;
  }
  const appender = new Appender(cluster, indices);
  const filters = new Filters(cluster, indices);
  const selector = new Selector(cluster, indices, filters);
  const aggregator = new Aggregator(cluster, indices, filters);
  const rollups = elasticRollups(cluster, indices);
  const fresh = async () => {
    if (options.readAll === true)
      await cluster.run(client => client.indices.refresh({ index: indices.all, ...LENIENT }));
  };

  return {
    append: batch => appender.append(batch),

    async *selectProfiles(selection, onDamaged = () => {}) {
      await fresh();
      yield* selector.profiles(selection, onDamaged);
    },

    readSegments: ids => readSegments(cluster, indices, ids, segmentDay),

    async timeline(selection, stepMs, groupBy, origin) {
      await fresh();
      return aggregator.timeline(selection, stepMs, groupBy, origin);
    },

    async types(selection) {
      await fresh();
      return aggregator.types(selection);
    },

    async labelNames(selection) {
      await fresh();
      return aggregator.labelNames(selection);
    },

    async labelValues(name, selection, limit) {
      await fresh();
      return aggregator.labelValues(name, selection, limit);
    },

    async expire(retention, now) {
      const gone = await expire(cluster, indices, retention, now);
      if (gone.segments > 0) appender.forget();
      return gone;
    },

    async delete(owner) {
      try {
        return await deleteOwned(cluster, indices, owner);
      } finally {
        appender.forget();
      }
    },

    rollups: {
      ...rollups,
      async stale(range, limit) {
        await fresh();
        return rollups.stale(range, limit);
      },
    },
    leases: elasticLeases(cluster, indices),

    async stats() {
      await fresh();
      return stats(cluster, indices);
    },

    async ready() {
      await cluster.run(client => client.ping(), 0);
    },

    debugFiles: elasticDebugFiles(cluster, indices),

    async close() {
      await appender.drain();
      await cluster.client.close();
    },
  };
}
