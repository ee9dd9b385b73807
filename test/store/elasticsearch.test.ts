// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe } from 'vitest';
import { Cluster } from '../elasticsearch/cluster.js';
import { openStore } from '../elasticsearch/store.js';
import { type StoreFactory, storeContract } from './contract.js';
import { rollupContract } from './rollups.js';

let serial = 0;

describe.each([
  { name: 'one node', size: 1, shards: 1 },
  { name: 'three nodes', size: 3, shards: 2 },
])('Elasticsearch, $name', ({ size, shards }) => {
  let cluster: Cluster;
  let prefix = '';
  beforeAll(async () => {
    cluster = await Cluster.start(size);
  }, 240_000);
  afterAll(() => cluster?.stop());

  const open = () => openStore(cluster, { prefix, shards });
  const factory: StoreFactory = {
    create: () => {
      prefix = `test${serial++}`;
      return open();
    },
    reopen: open,
    settle: () => cluster.request('POST', '_flush'),
    destroy: () => cluster.remove(prefix),
  };
  storeContract('store', factory);
  rollupContract('store', factory);
});
