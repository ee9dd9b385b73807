// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '#native/profile';
import { readComments } from '../../src/profile/comments.js';
import { coverageLines } from '../../src/profile/coverage.js';
import { failure, pprof, type Running, server } from './fixtures.js';

/** Four profiles: two services, two windows. All values differ, so that every sum tells what it was made of. */
const NOW = Math.floor(Date.now() / 60_000) * 60_000;
const FIRST = NOW - 240_000;
const SECOND = NOW - 120_000;

async function fill(running: Running): Promise<void> {
  const agent = (samples: number, lost: number) => [
    'stackwell.clock cpu-clock',
    `stackwell.samples ${samples}`,
    `stackwell.lost.map_full ${lost}`,
    'stackwell.unresolved.no_symbols 2',
    'stackwell.truncated 1',
    `stackwell.complete ${samples - 3}`,
    'stackwell.incomplete.depth 1',
    'stackwell.incomplete.no_table 2',
    `stackwell.frames ${samples * 10}`,
    `stackwell.named ${samples * 10 - 2}`,
    'stackwell.perfmap 1',
    'unrelated text',
  ];
  const sends: [name: string, time: number, Parameters<typeof pprof>[0]][] = [
    [
      'api{host=h1,deploy=v1}',
      FIRST,
      {
        samples: [
          { stack: ['parse', 'handle', 'main'], values: [1], labels: { pid: '1', thread_name: 'worker' } },
          { stack: ['parse', 'handle', 'main'], values: [2], labels: { pid: '2', thread_name: 'worker' } },
          { stack: ['handle', 'main'], values: [4], labels: { pid: '1' } },
        ],
        comments: agent(7, 3),
      },
    ],
    [
      'api{host=h1,deploy=v2}',
      SECOND,
      {
        samples: [
          { stack: ['render', 'handle', 'main'], values: [8], labels: { pid: '1', thread_name: 'io' } },
        ],
        comments: agent(8, 5),
      },
    ],
    [
      'db{host=h1}',
      FIRST,
      { samples: [{ stack: ['read', 'main'], values: [16], labels: { pid: '3' } }], comments: agent(16, 3) },
    ],
    // handle calls itself: its total counts once.
    [
      'db{host=h2}',
      SECOND,
      { samples: [{ stack: ['handle', 'handle', 'main'], values: [32] }], comments: agent(32, 9) },
    ],
  ];
  for (const [name, time, fixture] of sends) {
    const answer = await running.ingest(await pprof({ ...fixture, time }), { name });
    expect(answer.status).toBe(200);
  }
}

interface Flame {
  functions: { name: string[]; module: string[]; file: string[] };
  depth: number[];
  start: number[];
  total: number[];
  self: number[];
  function: number[];
}

/** `root;a;b` → [total, self]. */
function paths({ functions, depth, total, self, function: row }: Flame): Record<string, [number, number]> {
  const path: string[] = [];
  return Object.fromEntries(
    depth.map((level, node) => {
      path.length = level;
      path.push(functions.name[row[node]!]!);
      return [path.join(';'), [total[node]!, self[node]!]];
    }),
  );
}

describe('questions', () => {
  let running: Running;
  beforeAll(async () => {
    running = await server();
    await fill(running);
  });
  afterAll(() => running.stop());

  const sum = async (query: string, more: Record<string, string> = {}): Promise<number> =>
    (await running.json('/api/v1/flamegraph', { query, ...more })).sum;

  it('compares two selections, each in its own numbers', async () => {
    const parameters = {
      left_query: '{deploy="v1"}',
      right_query: '{deploy="v2"}',
      query: '{service_name="db"}',
    };
    const diff = await running.json('/api/v1/diff', parameters);
    const { functions, depth, function: rows } = diff;
    const of = (side: { total: number[]; self: number[] }) =>
      paths({ functions, depth, function: rows, start: [], ...side });
    expect(of(diff.left)).toMatchObject({
      total: [7, 0],
      'total;main;handle': [7, 4],
      'total;main;handle;parse': [3, 3],
      'total;main;handle;render': [0, 0],
    });
    expect(of(diff.right)).toMatchObject({ total: [8, 0], 'total;main;handle;render': [8, 8] });
    expect([diff.left.sum, diff.right.sum, diff.left.profiles, diff.right.profiles]).toEqual([7, 8, 1, 1]);
    expect([diff.left.stats.samples, diff.right.stats.samples]).toEqual([7, 8]);
    // Without one of its own, a side has what both have.
    const same = await running.json('/api/v1/diff', {
      query: '{service_name="db"}',
      right_query: '{host="h2"}',
    });
    expect([same.left.sum, same.right.sum]).toEqual([48, 32]);
    const windows = await running.json('/api/v1/diff', {
      query: '{service_name="api"}',
      left_from: String(FIRST),
      left_until: String(SECOND),
      right_from: String(SECOND),
      right_until: String(NOW),
    });
    expect([windows.left.sum, windows.right.sum]).toEqual([7, 8]);
    const unlike = await running.json('/api/v1/diff', { left_query: '{pid="1"}', right_query: '{pid="2"}' });
    expect([unlike.left.sum, unlike.right.sum]).toEqual([13, 2]);
  });

  it('answers with a flame graph in columns', async () => {
    const flame = await running.json('/api/v1/flamegraph', { query: '{service_name="api"}' });
    expect(flame).toMatchObject({
      type: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
      unit: 'nanoseconds',
      profiles: 2,
      sum: 15,
      omittedNodes: 0,
      limited: false,
      warnings: [],
    });
    expect(paths(flame)).toEqual({
      total: [15, 0],
      'total;main': [15, 0],
      'total;main;handle': [15, 4],
      'total;main;handle;parse': [3, 3],
      'total;main;handle;render': [8, 8],
    });
    const parse = flame.functions.name.indexOf('parse');
    expect([flame.functions.file[parse], flame.functions.module[parse]]).toEqual(['parse.c', 'app']);
    // Children lie inside their parent, side by side.
    const { depth, start, total } = flame as Flame;
    for (let node = 1; node < depth.length; node++) {
      let parent = node - 1;
      while (depth[parent]! >= depth[node]!) parent--;
      expect(start[node]).toBeGreaterThanOrEqual(start[parent]!);
      expect(start[node]! + total[node]!).toBeLessThanOrEqual(start[parent]! + total[parent]!);
    }
  });

  it('selects by labels of profiles, by labels of samples, by both, and by time', async () => {
    expect(await sum('{}')).toBe(63);
    expect(await sum('')).toBe(63);
    expect(await sum('{service_name=~"a.*", deploy!="v1"}')).toBe(8);
    expect(await sum('{pid="1"}')).toBe(1 + 4 + 8);
    expect(await sum('{pid=~"1|3"}')).toBe(1 + 4 + 8 + 16);
    expect(await sum('{pid!="1"}')).toBe(2 + 16 + 32);
    expect(await sum('{pid=""}')).toBe(32);
    expect(await sum('{pid="1", thread_name!~"work.*", service_name="api"}')).toBe(4 + 8);
    expect(await sum('{pid="99"}')).toBe(0);
    expect(await sum('{}', { from: String(FIRST), until: String(SECOND) })).toBe(7 + 16);
    expect(await sum('{}', { from: new Date(SECOND).toISOString() })).toBe(8 + 32);
    expect(await sum('{}', { until: new Date(FIRST).toISOString() })).toBe(0);
  });

  it('takes a name that only samples have as one of samples', async () => {
    const time = NOW - 60_000;
    const samples = [
      { stack: ['a'], values: [100], labels: { endpoint: '/x' } },
      { stack: ['b'], values: [200], labels: { endpoint: '/y' } },
    ];
    const types: [string, string][] = [['wall', 'nanoseconds']];
    await running.ingest(await pprof({ samples, time, types }), { name: 'web' });
    const type = 'wall:wall:nanoseconds:wall:nanoseconds';
    expect(await sum('{endpoint="/x"}', { type })).toBe(100);
    expect(await sum('{endpoint!="/x"}', { type })).toBe(200);
    const { names, sampleNames } = await running.json('/api/v1/labels', { type });
    expect([names, sampleNames]).toEqual([['service_name'], ['endpoint']]);
    expect((await running.json('/api/v1/labels/endpoint/values', { type })).values).toEqual(['/x', '/y']);
    expect((await running.json('/api/v1/labels/endpoint/values', { type, limit: '1' })).omitted).toBe(1);
  });

  it('counts what is lost once for a host and window, and everything else by profile', async () => {
    const { stats } = await running.json('/api/v1/top');
    expect(stats).toEqual({
      samples: 7 + 8 + 16 + 32,
      complete: 63 - 12,
      incomplete: { depth: 4, no_table: 8 },
      truncated: 4,
      frames: 630,
      named: 622,
      lost: { map_full: 3 + 5 + 9 },
      unresolved: { no_symbols: 8 },
      perfmap: 4,
      late: {},
      clocks: ['cpu-clock'],
    });
  });

  it('says the same of how much is whole and named in every format that has room for it', async () => {
    const { stats } = await running.json('/api/v1/top');
    expect((await running.json('/api/v1/flamegraph')).stats).toEqual(stats);
    const bytes = new Uint8Array(await (await running.get('/api/v1/pprof')).arrayBuffer());
    const { comments, strings } = await decode(bytes);
    const { clock, ...coverage } = readComments([...comments].map(row => strings[row]!));
    // Nothing was named late: that is said in words of its own.
    expect({ ...coverage, late: {}, clocks: [clock] }).toEqual(stats);
  });

  it('makes shares of sums, and takes none from profiles that do not tell', async () => {
    const time = NOW - 30_000;
    const agent = (...comments: string[]) => comments.map(text => `stackwell.${text}`);
    const sends = [
      agent('samples 1000', 'complete 1000', 'frames 9000', 'named 9000'),
      agent('samples 10', 'incomplete.jit 10', 'frames 1000', 'named 500', 'unresolved.jit_unknown 500'),
      // As the agent wrote before it counted these.
      agent('samples 5000', 'truncated 70', 'unresolved.no_symbols 4000'),
      [],
    ];
    for (const [i, comments] of sends.entries())
      await running.ingest(
        await pprof({ samples: [{ stack: ['a'], values: [i] }], types: [['sums', 'count']], time, comments }),
        { name: `sums{host=s${i}}` },
      );
    const { stats } = await running.json('/api/v1/top', { type: 'sums:sums:count:sums:count' });
    expect(stats).toMatchObject({ samples: 6010, truncated: 70, unresolved: { jit_unknown: 500 } });
    expect(coverageLines(stats)).toEqual([
      '99.0 % of samples reach the root; 0.99 % jit',
      '95.0 % of frames named; 5.0 % jit_unknown',
    ]);
  });

  it('ranks functions; recursion counts once', async () => {
    const top = await running.json('/api/v1/top');
    const rows = Object.fromEntries(
      top.functions.name.map((name: string, row: number) => [name, [top.self[row], top.total[row]]]),
    );
    expect(rows).toEqual({ handle: [36, 47], read: [16, 16], render: [8, 8], parse: [3, 3], main: [0, 63] });
    expect(top.functions.name).toEqual(['handle', 'read', 'render', 'parse', 'main']);
    const short = await running.json('/api/v1/top', { limit: '2' });
    expect([short.functions.name, short.omitted, short.sum]).toEqual([['handle', 'read'], 3, 63]);
  });

  it('ranks functions by groups', async () => {
    const top = await running.json('/api/v1/top', { group_by: 'service_name,deploy' });
    const groups = top.groups.map((group: { labels: object; sum: number; functions: { name: string[] } }) => [
      group.labels,
      group.sum,
      group.functions.name[0],
    ]);
    expect(groups).toEqual([
      [{ service_name: 'db', deploy: '' }, 48, 'handle'],
      [{ service_name: 'api', deploy: 'v2' }, 8, 'render'],
      [{ service_name: 'api', deploy: 'v1' }, 7, 'handle'],
    ]);
    expect(top.sum).toBe(63);
  });

  it('draws timelines, whole, by groups, and of rows', async () => {
    const range = { from: String(FIRST), until: String(NOW), step: '1m' };
    const all = await running.json('/api/v1/timeline', range);
    expect(all).toMatchObject({
      step: 60_000,
      profiles: 4,
      series: [{ labels: {}, times: [FIRST, SECOND], totals: [23, 40] }],
    });
    const groups = await running.json('/api/v1/timeline', { ...range, group_by: 'service_name' });
    expect(groups.series).toEqual([
      { labels: { service_name: 'db' }, times: [FIRST, SECOND], totals: [16, 32] },
      { labels: { service_name: 'api' }, times: [FIRST, SECOND], totals: [7, 8] },
    ]);
    const rows = await running.json('/api/v1/timeline', {
      ...range,
      query: '{pid="1"}',
      group_by: 'service_name',
    });
    expect(rows.series).toEqual([
      { labels: { service_name: 'api' }, times: [FIRST, SECOND], totals: [5, 8] },
    ]);
    expect((await running.json('/api/v1/timeline', { from: 'now-15m' })).step).toBe(10_000);
    expect((await running.json('/api/v1/timeline', { from: 'now-1d' })).step).toBe(440_000);
  });

  it('gives every question the same sum', async () => {
    for (const query of ['{}', '{service_name="api"}', '{pid="1"}', '{thread_name=~"w.*|io"}', '{pid=""}']) {
      const whole = await sum(query);
      const top = await running.json('/api/v1/top', { query });
      const { series } = await running.json('/api/v1/timeline', { query });
      const folded = await (await running.get('/api/v1/flamegraph', { query, format: 'folded' })).text();
      expect(top.sum).toBe(whole);
      expect(top.self.reduce((all: number, one: number) => all + one, 0)).toBe(whole);
      const totals: number[] = series.flatMap((one: { totals: number[] }) => one.totals);
      expect(totals.reduce((all, one) => all + one, 0)).toBe(whole);
      const lines = folded
        .trimEnd()
        .split('\n')
        .filter(line => line !== '');
      expect(lines.reduce((all, line) => all + Number(line.slice(line.lastIndexOf(' '))), 0)).toBe(whole);
    }
  });

  it('writes sums as exact integers, however large', async () => {
    const huge = 2n ** 53n + 1n;
    const types: [string, string][] = [['bytes', 'bytes']];
    await running.ingest(await pprof({ samples: [{ stack: ['a'], values: [huge] }], types }), {
      name: 'huge',
    });
    const type = 'bytes:bytes:bytes:bytes:bytes';
    const answer = await (await running.get('/api/v1/top', { type })).text();
    expect(answer).toContain(`"sum":${huge},`);
  });

  it('folds small nodes and says how many', async () => {
    const samples = Array.from({ length: 100 }, (_, at) => ({ stack: [`f${at}`, 'root'], values: [at + 1] }));
    const types: [string, string][] = [['many', 'count']];
    await running.ingest(await pprof({ samples, types }), { name: 'many' });
    const flame = await running.json('/api/v1/flamegraph', {
      type: 'many:many:count:many:count',
      max_nodes: '16',
    });
    expect(flame.depth.length).toBeLessThanOrEqual(16);
    expect(flame.omittedNodes).toBeGreaterThanOrEqual(86);
    expect(flame.sum).toBe(5050);
    expect(flame.functions.name).toContain('other');
  });

  it('says what is wrong with a question, and where', async () => {
    const cases: [Record<string, string>, number, string, number?][] = [
      [{ query: '{service_name="a"' }, 400, 'SW_QUERY_INVALID', 17],
      [{ query: '{a="b", c}' }, 400, 'SW_QUERY_INVALID', 9],
      [{ query: '{a=~"("}' }, 400, 'SW_QUERY_INVALID', 4],
      [{ from: 'yesterday' }, 400, 'SW_TIME_INVALID', 0],
      [{ from: 'now-5x' }, 400, 'SW_TIME_INVALID', 4],
      [{ from: 'now', until: 'now-5m' }, 400, 'SW_TIME_INVALID', 0],
      [{ type: 'cpu' }, 400, 'SW_REQUEST_INVALID'],
      [{ max_nodes: '1' }, 400, 'SW_REQUEST_INVALID'],
      [{ max_nodes: '999999999' }, 400, 'SW_REQUEST_INVALID'],
      [{ format: 'png' }, 400, 'SW_REQUEST_INVALID'],
    ];
    for (const [parameters, status, code, position] of cases) {
      const answer = await running.get('/api/v1/flamegraph', parameters);
      const body = (await answer.json()) as { code: string; position?: number; fix: string };
      expect([parameters, answer.status, body.code, body.position]).toEqual([
        parameters,
        status,
        code,
        position,
      ]);
      expect(body.fix).not.toBe('');
    }
    expect(await failure(await running.get('/api/v1/timeline', { step: '1', from: 'now-30d' }))).toEqual({
      status: 400,
      code: 'SW_REQUEST_INVALID',
    });
    expect(await failure(await running.get('/api/v1/nothing'))).toEqual({
      status: 404,
      code: 'SW_NOT_FOUND',
    });
  });

  it('answers the same question of many clients alike', async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, () => running.json('/api/v1/top')));
    for (const { self, functions } of answers)
      expect([self, functions]).toEqual([answers[0].self, answers[0].functions]);
  });
});

describe('questions at their limits', () => {
  it('merges no more than limits.queryProfiles, and says so', async () => {
    const running = await server({ limits: { queryProfiles: 3 } });
    try {
      await fill(running);
      for (const path of ['top', 'flamegraph']) {
        const answer = await running.json(`/api/v1/${path}`);
        expect([answer.profiles, answer.limited]).toEqual([3, true]);
        expect(answer.warnings).toHaveLength(1);
      }
      const rows = await running.json('/api/v1/timeline', { query: '{pid!="77"}' });
      expect([rows.profiles, rows.limited]).toEqual([3, true]);
      const folded = await running.get('/api/v1/flamegraph', { format: 'folded' });
      expect(JSON.parse(folded.headers.get('x-stackwell-warnings')!)).toHaveLength(1);
    } finally {
      await running.stop();
    }
  });
});
