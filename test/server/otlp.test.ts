// SPDX-License-Identifier: Apache-2.0
// OTLP profiles as the OpenTelemetry Collector's own library sends them (test/otlp/sender), over gRPC and HTTP.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ExportProfilesServiceRequestSchema,
  ProfilesService,
} from '../../src/server/gen/opentelemetry/proto/collector/profiles/v1development/profiles_service_pb.js';
import { StatusSchema } from '../../src/server/gen/stackwell/otlp/v1/request_pb.js';
import { convert } from '../../src/server/ingest/otlp-json.js';
import { decodePprof } from '../helpers/pprof.js';
import { type Running, server } from './fixtures.js';

const OFF_CPU = 'process_offcpu:offcpu:nanoseconds:offcpu:nanoseconds';
const BUILD_ID = '00112233445566778899aabbccddeeff00112233';

const folder = mkdtempSync(join(tmpdir(), 'stackwell-otlp-'));
const program = join(folder, 'sender');
let running: Running;
beforeAll(async () => {
  const cwd = fileURLToPath(new URL('../otlp/sender', import.meta.url));
  execFileSync('go', ['build', '-o', program, '.'], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  running = await server();
});
afterAll(async () => {
  await running.stop();
  rmSync(folder, { recursive: true });
});

interface Sent {
  rejected: number;
  message: string;
  error?: string;
  code?: string;
}

async function send(...options: string[]): Promise<Sent> {
  const { stdout } = await promisify(execFile)(program, ['-to', new URL(running.url).host, ...options]);
  return JSON.parse(stdout) as Sent;
}

const ACCEPTED = { rejected: 0, message: '' };
const of = (service: string) => ({ query: `{service_name="${service}"}` });

describe.each([
  ['grpc', []],
  ['grpc', ['-gzip']],
  ['http', []],
  ['http', ['-gzip']],
  ['json', ['-gzip']],
])('sent by %s %s', (by, options) => {
  const name = `${by}${options.length}`;
  const shop = of(`shop-${name}`);
  beforeAll(async () => {
    expect(await send('-by', by, '-name', name, ...options)).toEqual(ACCEPTED);
  });

  it('has the stacks and sums of what was sent, samples as time', async () => {
    const folded = async (parameters: Record<string, string>) =>
      (await (await running.get('/api/v1/flamegraph', { format: 'folded', ...parameters })).text())
        .trim()
        .split('\n')
        .sort();
    // Two processes, each 3 samples, 2 times, and three values that are 4, at 10 ms.
    expect(await folded(shop)).toEqual([
      'main;[unknown];libx.so.1+0x2234 80000000',
      'main;app+0x4567;do_syscall_64 40000000',
      'main;work;inlined 60000000',
    ]);
    expect(await folded({ ...shop, type: OFF_CPU })).toEqual(['main;app+0x4567;do_syscall_64 7000']);
    const { types } = await running.json('/api/v1/types', of(`unknown_service:tool-${name}`));
    const heap = { type: types[0].id };
    expect([types.length, types[0].sampleType, types[0].sampleUnit]).toEqual([1, 'alloc_space', 'bytes']);
    expect(types[0].name).toBe('memory');
    expect(await folded({ ...heap, ...of(`unknown_service:tool-${name}`) })).toEqual([
      'main;work;inlined 4096',
    ]);
    expect(await folded({ ...heap, ...of(`inner-${name}`) })).toEqual(['main;work;inlined 1024']);
  });

  it('has build ids, lines, and reasons of what has no name', async () => {
    const { functions } = await running.json('/api/v1/flamegraph', shop);
    const row = (function_: string) => {
      const at = functions.name.indexOf(function_);
      return [functions.file[at], functions.module[at], functions.reason[at], functions.buildId[at]];
    };
    expect(row('inlined')).toEqual(['app.c', 'app', '', '']);
    expect(row('app+0x4567')).toEqual(['', 'app', 'no_symbols', BUILD_ID]);
    expect(row('libx.so.1+0x2234')).toEqual(['', 'libx.so.1', 'no_symbols', 'b'.repeat(32)]);
    expect(row('[unknown]')).toEqual(['', '', 'unmapped', '']);
    expect(row('do_syscall_64')[1]).toBe('[kernel.kallsyms]');
  });

  it('has labels of the resource by the names that the agent uses, and those of samples', async () => {
    expect((await running.json('/api/v1/labels', shop)).names).toEqual([
      'deploy',
      'host',
      'namespace',
      'pod',
      'profile_label',
      'scope_label',
      'service_name',
    ]);
    const values = async (label: string) =>
      (await running.json(`/api/v1/labels/${label}/values`, shop)).values;
    expect(await values('deploy')).toEqual(['1.2.3']);
    expect(await values('profile_label')).toEqual(['true']);
    expect(await values('pid')).toEqual(['100', '101']);
    expect(await values('trace_id')).toEqual(['01aa0000000000000000000000000001']);
    const query = `{service_name="shop-${name}", pid="101", thread_name="worker"}`;
    expect((await running.json('/api/v1/top', { query })).sum).toBe(30_000_000);
    const answer = await running.get('/api/v1/pprof', { ...shop, sample_labels: 'true' });
    const { samples, types, period, durationSeconds, buildIds } = decodePprof(
      Buffer.from(await answer.arrayBuffer()),
    );
    expect({ types, period, durationSeconds }).toEqual({
      types: ['cpu/nanoseconds'],
      period: 10_000_000,
      durationSeconds: 5,
    });
    expect(buildIds['/usr/bin/app']).toBe(BUILD_ID);
    const linked = samples.filter(({ labels }) => labels.span_id === '02bb000000000002');
    expect(linked.map(({ labels, values }) => [labels.pid, values[0]]).sort()).toEqual([
      ['100', 20_000_000],
      ['101', 20_000_000],
    ]);
    const work = samples.filter(({ frames }) => frames[0]!.name === 'inlined');
    expect(work.map(({ labels }) => labels.thread_id)).toEqual(['4321', '4321']);
    expect(work[0]!.frames.map(({ name, line }) => [name, line])).toEqual([
      ['inlined', 31],
      ['work', 30],
      ['main', 10],
    ]);
  });
});

describe('an OTLP request', () => {
  it('that is sent again stores nothing twice', async () => {
    const options = ['-name', 'again', '-start', String(Date.now())];
    for (const by of ['grpc', 'http', 'grpc']) expect(await send('-by', by, ...options)).toEqual(ACCEPTED);
    expect((await running.json('/api/v1/top', of('shop-again'))).sum).toBe(180_000_000);
  });

  it('of large JSON is read, too, while others are answered', async () => {
    const sample = { stackIndex: 0, values: ['1'], timestampsUnixNano: [`${Date.now()}000000`] };
    const profiles = [{ samples: new Array(60_000).fill(sample) }];
    const attributes = [{ key: 'service.name', value: { stringValue: 'large' } }];
    const json = Buffer.from(
      JSON.stringify({
        dictionary: { stringTable: [''] },
        resourceProfiles: [{ resource: { attributes }, scopeProfiles: [{ profiles }] }],
      }),
    );
    const began = performance.now();
    convert(json);
    const alone = performance.now() - began;
    let slowest = 0;
    let done = false;
    const asking = (async () => {
      while (!done) {
        const asked = performance.now();
        await running.get('/healthz');
        slowest = Math.max(slowest, performance.now() - asked);
      }
    })();
    const answer = await fetch(`${running.url}/v1development/profiles`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: json,
    });
    done = true;
    await asking;
    expect([answer.status, await answer.text()]).toEqual([200, '{}']);
    const { types } = await running.json('/api/v1/types', of('large'));
    expect((await running.json('/api/v1/top', { ...of('large'), type: types[0].id })).sum).toBe(60_000);
    expect(slowest).toBeLessThan(alone / 2);
  });

  it('whose profiles are all past their retention is refused as one that need not come again', async () => {
    const options = ['-start', '1000000000000', '-name', 'old'];
    const byGrpc = await send('-by', 'grpc', ...options);
    expect([byGrpc.code, byGrpc.error]).toEqual([
      'InvalidArgument',
      expect.stringMatching(/^SW_PPROF_INVALID/),
    ]);
    expect((await send('-by', 'http', ...options)).code).toBe('422');
  });

  it('is partly accepted where some profiles are past their retention', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const profile = (timeUnixNano: bigint) => ({ timeUnixNano, samples: [{ values: [1n] }] });
    const message = create(ExportProfilesServiceRequestSchema, {
      dictionary: { stringTable: [''] },
      resourceProfiles: [
        { scopeProfiles: [{ profiles: [profile(now), profile(10n ** 18n), profile(10n ** 18n + 1n)] }] },
      ],
    });
    for (const transport of [
      createGrpcTransport({ baseUrl: running.url }),
      createGrpcWebTransport({ baseUrl: running.url, httpVersion: '1.1' }),
    ]) {
      const { partialSuccess } = await createClient(ProfilesService, transport).export(message);
      expect(partialSuccess?.rejectedProfiles).toBe(2n);
      expect(partialSuccess?.errorMessage).toMatch(/^SW_PPROF_INVALID/);
    }
  });

  it('with attributes that are too long or too many is stored without them, and says so', async () => {
    const attribute = (key: string, text: string) => ({
      key,
      value: { value: { case: 'stringValue' as const, value: text } },
    });
    const attributes = Array.from({ length: 70 }, (_, i) => attribute(`key.${i}`, 'v'));
    const { partialSuccess } = await createClient(
      ProfilesService,
      createGrpcTransport({ baseUrl: running.url }),
    ).export({
      dictionary: { stringTable: [''] },
      resourceProfiles: [
        {
          resource: {
            attributes: [
              attribute('service.name', 'many'),
              attribute('long', 'x'.repeat(3000)),
              ...attributes,
            ],
          },
          scopeProfiles: [{ profiles: [{ samples: [{ values: [1n] }] }] }],
        },
      ],
    });
    expect(partialSuccess).toMatchObject({ rejectedProfiles: 0n, errorMessage: /^8 attributes/ });
    expect((await running.json('/api/v1/labels', of('many'))).names).toHaveLength(64);
  });
});

describe('POST /v1development/profiles', () => {
  const post = (body: string | Uint8Array, type: string) =>
    fetch(`${running.url}/v1development/profiles`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: body as BodyInit,
    });

  it('answers errors in the format of the request', async () => {
    const binary = await post('garbage', 'application/x-protobuf');
    expect([binary.status, binary.headers.get('content-type')]).toEqual([400, 'application/x-protobuf']);
    expect(binary.headers.get('x-stackwell-error')).toBe('SW_OTLP_INVALID');
    const status = fromBinary(StatusSchema, new Uint8Array(await binary.arrayBuffer()));
    expect([status.code, status.message]).toEqual([
      Code.InvalidArgument,
      expect.stringMatching(/^SW_OTLP_INVALID/),
    ]);
    for (const text of [
      '{',
      '[]',
      '{"resourceProfiles": 7}',
      '{"dictionary":{"linkTable":[{"traceId":"zz"}]}}',
    ]) {
      const json = await post(text, 'application/json');
      expect([json.status, json.headers.get('content-type')]).toEqual([400, 'application/json']);
      expect(await json.json()).toMatchObject({ code: Code.InvalidArgument });
    }
    expect((await post('a;b 1', 'text/plain')).status).toBe(415);
  });

  it('takes JSON with names that it does not know, and nothing at all', async () => {
    const empty = toBinary(ExportProfilesServiceRequestSchema, create(ExportProfilesServiceRequestSchema));
    expect((await post(empty, 'application/x-protobuf')).status).toBe(200);
    const json = await post('{"resourceProfiles": [], "other": {"traceIds": 1}}', 'application/json');
    expect([json.status, await json.text()]).toEqual([200, '{}']);
  });
});
