// SPDX-License-Identifier: Apache-2.0
// A server over Elasticsearch whose nodes are killed and stopped under load. Each profile is worth 1, so sums count.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { deliver } from '../../src/agent/delivery.js';
import { Outbox } from '../../src/agent/outbox/outbox.js';
import { type PushResult, Sender } from '../../src/agent/outbox/sender.js';
import { Cluster } from '../elasticsearch/cluster.js';
import { failure, pprof, type Running, server } from './fixtures.js';

/** script/soak waits for the ten minutes that an outage may take. */
const OUTAGE_S = Number(process.env.STACKWELL_OUTAGE_SECONDS ?? 15);
const CLIENTS = 6;

let serial = 0;
const open = (cluster: Cluster) =>
  server({ elasticsearch: { urls: cluster.urls, prefix: `kill${serial++}`, timeout: '5s' } });

/** Pushes until it is told to stop; each id until it is acknowledged, as an agent does. */
class Load {
  readonly acknowledged = new Set<string>();
  /** Answers other than 200, by status. */
  readonly refused = new Map<number, number>();
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(private readonly url: () => string) {
    this.#clients = Array.from({ length: CLIENTS }, (_, row) => this.#client(row));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #client(row: number): Promise<void> {
    while (this.#running) {
      const id = randomUUID();
      const raw = await pprof({ samples: [{ stack: [id, `client-${row}`, 'main'], values: [1] }] });
      while (!(await this.#push(id, row, Buffer.from(raw).toString('base64')))) await sleep(50);
      this.acknowledged.add(id);
    }
  }

  async #push(id: string, row: number, rawProfile: string): Promise<boolean> {
    const labels = Object.entries({
      service_name: `svc-${row % 3}`,
      __name__: 'process_cpu',
      host: `h${row}`,
    });
    try {
      const answer = await fetch(`${this.url()}/push.v1.PusherService/Push`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          series: [
            { labels: labels.map(([name, value]) => ({ name, value })), samples: [{ rawProfile, ID: id }] },
          ],
        }),
        signal: AbortSignal.timeout(30_000),
      });
      await answer.arrayBuffer();
      if (answer.status === 200) return true;
      this.refused.set(answer.status, (this.refused.get(answer.status) ?? 0) + 1);
      if (answer.status === 503) expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    } catch {}
    return false;
  }
}

/** Of everything that is stored: how much it is worth, and which ids there are. */
async function counted(running: Running) {
  const top = await running.json('/api/v1/top', { from: 'now-1h', limit: '100000' });
  const names: string[] = top.functions.name;
  return {
    sum: top.sum as number,
    profiles: top.profiles as number,
    warnings: top.warnings as string[],
    ids: new Set(names.filter(name => /^[0-9a-f]{8}-/.test(name))),
  };
}

function expectAll(found: Awaited<ReturnType<typeof counted>>, acknowledged: Set<string>): void {
  expect(found.warnings).toEqual([]);
  expect([...acknowledged].filter(id => !found.ids.has(id))).toEqual([]);
  expect([found.sum, found.profiles, found.ids.size]).toEqual(Array(3).fill(acknowledged.size));
}

describe('three nodes', () => {
  let cluster: Cluster;
  let running: Running;
  beforeAll(async () => {
    cluster = await Cluster.start(3);
  }, 240_000);
  afterEach(() => running?.stop());
  afterAll(() => cluster?.stop());

  it('lose nothing and count nothing twice when one after another is killed under load', {
    timeout: 300_000,
  }, async () => {
    running = await open(cluster);
    const load = new Load(() => running.url);
    let questions = 0;
    let asking = true;
    const asker = (async () => {
      while (asking) {
        const answer = await running.get('/api/v1/top', { from: 'now-1h' });
        await answer.arrayBuffer();
        expect([200, 503]).toContain(answer.status);
        if (answer.status === 200) questions++;
        await sleep(100);
      }
    })();
    for (const node of cluster.nodes) {
      const before = load.acknowledged.size;
      await expect.poll(() => load.acknowledged.size, { timeout: 60_000 }).toBeGreaterThan(before + 20);
      // What has no second copy yet goes with its node.
      await cluster.green();
      await node.stop('SIGKILL');
      const alone = load.acknowledged.size;
      // The two that are left go on by themselves.
      await expect.poll(() => load.acknowledged.size, { timeout: 90_000 }).toBeGreaterThan(alone + 20);
      node.start();
      await node.ready();
      await cluster.complete();
    }
    await load.stop();
    asking = false;
    await asker;
    expect(questions).toBeGreaterThan(0);
    await sleep(2000);
    expectAll(await counted(running), load.acknowledged);
  });
});

describe('one node', () => {
  let cluster: Cluster;
  let running: Running;
  let folder: string;
  beforeAll(async () => {
    cluster = await Cluster.start(1);
  }, 240_000);
  afterEach(async () => {
    await running?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(() => cluster?.stop());

  it(`that is away for ${OUTAGE_S} s: agents keep what they have, and all of it arrives, in order`, {
    timeout: 180_000 + OUTAGE_S * 1000,
  }, async () => {
    folder = mkdtempSync(join(tmpdir(), 'stackwell-outage-'));
    running = await open(cluster);
    const outbox = await Outbox.open({ folder, maxBytes: 1 << 26, maxAgeMs: 3_600_000 });
    const results: PushResult[] = [];
    const sender = new Sender({
      server: new URL(running.url),
      outbox,
      onResult: result => results.push(result),
      backoff: { first: 100, longest: 1000 },
    });
    sender.start();
    const load = new Load(() => running.url);
    const since = Date.now() - 600_000;
    let windows = 0;
    const add = async () => {
      const bytes = await pprof({
        time: since + windows * 1000,
        samples: [{ stack: [`window-${windows}`, 'agent'], values: [1] }],
      });
      const labels = { __name__: 'process_cpu', service_name: 'agent' };
      expect(await deliver(outbox, [{ labels, pprof: bytes, id: `window-${windows}` }])).toBe(0);
      windows++;
      sender.poke();
    };
    for (let i = 0; i < 3; i++) await add();
    await expect.poll(() => results.filter(result => result === 'ok').length, { timeout: 30_000 }).toBe(3);

    const memory = () => process.memoryUsage().rss / 1e6;
    const before = memory();
    await cluster.nodes[0]!.stop('SIGKILL');
    const acknowledged = load.acknowledged.size;
    const end = Date.now() + OUTAGE_S * 1000;
    while (Date.now() < end) {
      await add();
      await sleep(500);
    }
    // Whoever was acknowledged before the node was gone was; nobody has been since.
    expect(load.acknowledged.size - acknowledged).toBeLessThanOrEqual(CLIENTS);
    const asked = await running.get('/api/v1/top');
    expect(asked.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await failure(asked)).toEqual({ status: 503, code: 'SW_STORE_UNAVAILABLE' });
    expect(await failure(await running.get('/readyz'))).toMatchObject({ status: 503 });
    expect((await running.get('/healthz')).status).toBe(200);
    expect(memory() - before).toBeLessThan(300);
    expect(outbox.dropped).toMatchObject({ full: 0, too_old: 0, rejected: 0 });

    cluster.nodes[0]!.start();
    await cluster.nodes[0]!.ready();
    await load.stop();
    await expect
      .poll(() => results.filter(result => result === 'ok').length, { timeout: 60_000 })
      .toBe(windows);
    await sender.close(1000);
    expect(results).toContain('retried');
    await sleep(2000);
    const found = await running.json('/api/v1/top', {
      from: 'now-1h',
      query: '{service_name="agent"}',
      limit: '10000',
    });
    expect([found.sum, found.profiles]).toEqual([windows, windows]);
    const others = await running.json('/api/v1/top', { from: 'now-1h', query: '{service_name!="agent"}' });
    expect([others.sum, others.profiles, others.warnings]).toEqual([
      load.acknowledged.size,
      load.acknowledged.size,
      [],
    ]);
    const { values } = await running.json('/api/v1/labels/service_name/values', { from: 'now-1h' });
    expect(values).toContain('agent');
  });
});
