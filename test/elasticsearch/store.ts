// SPDX-License-Identifier: Apache-2.0
import {
  type ElasticsearchOptions,
  openElasticsearchStore,
} from '../../src/store/elasticsearch/elasticsearch-store.js';
import type { Store } from '../../src/store/store.js';
import type { Cluster } from './cluster.js';

/** A store whose answers have everything that it acknowledged before. */
export function openStore(
  cluster: Pick<Cluster, 'urls'>,
  over: Partial<ElasticsearchOptions> & { prefix: string },
): Promise<Store> {
  return openElasticsearchStore({
    urls: cluster.urls,
    username: '',
    password: '',
    apiKey: '',
    caFile: '',
    timeout: 30_000,
    replicas: '0-1',
    shards: 1,
    readAll: true,
    ...over,
  });
}
