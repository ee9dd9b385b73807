// SPDX-License-Identifier: Apache-2.0
// What lies between a server and its cluster: TLS, who one is, and the ways in which a cluster says "not now". The node is
// a real one; in front of it stands a gateway that does what Elasticsearch's security does.
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ElasticsearchOptions } from '../../src/store/elasticsearch/elasticsearch-store.js';
import type { Store } from '../../src/store/store.js';
import { Cluster } from '../elasticsearch/cluster.js';
import { type Fault, Gateway } from '../elasticsearch/gateway.js';
import { openStore } from '../elasticsearch/store.js';
import { collect, profile, segment } from './contract.js';

let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
  // Less room for what is being indexed than four writers want at a time.
  cluster = await Cluster.start(1, { settings: { 'indexing_pressure.memory.limit': '300kb' } });
  gateway = await Gateway.start(cluster.urls[0]!);
}, 240_000);
afterAll(async () => {
  await gateway?.stop();
  await cluster?.stop();
});

let serial = 0;
let prefix = '';
let stores: Store[] = [];
const open = async (over: Partial<ElasticsearchOptions> = {}) => {
  const store = await openStore(
    { urls: [gateway.url] },
    { prefix, caFile: gateway.caFile, timeout: 5000, ...over },
  );
  stores.push(store);
  return store;
};
const fresh = () => {
  prefix = `connection${serial++}`;
};
afterEach(async () => {
  gateway.allowed = null;
  gateway.fault = () => null;
  for (const store of stores) await store.close();
  stores = [];
  await cluster.remove(prefix);
});

const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
const ids = async (store: Store) => (await collect(store)).map(({ id }) => id).sort();

describe('TLS', () => {
  it('is spoken where the certificate is by the authority that was given', async () => {
    fresh();
    const store = await open();
    await store.append({ segments: [segment('a')], profiles: [profile({ id: 'one' })] });
    expect(await ids(store)).toEqual(['one']);
  });

  it('is refused where it is not, and nothing is sent', async () => {
    fresh();
    const before = gateway.asked;
    await expect(open({ caFile: '' })).rejects.toMatchObject({
      code: 'SW_STORE_UNAVAILABLE',
      message: expect.stringContaining('certificate'),
    });
    expect(gateway.asked).toBe(before);
  });

  it('needs a file that is there', async () => {
    fresh();
    await expect(open({ caFile: '/nowhere/ca.pem' })).rejects.toMatchObject({
      code: 'SW_CONFIG_INVALID',
      message: expect.stringContaining('caFile'),
    });
  });
});

describe('who asks', () => {
  it.each([
    { name: 'a user and password', own: { username: 'stackwell', password: 'pass:wörd' } },
    { name: 'an API key', own: { apiKey: 'aWQ6a2V5' } },
  ])('is told by $name', async ({ own }) => {
    fresh();
    gateway.allowed = ['apiKey' in own ? `ApiKey ${own.apiKey}` : basic(own.username, own.password)];
    const store = await open(own);
    await store.append({ segments: [], profiles: [profile({ id: 'one' })] });
    expect(await ids(store)).toEqual(['one']);
  });

  it.each([
    { name: 'no one', own: {} },
    { name: 'a wrong password', own: { username: 'stackwell', password: 'guess' } },
    { name: 'a wrong key', own: { apiKey: 'Z3Vlc3M=' } },
  ])('is refused at once as $name', async ({ own }) => {
    fresh();
    gateway.allowed = [basic('stackwell', 'right')];
    const before = gateway.asked;
    await expect(open(own)).rejects.toMatchObject({ code: 'SW_ELASTICSEARCH_AUTH' });
    expect(gateway.asked - before).toBe(1);
  });

  it('is found out, and what was sent refused, when a password is changed later', async () => {
    fresh();
    gateway.allowed = [basic('stackwell', 'old')];
    const store = await open({ username: 'stackwell', password: 'old' });
    gateway.allowed = [basic('stackwell', 'new')];
    await expect(store.append({ segments: [], profiles: [profile()] })).rejects.toMatchObject({
      code: 'SW_ELASTICSEARCH_AUTH',
    });
    await expect(collect(store)).rejects.toMatchObject({ code: 'SW_ELASTICSEARCH_AUTH' });
    gateway.allowed = [basic('stackwell', 'old')];
    expect(await ids(store)).toEqual([]);
  });
});

/** The fault for every `nth` request that writes. */
const everyNth = (nth: number, fault: Fault) => {
  let seen = 0;
  gateway.fault = path => (path.startsWith('/_bulk') && ++seen % nth === 0 ? fault : null);
};

describe('a cluster that says "not now"', () => {
  const BATCHES = 20;
  const appendAll = async (store: Store) => {
    const sent: string[] = [];
    for (let batch = 0; batch < BATCHES; batch++) {
      const profiles = Array.from({ length: 5 }, (_, row) => profile({ id: `p-${batch}-${row}` }));
      await store.append({ segments: [segment(String(batch))], profiles });
      sent.push(...profiles.map(({ id }) => id));
    }
    return sent.sort();
  };

  it.each<{ name: string; nth: number; fault: Fault }>([
    { name: '429 for all', nth: 2, fault: { status: 429, type: 'es_rejected_execution_exception' } },
    { name: '500 for all', nth: 2, fault: { status: 500, type: 'node_disconnected_exception' } },
    { name: '503 for all', nth: 3, fault: { status: 503, type: 'cluster_block_exception' } },
    { name: 'an answer that is lost', nth: 2, fault: 'answer lost' },
    { name: '429 for every second item', nth: 1, fault: { refuse: position => position % 2 === 1 } },
    { name: '429 for the first item', nth: 2, fault: { refuse: position => position === 0 } },
  ])('is asked again, loses nothing and counts nothing twice: $name', async ({ nth, fault }) => {
    fresh();
    const store = await open();
    everyNth(nth, fault);
    const sent = await appendAll(store);
    gateway.fault = () => null;
    expect(await ids(store)).toEqual(sent);
    const segments = await store.readSegments(
      Array.from({ length: BATCHES }, (_, batch) => segment(String(batch)).id),
    );
    expect(segments.size).toBe(BATCHES);
  });

  it('is reported once patience is over, and takes the same again later', { timeout: 60_000 }, async () => {
    fresh();
    const store = await open();
    everyNth(1, { status: 429, type: 'es_rejected_execution_exception' });
    const batch = { segments: [segment('a')], profiles: [profile({ id: 'one' })] };
    await expect(store.append(batch)).rejects.toMatchObject({
      code: 'SW_STORE_UNAVAILABLE',
      message: expect.stringContaining('429'),
    });
    gateway.fault = () => null;
    await store.append(batch);
    await store.append(batch);
    expect(await ids(store)).toEqual(['one']);
  });

  it('is a real one: four writers want more than there is room for', { timeout: 60_000 }, async () => {
    fresh();
    const writers = await Promise.all([open(), open(), open(), open()]);
    const sent: string[] = [];
    await Promise.all(
      writers.map(async (store, writer) => {
        for (let batch = 0; batch < 15; batch++) {
          const profiles = Array.from({ length: 20 }, (_, row) =>
            profile({ id: `w${writer}-${batch}-${row}`, rows: new Uint8Array(randomBytes(6000)) }),
          );
          await store.append({ segments: [], profiles });
          sent.push(...profiles.map(({ id }) => id));
        }
      }),
    );
    const stats = await fetch(`${cluster.urls[0]}/_nodes/stats/indexing_pressure`);
    const { nodes } = (await stats.json()) as {
      nodes: Record<string, { indexing_pressure: { memory: { total: Record<string, number> } } }>;
    };
    const { total } = Object.values(nodes)[0]!.indexing_pressure.memory;
    expect(total.coordinating_rejections! + total.primary_rejections!).toBeGreaterThan(0);
    expect(await ids(writers[0]!)).toEqual(sent.sort());
  });
});
