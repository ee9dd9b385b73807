// SPDX-License-Identifier: Apache-2.0
// querier.v1.QuerierService as a Connect client sees it, in protobuf and in JSON, over every protocol.
import { execFile } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { create, fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  ProfileFormat,
  QuerierService,
  SelectMergeStacktracesRequestSchema,
  SelectMergeStacktracesResponseSchema,
} from '../../src/server/gen/querier/v1/querier_pb.js';
import { TimeSeriesAggregationType } from '../../src/server/gen/types/v1/types_pb.js';
import { pprof, type Running, server } from './fixtures.js';
import { CPU, FIRST, fill, NOW, paths, SECOND, SPAN, TRACE, WALL } from './querier-data.js';

const RANGE = { start: BigInt(FIRST - 1000), end: BigInt(NOW) };

const failure = (promise: Promise<unknown>): Promise<[string, string]> =>
  promise.then(
    () => {
      throw new Error('it was answered');
    },
    thrown => {
      const error = ConnectError.from(thrown);
      return [Code[error.code]!, /SW_[A-Z_]+/.exec(error.rawMessage)?.[0] ?? ''] as [string, string];
    },
  );

let running: Running;
beforeAll(async () => {
  running = await server();
  await fill(running);
});
afterAll(() => running.stop());

const transports = {
  'Connect, protobuf': (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  'Connect, JSON': (baseUrl: string) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
  'gRPC-Web, JSON': (baseUrl: string) =>
    createGrpcWebTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
};

describe.each(Object.entries(transports))('querier.v1.QuerierService over %s', (_, transport) => {
  let client: Client<typeof QuerierService>;
  beforeAll(() => {
    client = createClient(QuerierService, transport(running.url));
  });
  const merge = (labelSelector: string, more: object = {}) =>
    client.selectMergeStacktraces({ profileTypeID: CPU, labelSelector, ...RANGE, ...more });

  it('lists types, with and without a range', async () => {
    const all = await client.profileTypes({});
    expect(all.profileTypes.map(({ ID }) => ID)).toEqual([CPU, WALL]);
    expect(all.profileTypes[0]).toMatchObject({
      name: 'process_cpu',
      sampleType: 'cpu',
      sampleUnit: 'nanoseconds',
      periodType: 'cpu',
      periodUnit: 'nanoseconds',
    });
    const early = await client.profileTypes({ start: BigInt(FIRST), end: BigInt(FIRST) });
    expect(early.profileTypes.map(({ ID }) => ID)).toEqual([CPU]);
  });

  it('lists names and values of labels, private ones among them', async () => {
    const { names } = await client.labelNames({ matchers: ['{service_name="api"}'], ...RANGE });
    expect(names).toEqual([
      '__name__',
      '__period_type__',
      '__period_unit__',
      '__profile_type__',
      '__service_name__',
      '__type__',
      '__unit__',
      'deploy',
      'host',
      'pid',
      'service_name',
    ]);
    const values = async (name: string, ...matchers: string[]) =>
      (await client.labelValues({ name, matchers, ...RANGE })).names;
    expect(await values('service_name')).toEqual(['api', 'db', 'web']);
    expect(await values('__service_name__', `{__profile_type__="${WALL}"}`)).toEqual(['web']);
    expect(await values('service_name', '{__name__=~"process_.*"}')).toEqual(['api', 'db']);
    expect(await values('service_name', '{__unit__!="nanoseconds"}')).toEqual([]);
    expect(await values('__profile_type__', '{service_name="web"}')).toEqual([WALL]);
    expect(await values('__type__')).toEqual(['cpu', 'wall']);
    expect(await values('pid', '{deploy="v1"}', '{host="h1"}')).toEqual(['1', '2']);
  });

  it('lists series', async () => {
    const series = async (labelNames: string[], ...matchers: string[]) =>
      (await client.series({ labelNames, matchers, ...RANGE })).labelsSet.map(({ labels }) =>
        Object.fromEntries(labels.map(({ name, value }) => [name, value])),
      );
    expect(await series(['service_name', '__profile_type__'])).toEqual([
      { service_name: 'api', __profile_type__: CPU },
      { service_name: 'db', __profile_type__: CPU },
      { service_name: 'web', __profile_type__: WALL },
    ]);
    expect(await series(['__profile_type__'])).toEqual([
      { __profile_type__: CPU },
      { __profile_type__: WALL },
    ]);
    expect(await series(['deploy'], '{service_name="api"}')).toEqual([{ deploy: 'v1' }, { deploy: 'v2' }]);
    expect(await series([], '{service_name="web"}')).toEqual([
      {
        __name__: 'wall',
        __period_type__: 'wall',
        __period_unit__: 'nanoseconds',
        __profile_type__: WALL,
        __service_name__: 'web',
        __type__: 'wall',
        __unit__: 'nanoseconds',
        service_name: 'web',
      },
    ]);
  });

  it('merges into a flame graph', async () => {
    const { flamegraph } = await merge('{service_name="api"}');
    expect(flamegraph).toMatchObject({ total: 15n, maxSelf: 8n });
    expect(flamegraph!.names[0]).toBe('total');
    expect(flamegraph!.levels[0]!.values).toEqual([0n, 15n, 0n, 0n]);
    expect(paths(flamegraph!)).toEqual({
      total: [15, 0],
      'total;main': [15, 0],
      'total;main;handle': [15, 4],
      'total;main;handle;parse': [3, 3],
      'total;main;handle;render': [8, 8],
    });
    const none = (await merge('{service_name="none"}')).flamegraph!;
    expect([none.names, none.levels[0]!.values, none.total]).toEqual([['total'], [0n, 0n, 0n, 0n], 0n]);
  });

  it('selects by time with both ends, by labels of samples, by private labels, by spans and traces', async () => {
    const sum = async (selector: string, more: object = {}) =>
      Number((await merge(selector, more)).flamegraph!.total);
    expect(await sum('{}')).toBe(63);
    expect(await sum('')).toBe(63);
    expect(await sum('{}', { start: BigInt(FIRST), end: BigInt(SECOND) })).toBe(63);
    expect(await sum('{}', { start: BigInt(FIRST), end: BigInt(SECOND - 1) })).toBe(23);
    expect(await sum('{}', { start: BigInt(FIRST + 1), end: BigInt(SECOND) })).toBe(40);
    expect(await sum('{pid=~"1|3", __service_name__="api"}')).toBe(13);
    expect(await sum('{__type__="cpu"}')).toBe(63);
    expect(await sum('{__type__="wall"}')).toBe(0);
    expect(await sum('{}', { profileTypeID: `${CPU}:delta` })).toBe(63);
    expect(await sum('{}', { spanSelector: [SPAN, '0000000000000001'] })).toBe(1);
    expect(await sum('{}', { traceIdSelector: [TRACE.toUpperCase()] })).toBe(2);
    const span = await client.selectMergeSpanProfile({
      ...{ profileTypeID: CPU, labelSelector: '{}', ...RANGE, spanSelector: [SPAN] },
    });
    expect(paths(span.flamegraph!)).toEqual({
      total: [1, 0],
      'total;main': [1, 0],
      'total;main;handle': [1, 0],
      'total;main;handle;parse': [1, 1],
    });
  });

  it('shows what is below a call site', async () => {
    const callSite = (...names: string[]) => ({
      stackTraceSelector: { callSite: names.map(name => ({ name })) },
    });
    const { flamegraph } = await merge('{}', callSite('main', 'handle', 'parse'));
    expect(flamegraph!.total).toBe(3n);
    expect(paths(flamegraph!)).toEqual({
      total: [3, 0],
      'total;main': [3, 0],
      'total;main;handle': [3, 0],
      'total;main;handle;parse': [3, 3],
    });
    expect((await merge('{}', callSite('handle'))).flamegraph!.total).toBe(0n);
    const handle = (await merge('{}', callSite('main', 'handle'))).flamegraph!;
    expect(paths(handle)).toMatchObject({
      'total;main;handle': [47, 4],
      'total;main;handle;handle': [32, 32],
    });
    const { pprof: part } = await merge('{}', {
      ...callSite('main', 'handle', 'parse'),
      format: ProfileFormat.PPROF,
    });
    expect(part!.profile!.sample.map(({ value }) => value)).toEqual([[3n]]);
  });

  it('gives the same sum in every format', async () => {
    const { pprof: inside } = await merge('{}', { format: ProfileFormat.PPROF });
    const outside = await client.selectMergeProfile({ profileTypeID: CPU, labelSelector: '{}', ...RANGE });
    for (const profile of [inside!.profile!, outside]) {
      expect(profile.sample.reduce((sum, { value }) => sum + value[0]!, 0n)).toBe(63n);
      const strings = profile.stringTable;
      expect(
        profile.sampleType.map(({ type, unit }) => [strings[Number(type)], strings[Number(unit)]]),
      ).toEqual([['cpu', 'nanoseconds']]);
      expect(profile.function.map(({ name }) => strings[Number(name)]).sort()).toEqual([
        ...['handle', 'main', 'parse', 'read', 'render'],
      ]);
    }
    const { tree } = await merge('{service_name="api"}', { format: ProfileFormat.TREE });
    const names = [
      ...Buffer.from(tree)
        .toString('latin1')
        .matchAll(/[a-z]{4,}/g),
    ].map(match => match[0]);
    expect(names).toEqual(['main', 'handle', 'parse', 'render']);
    // main: its name, nothing of its own, one child; handle: 4, two children.
    expect([...tree.subarray(0, 11)]).toEqual([0, 0, 1, 4, ...Buffer.from('main'), 0, 1, 6]);
    expect([...tree.subarray(17, 19)]).toEqual([4, 2]);
    const { dot } = await merge('{service_name="api"}', { format: ProfileFormat.DOT });
    expect(dot).toMatch(/^digraph .*\{\n/);
    expect(dot).toContain('handle\\n4 ns (26.7 %)\\nof 15 ns (100 %)');
    const edge = /(N\d+) \[label="handle[\s\S]*(N\d+) \[label="render/.exec(dot)!;
    expect(dot).toContain(`${edge[1]} -> ${edge[2]} [label="8 ns"`);
  });

  it('folds small nodes', async () => {
    const { flamegraph } = await merge('{service_name="api"}', { maxNodes: 4n });
    expect(flamegraph!.total).toBe(15n);
    expect(flamegraph!.names).toContain('other');
    expect(flamegraph!.levels.reduce((sum, { values }) => sum + values.length / 4, 0)).toBeLessThanOrEqual(4);
  });

  it('diffs', async () => {
    const side = (labelSelector: string) => ({ profileTypeID: CPU, labelSelector, ...RANGE });
    const { flamegraph } = await client.diff({ left: side('{deploy="v1"}'), right: side('{deploy="v2"}') });
    expect(flamegraph).toMatchObject({ total: 15n, leftTicks: 7n, rightTicks: 8n, maxSelf: 8n });
    expect(flamegraph!.levels[0]!.values).toEqual([0n, 7n, 0n, 0n, 8n, 0n, 0n]);
    expect(paths(flamegraph!, 7)).toEqual({
      total: [7, 0, 8, 0],
      'total;main': [7, 0, 8, 0],
      'total;main;handle': [7, 4, 8, 0],
      'total;main;handle;parse': [3, 3, 0, 0],
      'total;main;handle;render': [0, 0, 8, 8],
    });
  });

  it('diffs selections of samples, each its own', async () => {
    const side = (labelSelector: string, more: object = {}) => ({
      profileTypeID: CPU,
      labelSelector,
      ...RANGE,
      ...more,
    });
    const callSite = { stackTraceSelector: { callSite: [{ name: 'main' }, { name: 'handle' }] } };
    const { flamegraph } = await client.diff({
      left: side('{pid="1"}', callSite),
      right: side('{service_name="api"}', { ...callSite, spanSelector: [SPAN] }),
    });
    expect(paths(flamegraph!, 7)).toEqual({
      total: [13, 0, 1, 0],
      'total;main': [13, 0, 1, 0],
      'total;main;handle': [13, 4, 1, 0],
      'total;main;handle;parse': [1, 1, 1, 1],
      'total;main;handle;render': [8, 8, 0, 0],
    });
  });

  it('sums over time, in steps that end at start, start + step, …', async () => {
    const ask = async (more: object) =>
      (
        await client.selectSeries({
          ...{ profileTypeID: CPU, labelSelector: '{}', step: 60, ...more },
          start: BigInt(FIRST),
          end: BigInt(NOW),
        })
      ).series.map(({ labels, points }) => [
        Object.fromEntries(labels.map(({ name, value }) => [name, value])),
        points.map(({ timestamp, value }) => [Number(timestamp) - FIRST, value]),
      ]);
    expect(await ask({})).toEqual([
      [
        {},
        [
          [0, 23],
          [120_000, 40],
        ],
      ],
    ]);
    // What starts a millisecond after a point belongs to the next one.
    const { series } = await client.selectSeries({
      ...{ profileTypeID: CPU, labelSelector: '{}', step: 60 },
      ...{ start: BigInt(FIRST - 1), end: BigInt(NOW) },
    });
    expect(series[0]!.points.map(({ timestamp, value }) => [Number(timestamp) - FIRST, value])).toEqual([
      [59_999, 23],
      [179_999, 40],
    ]);
    expect(await ask({ groupBy: ['service_name'] })).toEqual([
      [
        { service_name: 'db' },
        [
          [0, 16],
          [120_000, 32],
        ],
      ],
      [
        { service_name: 'api' },
        [
          [0, 7],
          [120_000, 8],
        ],
      ],
    ]);
    expect(await ask({ groupBy: ['service_name', '__type__'], limit: 1n })).toMatchObject([
      [
        { service_name: 'db', __type__: 'cpu' },
        [
          [0, 16],
          [120_000, 32],
        ],
      ],
    ]);
    expect(await ask({ groupBy: ['pid'], labelSelector: '{service_name="api"}' })).toEqual([
      [
        { pid: '1' },
        [
          [0, 5],
          [120_000, 8],
        ],
      ],
      [{ pid: '2' }, [[0, 2]]],
    ]);
    expect(await ask({ groupBy: ['span_id'], labelSelector: '{service_name="api"}' })).toEqual([
      [
        {},
        [
          [0, 6],
          [120_000, 8],
        ],
      ],
      [{ span_id: SPAN }, [[0, 1]]],
    ]);
    const aggregation = TimeSeriesAggregationType.AVERAGE;
    expect(await ask({ aggregation })).toEqual([
      [
        {},
        [
          [0, 11.5],
          [120_000, 20],
        ],
      ],
    ]);
  });

  it('names the largest profile of a point, which can be asked for alone', async () => {
    const { series } = await client.selectSeries({
      ...{ profileTypeID: CPU, labelSelector: '{}', step: 60, groupBy: ['service_name'], exemplarType: 2 },
      ...RANGE,
    });
    const exemplars = series.flatMap(({ points }) => points.flatMap(one => one.exemplars));
    expect(exemplars.map(({ value }) => value).sort()).toEqual([16n, 32n, 7n, 8n]);
    const db = exemplars.find(({ value }) => value === 32n)!;
    expect(db.labels.map(({ name, value }) => [name, value])).toEqual([['host', 'h2']]);
    const { flamegraph } = await merge('{}', { profileIdSelector: [db.profileId] });
    expect(flamegraph!.total).toBe(32n);
    const { series: heat } = await client.selectHeatmap({
      ...{ profileTypeID: CPU, labelSelector: '{}', step: 120, queryType: 1, exemplarType: 2 },
      ...{ start: BigInt(FIRST), end: BigInt(NOW) },
    });
    expect(heat).toHaveLength(1);
    const counts = heat[0]!.slots.map(({ timestamp, counts, yMin, exemplars }) => [
      Number(timestamp) - FIRST,
      Object.fromEntries(
        counts.map((count, row) => [yMin[row], count] as const).filter(([, count]) => count > 0),
      ),
      exemplars.map(({ value }) => Number(value)),
    ]);
    // From 7 to 32 in 20 rows: 1.25 each, cut to whole numbers.
    expect(counts).toEqual([
      [0, { 7: 1, 15: 1 }, [7, 16]],
      [120_000, { 8: 1, 30: 1 }, [8, 32]],
    ]);
  });

  it('tells since when there are profiles', async () => {
    const stats = await client.getProfileStats({});
    expect(stats).toMatchObject({
      dataIngested: true,
      oldestProfileTime: BigInt(FIRST),
      newestProfileTime: BigInt(SECOND),
    });
    expect((await client.analyzeQuery({ query: '{}' })).queryScopes).toEqual([]);
  });

  it('says what is wrong', async () => {
    const bad = (more: object) => failure(merge('{}', more));
    const invalid = (code: string) => ['InvalidArgument', code];
    expect(await bad({ start: 0n, end: 0n })).toEqual(invalid('SW_TIME_INVALID'));
    expect(await bad({ start: RANGE.end, end: RANGE.start })).toEqual(invalid('SW_TIME_INVALID'));
    expect(await bad({ end: 2n ** 62n })).toEqual(invalid('SW_TIME_INVALID'));
    expect(await bad({ profileTypeID: 'cpu' })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await bad({ labelSelector: '{a="b"' })).toEqual(invalid('SW_QUERY_INVALID'));
    expect(await bad({ labelSelector: '{a=~"("}' })).toEqual(invalid('SW_QUERY_INVALID'));
    expect(await bad({ maxNodes: 1n << 40n })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await bad({ maxNodes: -1n })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await bad({ spanSelector: ['.*'] })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await bad({ spanSelector: [SPAN], traceIdSelector: [TRACE] })).toEqual(
      invalid('SW_REQUEST_INVALID'),
    );
    expect(await bad({ profileIdSelector: ['x'] })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await bad({ async: { type: 1 } })).toEqual(['Unimplemented', '']);
    const series = (more: object) =>
      failure(client.selectSeries({ profileTypeID: CPU, labelSelector: '{}', step: 15, ...RANGE, ...more }));
    expect(await series({ step: 0 })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await series({ step: Number.NaN })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await series({ step: 0.001 })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await series({ groupBy: ['pid', 'thread_name'] })).toEqual(invalid('SW_REQUEST_INVALID'));
    expect(await failure(client.labelNames({}))).toEqual(invalid('SW_TIME_INVALID'));
    expect(await failure(client.labelValues({ ...RANGE }))).toEqual(invalid('SW_REQUEST_INVALID'));
    const side = (labelSelector: string, profileTypeID = CPU) => ({ profileTypeID, labelSelector, ...RANGE });
    expect(await failure(client.diff({ left: side('{}') }))).toEqual(invalid('SW_TIME_INVALID'));
    expect(await failure(client.diff({ left: side('{}'), right: side('{}', WALL) }))).toEqual(
      invalid('SW_REQUEST_INVALID'),
    );
  });
});

it('answers requests as Profiles Drilldown writes them', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  const ask = async (method: string, body: object): Promise<any> => {
    const answer = await fetch(`${running.url}/querier.v1.QuerierService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect([method, answer.status]).toEqual([method, 200]);
    return answer.json();
  };
  const [start, end] = [FIRST - 60_000, NOW];
  expect((await ask('GetProfileStats', {})).dataIngested).toBe(true);
  const series = await ask('Series', {
    start,
    end,
    labelNames: ['service_name', '__profile_type__'],
    matchers: [],
  });
  expect(series.labelsSet).toHaveLength(3);
  // `type{}` becomes this, comma and all.
  const matchers = [`{__profile_type__="${CPU}", }`];
  expect((await ask('LabelNames', { matchers, start, end })).names).toContain('deploy');
  expect((await ask('LabelValues', { name: 'deploy', matchers, start, end })).names).toEqual(['v1', 'v2']);
  const profile = await ask('SelectMergeProfile', {
    ...{ profile_typeID: CPU, label_selector: '{service_name="api"}', start, end, maxNodes: 500 },
    stackTraceSelector: { call_site: [{ name: 'main' }, { name: 'handle' }, { name: 'render' }] },
  });
  expect(profile.sample.map((one: { value: string[] }) => one.value)).toEqual([['8']]);
  expect(await ask('AnalyzeQuery', { start, end, query: `${CPU}{}` })).toEqual({});
});

it('passes pprof through as it is', async () => {
  const answer = await fetch(`${running.url}/querier.v1.QuerierService/SelectMergeProfile`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: '*/*', 'accept-encoding': 'identity' },
    body: JSON.stringify({
      profile_typeID: CPU,
      label_selector: '{}',
      start: String(RANGE.start),
      end: Number(RANGE.end),
    }),
  });
  expect(answer.status).toBe(200);
  const json = (await answer.json()) as { sample: { value: string[] }[]; stringTable: string[] };
  expect(json.sample.reduce((sum, { value }) => sum + Number(value[0]), 0)).toBe(63);
  const raw = await createClient(
    QuerierService,
    createConnectTransport({ baseUrl: running.url, httpVersion: '1.1' }),
  ).selectMergeProfile({
    ...{ profileTypeID: CPU, labelSelector: '{}', ...RANGE },
  });
  expect(raw.stringTable).toEqual(json.stringTable);
});

it('answers with as much JSON as protobuf, which is made in a thread', async () => {
  const wide = await server();
  onTestFinished(() => wide.stop());
  const samples = Array.from({ length: 200_000 }, (_, row) => ({
    stack: [`leaf${row}`, `branch${row % 250}`, 'main'],
    values: [row],
  }));
  await wide.ingest(await pprof({ time: FIRST, samples }), { name: 'wide' });
  const request = create(SelectMergeStacktracesRequestSchema, {
    ...{ profileTypeID: CPU, labelSelector: '{}', ...RANGE },
    maxNodes: 250_000n,
  });
  /** The answer as curl gets it, and for how long the loop was held, which the server runs in. */
  const asked = async (type: string): Promise<{ answer: Buffer; held: number }> => {
    const body =
      type === 'json'
        ? toJsonString(SelectMergeStacktracesRequestSchema, request)
        : toBinary(SelectMergeStacktracesRequestSchema, request);
    const args = ['-sSf', '--compressed', '--data-binary', '@-', '-H', `content-type: application/${type}`];
    const url = `${wide.url}/querier.v1.QuerierService/SelectMergeStacktraces`;
    const before = performance.eventLoopUtilization();
    const asking = promisify(execFile)('curl', [...args, url], { maxBuffer: 1 << 26, encoding: 'buffer' });
    asking.child.stdin!.end(body);
    const { stdout } = await asking;
    return { answer: stdout, held: performance.eventLoopUtilization(before).active };
  };
  // Code is loaded with the first.
  await asked('proto');
  const binary = await asked('proto');
  const json = await asked('json');
  const expected = fromBinary(SelectMergeStacktracesResponseSchema, binary.answer);
  expect(expected.flamegraph!.names.length).toBeGreaterThan(200_000);
  expect(fromJsonString(SelectMergeStacktracesResponseSchema, json.answer.toString())).toEqual(expected);
  const began = performance.now();
  toJsonString(
    SelectMergeStacktracesResponseSchema,
    fromBinary(SelectMergeStacktracesResponseSchema, binary.answer),
  );
  const conversion = performance.now() - began;
  expect(json.held - binary.held).toBeLessThan(0.75 * conversion);

  for (const how of ['Connect, JSON', 'gRPC-Web, JSON'] as const)
    expect(
      await createClient(QuerierService, transports[how](wide.url)).selectMergeStacktraces(request),
    ).toEqual(expected);
});
