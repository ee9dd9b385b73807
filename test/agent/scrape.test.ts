// SPDX-License-Identifier: Apache-2.0
// A real Go service that does known amounts, scraped into a real server.
import { expect, test } from 'vitest';
import { decodePprof } from '../helpers/pprof.js';
import { eventually, sleep, startHere } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';
import type { Running } from '../server/fixtures.js';
import {
  bakery,
  CONTENTIONS,
  DELAY,
  GOROUTINES,
  MEMORY,
  ownServer,
  type ScrapeInput,
  scraping,
} from './scraping.js';

const job = (more: ScrapeInput = {}): ScrapeInput => ({ name: 'shops', ...more });
const LOAF = 64 << 10;

interface Top {
  profiles: number;
  unit: string;
  functions: { name: string[] };
  self: number[];
  total: number[];
}

/** Total of a function, and how many profiles it is of. */
async function totalOf(server: Running, type: string, name: string, query = '') {
  const top: Top = await server.json('/api/v1/top', { type, query, from: 'now-10m' });
  const row = top.functions.name.indexOf(name);
  return { total: row < 0 ? 0 : top.total[row]!, profiles: top.profiles, unit: top.unit };
}

/** Seconds that the profiles of a type cover. */
async function covered(server: Running, type: string): Promise<number> {
  const answer = await server.get('/api/v1/pprof', { type, from: 'now-10m' });
  return decodePprof(Buffer.from(await answer.arrayBuffer())).durationSeconds;
}

test('allocations, waits and goroutines of a Go service are the ones that it made', {
  timeout: 90_000,
}, async () => {
  const server = await ownServer();
  const shop = await bakery();
  const { metric, close, scraper } = await scraping(
    { jobs: [job({ targets: [{ targets: [shop.address], labels: { region: 'north' } }] })] },
    server,
  );
  const up = `scrape_up{job="shops",target="${shop.address}",profile="memory"}`;
  await eventually('it is scraped', 10, async () => (await metric(up)) === 1 || null);
  const before = await shop.truth();
  await sleep(12_000);
  await close();
  const after = await shop.truth();
  await eventually(
    'it is stored',
    10,
    async () => (await totalOf(server, GOROUTINES, 'main.queue')).profiles >= 12 || null,
  );

  const types = (await server.json('/api/v1/types', { from: 'now-10m' })).types.map(
    ({ id }: { id: string }) => id,
  );
  expect(types.sort()).toEqual(
    [
      ...['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'].map(MEMORY),
      GOROUTINES,
      ...['block', 'mutex'].flatMap(name => [CONTENTIONS(name), DELAY(name)]),
    ].sort(),
  );
  // The service is called as its program is, until somebody says otherwise.
  const labels = await server.json('/api/v1/labels/region/values', {
    query: '{service_name="bakery",job="shops"}',
  });
  expect(labels.values).toEqual(['north']);

  // Growth adds up to a rate, whatever was allocated before the first scrape.
  const space = await totalOf(server, MEMORY('alloc_space'), 'main.bake');
  const seconds = await covered(server, MEMORY('alloc_space'));
  expect(seconds).toBeGreaterThan(10);
  expect(space.unit).toBe('bytes');
  expect(space.total / seconds / (100 * LOAF)).toBeGreaterThan(0.95);
  expect(space.total / seconds / (100 * LOAF)).toBeLessThan(1.05);
  expect((await totalOf(server, MEMORY('alloc_objects'), 'main.bake')).total).toBe(space.total / LOAF);
  // Within what was baked between, and two intervals around.
  expect(space.total / LOAF).toBeLessThan(after.loaves - before.loaves + 250);
  expect((await totalOf(server, MEMORY('alloc_space'), 'main.stock')).total).toBe(0);

  // Snapshots are what they are in each profile: sums, and how many profiles they are of.
  const inuse = await totalOf(server, MEMORY('inuse_space'), 'main.stock');
  expect(inuse.total / inuse.profiles).toBe(32 << 20);
  // So does a timeline; what is counted by its length has none.
  for (const [type, least] of [
    [MEMORY('inuse_space'), 32 << 20],
    [MEMORY('alloc_space'), null],
  ] as const) {
    const { series } = await server.json('/api/v1/timeline', { type, from: 'now-10m', step: '10' });
    const { totals, counts } = series[0] as { totals: number[]; counts?: number[] };
    if (least === null) expect(counts).toBeUndefined();
    else
      for (const [row, count] of counts!.entries()) {
        expect(totals[row]! / count).toBeGreaterThan(least);
        expect(totals[row]! / count).toBeLessThan(least * 1.2);
      }
  }
  const goroutines = await totalOf(server, GOROUTINES, 'main.queue');
  expect(goroutines.total / goroutines.profiles).toBe(7);

  const waited = await totalOf(server, DELAY('block'), 'main.counter');
  const blockSeconds = await covered(server, DELAY('block'));
  const share = (after.waitedNanos - before.waitedNanos) / (12 * 1e9);
  expect(waited.total / 1e9 / blockSeconds).toBeGreaterThan(share * 0.9);
  expect(waited.total / 1e9 / blockSeconds).toBeLessThan(share * 1.1);
  const waits = await totalOf(server, CONTENTIONS('block'), 'main.counter');
  expect(waits.total / blockSeconds).toBeGreaterThan(42);
  expect(waits.total / blockSeconds).toBeLessThan(55);

  // Two goroutines want the lock for 5 ms out of each 6: one of them waits most of the time.
  const lock = await totalOf(server, DELAY('mutex'), 'main.oven');
  expect(lock.total / 1e9 / (await covered(server, DELAY('mutex')))).toBeGreaterThan(0.5);
  expect(lock.total / 1e9 / (await covered(server, DELAY('mutex')))).toBeLessThan(1.1);
  expect(scraper.stateBytes).toBe(0);
});

test('a service that starts again is noticed: nothing negative, and nothing twice', {
  timeout: 90_000,
}, async () => {
  const server = await ownServer();
  const first = await bakery();
  const port = Number(first.address.split(':')[1]);
  const { metric, close, logged } = await scraping(
    { jobs: [job({ targets: [{ targets: [first.address], labels: { service_name: 'shop' } }] })] },
    server,
  );
  const of = (name: string, more = '') => `${name}{job="shops",target="${first.address}"${more}}`;
  await eventually('scraped', 20, async () => (await metric(of('scrapes_total')))! >= 6 || null);
  await first.process.stop('SIGKILL');
  const down = of('scrape_failures_total', ',code="SW_SCRAPE_UNREACHABLE"');
  await eventually('it is down', 10, async () => (await metric(down))! >= 4 || null);
  expect(await metric(of('scrape_up', ',profile="memory"'))).toBe(0);
  expect(await metric(of('scrape_last_error', ',profile="memory",code="SW_SCRAPE_UNREACHABLE"'))).toBe(1);
  expect(logged).toContainEqual(expect.objectContaining({ code: 'SW_SCRAPE_UNREACHABLE', job: 'shops' }));
  const second = await bakery(port);
  await eventually(
    'it is up again',
    10,
    async () => (await metric(of('scrape_up', ',profile="memory"'))) === 1 || null,
  );
  expect(await metric(of('scrape_last_error', ',profile="memory",code="SW_SCRAPE_UNREACHABLE"'))).toBeNull();
  await sleep(2000);
  // Of memory, block and mutex each by itself, as far as they counted anything before.
  expect(await metric(of('scrape_restarts_total'))).toBeGreaterThanOrEqual(1);
  expect(await metric(of('scrape_restarts_total'))).toBeLessThanOrEqual(3);
  await close();
  const { loaves } = await second.truth();
  const query = '{service_name="shop"}';
  const total = async () => (await totalOf(server, MEMORY('alloc_space'), 'main.bake', query)).total / LOAF;
  await eventually('stored', 10, async () => (await total()) > 0 || null);
  // What the first one did between its scrapes (five or six intervals of 100), and all that the second one did until its last.
  expect(await total()).toBeGreaterThan(380 + loaves - 250);
  expect(await total()).toBeLessThan(720 + loaves);
  // Of the second one all is new, what it stocked up first included.
  const stock = await totalOf(server, MEMORY('alloc_space'), 'main.stock', query);
  expect(Math.abs(stock.total - (32 << 20))).toBeLessThan(4096);
});

test('types are those that Pyroscope’s client for Go pushes', { timeout: 90_000 }, async () => {
  const server = await ownServer();
  startHere(program('pusher'), [server.url]);
  const shop = await bakery();
  const profiles = { process_cpu: { enabled: true, seconds: 1 } };
  await scraping(
    { interval: '2s', jobs: [job({ targets: [{ targets: [shop.address] }], profiles })] },
    server,
  );
  const typesOf = async (service: string): Promise<string[]> => {
    const query = `{service_name="${service}"}`;
    const { types } = await server.json('/api/v1/types', { from: 'now-10m', query });
    return types.map(({ id }: { id: string }) => id).sort();
  };
  const [pushed, scraped] = await eventually('all types of both', 40, async () => {
    const both = [await typesOf('pusher'), await typesOf('bakery')] as const;
    return both.every(types => types.length >= 11) ? both : null;
  });
  // Goroutines are the one difference that Pyroscope itself makes between what is pushed and what is scraped.
  expect(pushed).toContain('goroutines:goroutine:count:goroutine:count');
  expect(scraped).toEqual(pushed.map(type => type.replace(/^goroutines:/, 'goroutine:')).sort());
});
