// SPDX-License-Identifier: Apache-2.0
// querier.v1 where it is not the common case: tenants, requests of any bytes, many nodes, and buckets of rollups.
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QuerierService } from '../../src/server/gen/querier/v1/querier_pb.js';
import { pointAt, pointsOf } from '../../src/server/querier/buckets.js';
import { renderStep, toTimeline } from '../../src/server/querier/render-timeline.js';
import { keptLevel, levelFor } from '../../src/server/query/timeline.js';
import { failure, pprof, type Running, server } from './fixtures.js';
import { CPU } from './querier-data.js';

async function post(running: Running, method: string, body: BodyInit, headers: Record<string, string>) {
  return fetch(`${running.url}/querier.v1.QuerierService/${method}`, { method: 'POST', body, headers });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const METHODS = [
  ...[
    'ProfileTypes',
    'LabelNames',
    'LabelValues',
    'Series',
    'SelectMergeStacktraces',
    'SelectMergeSpanProfile',
  ],
  ...['SelectMergeProfile', 'SelectSeries', 'SelectHeatmap', 'Diff', 'GetProfileStats', 'AnalyzeQuery'],
];

it('keeps tenants apart', async () => {
  const running = await server({ tenants: true });
  try {
    const samples = [{ stack: ['a'], values: [5] }];
    const sent = await running.ingest(await pprof({ samples }), { name: 'x' }, { 'x-scope-orgid': 'one' });
    expect(sent.status).toBe(200);
    const nobody = await post(running, 'GetProfileStats', '{}', JSON_TYPE);
    expect([nobody.status, nobody.headers.get('x-stackwell-error')]).toEqual([401, 'SW_TENANT_UNKNOWN']);
    for (const [tenant, dataIngested] of [
      ['one', true],
      ['two', undefined],
    ] as const) {
      const headers = { ...JSON_TYPE, 'x-scope-orgid': tenant };
      const stats = (await (await post(running, 'GetProfileStats', '{}', headers)).json()) as object;
      expect(stats).toEqual(dataIngested ? expect.objectContaining({ dataIngested }) : {});
      const types = (await (await post(running, 'ProfileTypes', '{}', headers)).json()) as {
        profileTypes?: unknown[];
      };
      expect(types.profileTypes?.length ?? 0).toBe(dataIngested ? 1 : 0);
    }
    expect((await running.get('/ready')).status).toBe(200);
    expect((await running.get('/api/v1/status/buildinfo')).status).toBe(200);
    expect(await failure(await running.get('/pyroscope/render', { query: CPU }))).toEqual({
      ...{ status: 401, code: 'SW_TENANT_UNKNOWN' },
    });
  } finally {
    await running.stop();
  }
});

describe('whatever is sent', () => {
  const strange = fc.oneof(
    fc.constantFrom(
      null,
      '',
      '-1',
      '0',
      '9223372036854775807',
      1e300,
      -1,
      [],
      {},
      true,
      '{}',
      '{a="b"}',
      CPU,
      '{pid!=""}',
    ),
    fc.string(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  );
  const keys = [
    ...[
      'profileTypeID',
      'labelSelector',
      'start',
      'end',
      'maxNodes',
      'format',
      'spanSelector',
      'traceIdSelector',
    ],
    ...[
      'profileIdSelector',
      'stackTraceSelector',
      'groupBy',
      'step',
      'aggregation',
      'limit',
      'exemplarType',
      'queryType',
    ],
    ...['matchers', 'labelNames', 'name', 'left', 'right', 'async'],
  ];
  const values = fc.oneof(
    strange,
    fc.array(strange, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...keys), strange),
  );
  const now = Date.now();
  const good = {
    profileTypeID: CPU,
    labelSelector: '{}',
    start: now - 60_000,
    end: now,
    step: 15,
    name: 'pid',
  };
  const request = fc.dictionary(fc.constantFrom(...keys), values, { maxKeys: 4 });

  it('is never an error of the server', { timeout: 120_000 }, async () => {
    const running = await server();
    try {
      const samples = [{ stack: ['a', 'b'], values: [5], labels: { pid: '1' } }];
      await running.ingest(await pprof({ samples }), { name: 'x{host=h}' });
      const check = async (method: string, body: BodyInit, type: string) => {
        const answer = await post(running, method, body, { 'content-type': type });
        const text = await answer.text();
        // 501: what is refused as not supported.
        expect([200, 400, 415, 501], `${method} ${String(body)}: ${text}`).toContain(answer.status);
      };
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...METHODS), request, fc.boolean(), (method, more, mixed) =>
          check(method, JSON.stringify(mixed ? { ...good, ...more } : more), 'application/json'),
        ),
        { numRuns: 400 },
      );
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...METHODS), fc.uint8Array({ maxLength: 200 }), (method, bytes) =>
          check(method, bytes as Uint8Array<ArrayBuffer>, 'application/proto'),
        ),
        { numRuns: 200 },
      );
      expect(running.logged.filter(line => line !== 'listening')).toEqual([]);
    } finally {
      await running.stop();
    }
  });
});

it('answers with as many nodes as are asked for', { timeout: 120_000 }, async () => {
  const running = await server();
  try {
    // 300 callers, each with 300 callees of its own: 90,300 nodes.
    const samples = Array.from({ length: 90_000 }, (_, at) => ({
      stack: [`leaf${at % 300}`, `caller${Math.floor(at / 300)}`, 'main'],
      values: [at + 1],
    }));
    await running.ingest(await pprof({ samples }), { name: 'wide' });
    const client = createClient(
      QuerierService,
      createConnectTransport({ baseUrl: running.url, httpVersion: '1.1' }),
    );
    const range = { start: BigInt(Date.now() - 60_000), end: BigInt(Date.now() + 60_000) };
    const { flamegraph } = await client.selectMergeStacktraces({
      ...{ profileTypeID: CPU, labelSelector: '{}', maxNodes: 1_000_000n, ...range },
    });
    expect(flamegraph!.levels.reduce((sum, { values }) => sum + values.length / 4, 0)).toBe(90_302);
    expect(flamegraph!.total).toBe(BigInt((90_000 * 90_001) / 2));
    // 18 MB of names are too much for JSON.
    const long = Array.from({ length: 90_000 }, (_, at) => ({
      stack: [`leaf${at}`.padEnd(200, 'x'), 'main'],
      values: [1],
    }));
    expect((await running.ingest(await pprof({ samples: long }), { name: 'long' })).status).toBe(200);
    const json = (service: string) => {
      const body = {
        ...{ profileTypeID: CPU, labelSelector: `{service_name="${service}"}`, maxNodes: '100000' },
        ...{ start: String(range.start), end: String(range.end) },
      };
      return post(running, 'SelectMergeStacktraces', JSON.stringify(body), JSON_TYPE);
    };
    expect((await json('wide')).status).toBe(200);
    const refused = await json('long');
    expect([refused.status, refused.headers.get('x-stackwell-error')]).toEqual([400, 'SW_REQUEST_INVALID']);
    const few = await client.selectMergeStacktraces({
      ...{ profileTypeID: CPU, labelSelector: '{service_name="wide"}', maxNodes: 100n, ...range },
      stackTraceSelector: { callSite: [{ name: 'main' }, { name: 'caller299' }] },
    });
    const sum = Array.from({ length: 300 }, (_, at) => 299 * 300 + at + 1).reduce((all, one) => all + one, 0);
    expect(few.flamegraph!.total).toBe(BigInt(sum));
    expect(few.flamegraph!.levels.reduce((nodes, { values }) => nodes + values.length / 4, 0)).toBeLessThan(
      110,
    );
  } finally {
    await running.stop();
  }
});

describe('buckets', () => {
  it('end with the points', () => {
    const points = pointsOf({ from: 1000, until: 1000 + 10_000 + 1 }, 3);
    expect(points).toMatchObject({
      stepMs: 3000,
      first: 1000,
      last: 10_000,
      range: { from: -1999, until: 10_001 },
    });
    expect([999, 1000, 1001, 4000, 4001].map(time => pointAt(points, time))).toEqual([
      1000, 1000, 4000, 4000, 7000,
    ]);
  });

  it('are made of rollups where these fit', () => {
    const level = (stepMs: number, origin: number, exact = false) =>
      levelFor({ stepMs, origin, endsIncluded: true, exact });
    expect(level(15_000, 0)).toBe(0);
    expect(level(60_000, 0)).toBe(60);
    expect(level(60_000, 1)).toBe(0);
    expect(level(240_000, 1)).toBe(60);
    expect(level(250_000, 1)).toBe(0);
    expect(level(3_600_000, 600_000)).toBe(600);
    expect(level(86_400_000, 0)).toBe(86_400);
    expect(level(86_400_000, 0, true)).toBe(0);
  });

  it('are made of what is still kept', () => {
    const day = 86_400_000;
    const ages = { 0: 7 * day, 60: 14 * day, 600: 60 * day, 3600: 90 * day, 86400: 400 * day };
    const from = (level: number, days: number) => keptLevel(level, 1000 * day - days * day, ages, 1000 * day);
    expect([from(0, 6), from(60, 14), from(0, 8), from(60, 15), from(600, 80), from(0, 500)]).toEqual([
      ...[0, 60, 60, 600, 3600, 86_400],
    ]);
  });

  it('of rendered timelines are of lengths that people read well', () => {
    const minute = 60_000;
    const step = (length: number) => renderStep({ from: 0, until: length + 1 });
    expect([15, 360, 720, 1440, 7 * 1440, 30 * 1440].map(length => step(length * minute))).toEqual([
      ...[15, 15, 30, 60, 300, 1800],
    ]);
    const range = { from: 7_000, until: 67_001 };
    expect(
      toTimeline(
        [
          { value: 4.7, timestamp: 7_000 },
          { value: 2, timestamp: 52_000 },
        ],
        range,
        15,
      ),
    ).toEqual({
      ...{ startTime: 0, durationDelta: 15, samples: [4, 0, 0, 2], watermarks: null },
    });
  });
});
