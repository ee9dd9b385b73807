// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure, pprof, type Running, server } from './fixtures.js';

const SAMPLES = [
  { stack: ['leaf', 'middle', 'root'], values: [300] },
  { stack: ['other', 'root'], values: [100] },
];

describe('POST /ingest', () => {
  let running: Running;
  beforeAll(async () => {
    running = await server();
  });
  afterAll(() => running.stop());

  /** Sum of what is stored for a service. */
  const sum = async (service: string): Promise<number> =>
    (await running.json('/api/v1/top', { query: `{service_name="${service}"}` })).sum;

  it('takes pprof plain, gzipped, in several gzip members, and with Content-Encoding', async () => {
    const plain = await pprof({ samples: SAMPLES }, 0);
    const half = plain.length >> 1;
    const bodies: Record<string, [Uint8Array, object?]> = {
      plain: [plain],
      gzip: [gzipSync(plain)],
      members: [Buffer.concat([gzipSync(plain.subarray(0, half)), gzipSync(plain.subarray(half))])],
      encoded: [gzipSync(plain), { 'content-encoding': 'gzip' }],
      twice: [gzipSync(gzipSync(plain)), { 'content-encoding': 'gzip' }],
    };
    for (const [name, [body, headers]] of Object.entries(bodies)) {
      const answer = await running.ingest(body, { name }, headers);
      expect([name, answer.status, await answer.text()]).toEqual([name, 200, '']);
      expect(await sum(name)).toBe(400);
    }
  });

  it('takes a form, with or without format', async () => {
    for (const [name, format] of [
      ['form', 'pprof'],
      ['form2', undefined],
    ] as const) {
      const form = new FormData();
      form.set(
        'profile',
        new Blob([(await pprof({ samples: SAMPLES })) as Uint8Array<ArrayBuffer>]),
        'profile.pprof',
      );
      form.set('sample_type_config', new Blob(['{"cpu":{"units":"samples"}}']), 'config.json');
      const url = `${running.url}/pyroscope/ingest?name=${name}${format === undefined ? '' : `&format=${format}`}`;
      expect((await fetch(url, { method: 'POST', body: form })).status).toBe(200);
      expect(await sum(name)).toBe(400);
    }
    // Mutex and block profiles of Go have the same types: what they are shown as tells which it is.
    const named = async (config: string) => {
      const form = new FormData();
      const body = await pprof({
        samples: [{ stack: ['a'], values: [1, 2] }],
        types: [
          ['contentions', 'count'],
          ['delay', 'nanoseconds'],
        ],
      });
      form.set('profile', new Blob([body as Uint8Array<ArrayBuffer>]), 'profile.pprof');
      form.set('sample_type_config', new Blob([config]), 'config.json');
      return running.ingest(form, { name: 'locks' });
    };
    const displayed =
      '{"contentions":{"display-name":"mutex_count"},"delay":{"display-name":"mutex_duration"}}';
    expect((await named(displayed)).status).toBe(200);
    const { types } = await running.json('/api/v1/types', { query: '{service_name="locks"}' });
    expect(types.map(({ name }: { name: string }) => name)).toEqual(['mutex', 'mutex']);
    for (const odd of ['[]', 'null', '7', '{"delay":null}', '{"delay":{"display-name":5}}'])
      expect((await named(odd)).status).toBe(200);
    expect(await failure(await named('{'))).toEqual({ status: 400, code: 'SW_REQUEST_INVALID' });
    const empty = new FormData();
    empty.set('other', 'text');
    expect(await failure(await running.ingest(empty, { name: 'form3' }))).toEqual({
      status: 400,
      code: 'SW_REQUEST_INVALID',
    });
  });

  it('reads labels from the name, and makes them what can be stored', async () => {
    const name = 'named{region=eu, otel.scope.name=a/b,__session_id__=1,pid=7,empty=}';
    await running.ingest(await pprof({ samples: SAMPLES }), { name, spyName: 'nodespy' });
    const query = '{service_name="named"}';
    expect((await running.json('/api/v1/labels', { query })).names).toEqual([
      'exported_pid',
      'otel_scope_name',
      'pyroscope_spy',
      'region',
      'service_name',
    ]);
    expect((await running.json('/api/v1/labels/otel_scope_name/values', { query })).values).toEqual(['a/b']);
    expect(await failure(await running.ingest(await pprof({ samples: SAMPLES }), { name: 'x{y' }))).toEqual({
      status: 400,
      code: 'SW_REQUEST_INVALID',
    });
  });

  it('makes a type of each sample type, named by them', async () => {
    const two = await pprof({
      samples: [{ stack: ['a'], values: [2, 700] }],
      types: [
        ['alloc_objects', 'count'],
        ['alloc_space', 'bytes'],
      ],
      period: ['space', 'bytes'],
    });
    await running.ingest(two, { name: 'heap' });
    const { types } = await running.json('/api/v1/types', { query: '{service_name="heap"}' });
    const ids = ['memory:alloc_objects:count:space:bytes', 'memory:alloc_space:bytes:space:bytes'];
    expect(types.map(({ id }: { id: string }) => id)).toEqual(ids);
    const sums = ids.map(async type => (await running.json('/api/v1/top', { type })).sum);
    expect(await Promise.all(sums)).toEqual([2, 700]);
  });

  it('takes the time from the profile, else from the request, else from the clock', async () => {
    const now = Date.now();
    const starts = async (name: string) => {
      const query = `{service_name="${name}"}`;
      const { series } = await running.json('/api/v1/timeline', { query, from: 'now-3h', step: '1s' });
      return series[0].times;
    };
    const second = (time: number) => Math.floor(time / 1000) * 1000;
    const own = now - 3_600_000;
    await running.ingest(await pprof({ samples: SAMPLES, time: own }), { name: 'own', from: String(now) });
    expect(await starts('own')).toEqual([second(own)]);
    const asked = second(now - 7_200_000);
    for (const [name, from] of Object.entries({
      s: String(asked / 1000),
      ms: String(asked),
      us: `${asked}000`,
      ns: `${asked}000000`,
    })) {
      await running.ingest(await pprof({ samples: SAMPLES, time: 0 }), { name, from });
      expect([name, ...(await starts(name))]).toEqual([name, asked]);
    }
    await running.ingest(await pprof({ samples: SAMPLES, time: 0, duration: 60_000 }), { name: 'none' });
    expect(Math.abs((await starts('none'))[0] - (Date.now() - 60_000))).toBeLessThan(5000);
  });

  it('refuses what lies in the future or is past its retention', async () => {
    for (const time of [Date.now() + 2 * 3_600_000, Date.now() - 30 * 86_400_000])
      expect(
        await failure(await running.ingest(await pprof({ samples: SAMPLES, time }), { name: 'when' })),
      ).toEqual({ status: 422, code: 'SW_PPROF_INVALID' });
  });

  it('stores the same profile once', async () => {
    const body = await pprof({ samples: SAMPLES });
    const send = (parameters: Record<string, string>) => running.ingest(body, parameters);
    await Promise.all(Array.from({ length: 8 }, () => send({ name: 'once' })));
    expect((await send({ name: 'once' })).status).toBe(200);
    expect(await sum('once')).toBe(400);
    await send({ name: 'once{x=1}' });
    expect(await sum('once')).toBe(800);
  });

  it('refuses other formats, garbage and profiles that were cut, and changes nothing', async () => {
    const good = await pprof({ samples: SAMPLES });
    const raw = gunzipSync(good);
    const cases: [Uint8Array, Record<string, string>, object][] = [
      [Buffer.from('a;b;c 10'), { format: 'speedscope' }, { status: 415, code: 'SW_UNSUPPORTED_FORMAT' }],
      [Buffer.from('garbage, and not pprof at all'), {}, { status: 422, code: 'SW_PPROF_INVALID' }],
      [raw.subarray(0, raw.length - 3), {}, { status: 422, code: 'SW_PPROF_INVALID' }],
      [good.subarray(0, good.length - 12), {}, { status: 422, code: 'SW_PPROF_INVALID' }],
      [new Uint8Array(), {}, { status: 400, code: 'SW_REQUEST_INVALID' }],
      [good, { from: 'yesterday' }, { status: 400, code: 'SW_TIME_INVALID' }],
      [good, { name: '' }, { status: 400, code: 'SW_REQUEST_INVALID' }],
    ];
    const before = (await running.json('/api/v1/labels/service_name/values')).values;
    for (const [body, parameters, expected] of cases)
      expect(await failure(await running.ingest(body, { name: 'bad', ...parameters }))).toEqual(expected);
    expect((await running.json('/api/v1/labels/service_name/values')).values).toEqual(before);
    const encoded = await running.ingest(good, { name: 'bad' }, { 'content-encoding': 'br' });
    expect(await failure(encoded)).toEqual({ status: 415, code: 'SW_UNSUPPORTED_FORMAT' });
  });

  it('lets no foreign page write, and does not answer to a rebound name', async () => {
    const body = await pprof({ samples: SAMPLES });
    const foreign = await running.ingest(body, { name: 'bad' }, { 'sec-fetch-site': 'cross-site' });
    expect(await failure(foreign)).toEqual({ status: 403, code: 'SW_CROSS_SITE' });
    const { port } = new URL(running.url);
    const status = await new Promise(resolve => {
      httpRequest({ port, path: '/api/v1/types', headers: { host: 'evil.example' } }, answer => {
        answer.resume();
        resolve(answer.statusCode);
      }).end();
    });
    expect(status).toBe(421);
  });
});

describe('POST /ingest at its limits', () => {
  let running: Running;
  beforeAll(async () => {
    running = await server({
      limits: { bodyBytes: 1024 * 1024, profileBytes: 4 * 1024 * 1024, inflightBytes: 1536 * 1024 },
    });
  });
  afterAll(() => running.stop());

  /** A request whose body is written by hand; resolves to the status and how much was taken before the answer. */
  function post(
    headers: Record<string, string>,
    write: (send: (chunk: Buffer) => boolean) => void,
  ): Promise<{ status: number; retry: string | undefined; body: string }> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(running.url);
      const request = httpRequest(
        { hostname, port, method: 'POST', path: '/ingest?format=pprof&name=x', headers },
        answer => {
          let body = '';
          answer.on('data', chunk => (body += chunk));
          answer.on('end', () => {
            request.destroy();
            resolve({ status: answer.statusCode!, retry: answer.headers['retry-after'], body });
          });
        },
      );
      request.on('error', reject);
      write(chunk => request.write(chunk));
    });
  }

  it('refuses a body of 1 GB by its length, before it is sent', async () => {
    const answer = await post({ 'content-length': String(2 ** 30) }, send => send(Buffer.alloc(1000)));
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body).code).toBe('SW_BODY_TOO_LARGE');
  });

  it('refuses a body that grows too large without having said so, and keeps none of it', async () => {
    const before = process.memoryUsage().rss;
    const answer = await post({ 'transfer-encoding': 'chunked' }, send => {
      const chunk = Buffer.alloc(256 * 1024);
      for (let index = 0; index < 8; index++) send(chunk);
    });
    expect(answer.status).toBe(413);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    expect(await (await running.get('/metrics')).text()).toContain('stackwell_ingest_inflight_bytes 0\n');
  });

  it('refuses a gzip bomb in bounded memory, both as pprof and as Content-Encoding', async () => {
    const bomb = gzipSync(Buffer.alloc(512 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(1024 * 1024);
    const before = process.memoryUsage().rss;
    expect(await failure(await running.ingest(bomb, { name: 'bomb' }))).toEqual({
      status: 413,
      code: 'SW_PPROF_LIMIT',
    });
    const encoded = await running.ingest(bomb, { name: 'bomb' }, { 'content-encoding': 'gzip' });
    expect(await failure(encoded)).toEqual({ status: 413, code: 'SW_PPROF_LIMIT' });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('asks clients to come again when too much is in flight, and recovers', async () => {
    const { hostname, port } = new URL(running.url);
    const held = httpRequest({ hostname, port, method: 'POST', path: '/ingest?format=pprof&name=x' });
    held.on('error', () => {});
    held.write(Buffer.alloc(1000 * 1024));
    const inFlight = async () =>
      Number(/stackwell_ingest_inflight_bytes (\d+)/.exec(await (await running.get('/metrics')).text())![1]);
    await expect.poll(inFlight).toBe(1000 * 1024);
    const refused = await running.ingest(new Uint8Array(900 * 1024), { name: 'x' });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await failure(refused)).toEqual({ status: 503, code: 'SW_SERVER_BUSY' });
    held.destroy();
    await expect.poll(inFlight).toBe(0);
    expect((await running.ingest(await pprof({ samples: SAMPLES }), { name: 'x' })).status).toBe(200);
  });
});
