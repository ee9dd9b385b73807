// SPDX-License-Identifier: Apache-2.0
// Deploys, and what changed with them, over services whose truth is known: each window has the samples that a busy instance
// at 19 Hz gives, drawn at random from costs that we chose.
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { normal, random } from '../../bench/statistics/simulate.mjs';
import { failure, pprof, type Running, server } from './fixtures.js';

const PERIOD = 10_000_000n;
const WINDOW = 10_000;
const NOW = Math.floor(Date.now() / WINDOW) * WINDOW;
const next = random(7);

type Cost = Record<string, number>;
interface Run {
  service: string;
  deploy: string;
  host: string;
  from: number;
  windows: number;
  cost: Cost;
  /** Of one window. */
  samples: number;
}

/** `main` calls all of them. */
async function run(
  running: Running,
  { service, deploy, host, from, windows, cost, samples }: Run,
): Promise<void> {
  const names = Object.keys(cost);
  const whole = Object.values(cost).reduce((sum, one) => sum + one, 0);
  for (let window = 0; window < windows; window++) {
    const counts = new Map<string, number>();
    for (let i = 0; i < samples; i++) {
      let at = next() * whole;
      let row = 0;
      while (row < names.length - 1 && at >= cost[names[row]!]!) at -= cost[names[row++]!]!;
      const name = names[row]!;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const body = await pprof({
      samples: [...counts].map(([name, count]) => ({
        stack: [name, 'main'],
        values: [BigInt(count) * PERIOD],
      })),
      time: from + window * WINDOW,
    });
    const answer = await running.ingest(body, { name: `${service}{deploy=${deploy},host=${host}}` });
    expect(answer.status).toBe(200);
  }
}

const COST: Cost = { parse: 20, render: 30, query: 15, log: 10 };
for (let i = 0; i < 25; i++) COST[`helper${i}`] = 1;

describe('comparing', () => {
  let running: Running;
  const minutes = (count: number) => NOW - count * 60_000;

  beforeAll(async () => {
    running = await server();
    for (const host of ['h1', 'h2', 'h3']) {
      // One after the other: parse is dearer in v2, by two fifths.
      const api = { service: 'api', host, samples: 190 };
      await run(running, { ...api, deploy: 'v1', from: minutes(20), windows: 60, cost: COST });
      await run(running, {
        ...api,
        deploy: 'v2',
        from: minutes(10),
        windows: 60,
        cost: { ...COST, parse: 28 },
      });
      // Both at once, and the same.
      const both = { service: 'steady', host, samples: 100, windows: 60, from: minutes(10), cost: COST };
      await run(running, { ...both, deploy: 'a', host: `${host}-a` });
      await run(running, { ...both, deploy: 'b', host: `${host}-b` });
    }
    // Too few to tell.
    const little = { service: 'little', host: 'h1', samples: 3, windows: 8, from: minutes(2) };
    await run(running, { ...little, deploy: 'a', cost: COST });
    await run(running, { ...little, deploy: 'b', cost: { ...COST, parse: 28 } });
    await run(running, {
      service: 'young',
      deploy: '1',
      host: 'h1',
      from: minutes(3),
      windows: 2,
      cost: COST,
      samples: 5,
    });
    await run(running, {
      service: 'young',
      deploy: '2',
      host: 'h1',
      from: minutes(1),
      windows: 2,
      cost: COST,
      samples: 5,
    });
  }, 300_000);
  afterAll(() => running.stop());

  it('lists deploys that nobody announced, the newest first', async () => {
    const { deploys } = await running.json('/api/v1/deploys', { service: 'api', from: 'now-1h' });
    expect(deploys).toMatchObject([
      { service: 'api', deploy: 'v2', first: minutes(10), last: NOW, hosts: 3, instances: 3, profiles: 180 },
      {
        service: 'api',
        deploy: 'v1',
        first: minutes(20),
        last: minutes(10),
        hosts: 3,
        instances: 3,
        profiles: 180,
      },
    ]);
    // The same to the window in a wide range.
    const week = await running.json('/api/v1/deploys', { service: 'api' });
    expect(week.step).toBeGreaterThan(WINDOW);
    expect(week.deploys).toMatchObject([
      { deploy: 'v2', first: minutes(10), last: NOW },
      { deploy: 'v1', first: minutes(20), last: minutes(10) },
    ]);
    const all = await running.json('/api/v1/deploys', { limit: '3' });
    expect([all.deploys.length, all.omitted]).toEqual([3, 5]);
  });

  it('names what got dearer, first, without being told that there was a deploy', async () => {
    const answer = await running.json('/api/v1/deploys/compare', { service: 'api' });
    expect(answer).toMatchObject({
      base: { deploy: 'v1', from: minutes(19), until: minutes(10), instances: 3 },
      head: { deploy: 'v2', from: minutes(9), until: NOW, instances: 3 },
      concurrent: false,
      normalization: { kind: 'stable' },
      verdict: 'regression',
      improvements: [],
      replicates: { base: { instances: 3, blocks: 16 }, head: { instances: 3, blocks: 16 } },
    });
    const [first] = answer.regressions;
    expect(first).toMatchObject({ function: 'parse', file: 'parse.c' });
    // It does two fifths more, though its part of all, 28 of 108 against 20 of 100, grew by less.
    expect(first.change).toBeGreaterThan(0.3);
    expect(first.change).toBeLessThan(0.5);
    expect(first.interval[0]).toBeLessThan(0.4);
    expect(first.interval[1]).toBeGreaterThan(0.4);
    expect(first.q).toBeLessThan(0.001);
    // Each instance has 190 samples of 10 ms in 10 s.
    expect(answer.head.seconds).toBeCloseTo(3 * 540, 0);
    expect(answer.whole.head).toBeCloseTo(0.19, 3);
    expect(first.headCost / (0.19 * (28 / 108))).toBeCloseTo(1, 1);
    expect(first.cost).toBeCloseTo((first.headCost * first.change) / (1 + first.change), 6);
    // The same work costs 8 % more.
    expect(answer.work.interval[0]).toBeGreaterThan(0.04);
    expect(answer.work.interval[0]).toBeLessThan(0.08);
    expect(answer.work.interval[1]).toBeGreaterThan(0.08);
  });

  it('answers as /openapi.json says', async () => {
    const { paths } = await running.json('/openapi.json');
    const ajv = new Ajv({ strict: false });
    for (const [path, parameters] of [
      ['/api/v1/deploys', {}],
      ['/api/v1/deploys/compare', { service: 'api' }],
      ['/api/v1/deploys/compare', { service: 'young', normalization: 'none' }],
      ['/api/v1/diff', { query: '{service_name="api"}', normalization: 'stable' }],
    ] as [string, Record<string, string>][]) {
      const { schema } = paths[path].get.responses['200'].content['application/json'];
      const validate = ajv.compile(schema);
      expect([path, validate(await running.json(path, parameters)), validate.errors]).toEqual([
        path,
        true,
        null,
      ]);
    }
  });

  it('has the other sign the other way round', async () => {
    const { regressions, improvements, base } = await running.json('/api/v1/deploys/compare', {
      service: 'api',
      base: 'v2',
      head: 'v1',
    });
    expect(base.deploy).toBe('v2');
    expect(improvements[0].function).toBe('parse');
    expect(improvements[0].change).toBeCloseTo(20 / 28 - 1, 1);
    expect(regressions).toEqual([]);
  });

  it('compares what runs at once at the same time, and finds nothing where nothing is', async () => {
    const answer = await running.json('/api/v1/deploys/compare', { service: 'steady' });
    expect(answer.concurrent).toBe(true);
    expect([answer.base.from, answer.base.until]).toEqual([answer.head.from, answer.head.until]);
    expect(answer).toMatchObject({ verdict: 'no_change', regressions: [], improvements: [] });
    expect(answer.detectable.map((one: { share: number }) => one.share)).toEqual([0.02, 0.05, 0.1, 0.2, 0.5]);
  });

  it('says when there is too little to tell', async () => {
    const answer = await running.json('/api/v1/deploys/compare', { service: 'young' });
    expect(answer).toMatchObject({ verdict: 'too_little_data', regressions: [] });
  });

  it('does not call the work the same where nothing could have been seen to change', async () => {
    const answer = await running.json('/api/v1/deploys/compare', { service: 'little' });
    expect([answer.verdict, answer.normalization.kind]).toEqual(['too_little_data', 'stable']);
    expect(answer.work.interval[1] - answer.work.interval[0]).toBeGreaterThan(0.2);
  });

  it('has the totals of the single questions, in every way to compare', async () => {
    const sides = {
      left_query: '{service_name="api",deploy="v1"}',
      right_query: '{service_name="api",deploy="v2"}',
      left_from: 'now-1h',
      right_from: 'now-1h',
    };
    const sum = async (query: string) =>
      (await running.json('/api/v1/flamegraph', { query, from: 'now-1h' })).sum;
    const sums = [await sum(sides.left_query), await sum(sides.right_query)];
    for (const normalization of ['stable', 'none', 'total', 'duration', 'cpu', 'factor'] as const) {
      const diff = await running.json('/api/v1/diff', { ...sides, normalization, factor: '2' });
      expect([diff.left.sum, diff.right.sum]).toEqual(sums);
      const { statistics, normalization: said } = diff;
      expect(said.kind).toBe(normalization);
      const row = statistics.functions.name.indexOf('parse');
      const node = diff.function.findIndex((one: number) => diff.functions.name[one] === 'parse');
      expect(statistics.self.left[row]).toBeCloseTo(diff.left.self[node] * said.left, 6);
      expect(statistics.self.right[row] / (diff.right.self[node] * said.right)).toBeCloseTo(1, 6);
      const scale = said.right / said.left;
      const wanted = {
        stable: 1,
        none: 1,
        total: sums[0] / sums[1],
        duration: 1,
        cpu: sums[0] / sums[1],
        factor: 2,
      };
      expect(scale / wanted[normalization]).toBeCloseTo(1, normalization === 'stable' ? 0.5 : 6);
      const change = (diff.right.self[node] / diff.left.self[node]) * scale - 1;
      expect(statistics.self.change[row]).toBeCloseTo(change, 3);
      expect(statistics.self.low[row]).toBeLessThan(change);
      expect(statistics.self.high[row]).toBeGreaterThan(change);
      expect(statistics.self.q[row]).toBeLessThan(0.001);
      // main calls everything: of parts it has all.
      const main = statistics.functions.name.indexOf('main');
      if (normalization === 'total')
        expect([statistics.total.left[main], statistics.total.right[main]]).toEqual([1, 1]);
    }
    const without = await running.json('/api/v1/diff', { ...sides, statistics: 'false' });
    expect([without.statistics, without.left.sum, without.right.sum]).toEqual([null, ...sums]);
    const unfounded = await running.get('/api/v1/diff', {
      ...sides,
      statistics: 'false',
      normalization: 'stable',
    });
    expect(await failure(unfounded)).toEqual({ status: 400, code: 'SW_REQUEST_INVALID' });
  });

  it('finds no difference between a selection and itself', async () => {
    const query = '{service_name="api"}';
    const diff = await running.json('/api/v1/diff', { query, left_from: 'now-1h', right_from: 'now-1h' });
    expect(diff.left.self).toEqual(diff.right.self);
    expect(diff.left.total).toEqual(diff.right.total);
    expect(new Set(diff.statistics.self.change)).toEqual(new Set([0]));
    expect(Math.min(...diff.statistics.self.q, ...diff.statistics.total.q)).toBe(1);
  });

  it('says which rules made frames the same, and leaves out those that are not wanted', async () => {
    const ids = (answer: { matching: { id: string }[] }) => answer.matching.map(({ id }) => id);
    const some = await running.json('/api/v1/diff', { without_rules: 'files,clones' });
    expect(ids(some)).toEqual(['lambdas', 'closures', 'java', 'hashes', 'unnamed']);
    // Those are told, too, so that they can be turned on again.
    expect(some.matchingOff.map(({ id }: { id: string }) => id)).toEqual(['clones', 'files']);
    expect(ids(await running.json('/api/v1/diff', { without_rules: 'all' }))).toEqual([]);
    const wrong = await running.get('/api/v1/diff', { without_rules: 'magic' });
    expect(await failure(wrong)).toEqual({ status: 400, code: 'SW_QUERY_INVALID' });
  });

  it('refuses deploys that are not there', async () => {
    const compare = async (parameters: Record<string, string>) =>
      failure(await running.get('/api/v1/deploys/compare', parameters));
    const unknown = { status: 404, code: 'SW_DEPLOY_UNKNOWN' };
    expect(await compare({ service: 'api', base: 'v0' })).toEqual(unknown);
    expect(await compare({ service: 'nobody' })).toEqual(unknown);
    expect(await compare({ service: 'api', from: 'now-5m' })).toEqual(unknown);
    expect(await compare({})).toEqual({ status: 400, code: 'SW_REQUEST_INVALID' });
    expect(await compare({ service: 'api', base_from: 'soon' })).toEqual({
      status: 400,
      code: 'SW_TIME_INVALID',
    });
  });

  it('draws as the normal distribution does', () => {
    // What the simulations rest on.
    const draws = Array.from({ length: 20_000 }, () => normal(next));
    const mean = draws.reduce((sum, one) => sum + one, 0) / draws.length;
    const variance = draws.reduce((sum, one) => sum + (one - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });
});
