// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PusherService } from '../../src/server/gen/push/v1/push_pb.js';
import { pprof, type Running, server } from './fixtures.js';

const SAMPLES = [{ stack: ['leaf', 'root'], values: [400] }];

function client(url: string, useBinaryFormat: boolean) {
  return createClient(
    PusherService,
    createConnectTransport({ baseUrl: url, httpVersion: '1.1', useBinaryFormat }),
  );
}

function transports(baseUrl: string): [string, Transport][] {
  const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };
  return [
    ['connect-1', createConnectTransport({ baseUrl, httpVersion: '1.1', ...gzip })],
    ['connect-2', createConnectTransport({ baseUrl, httpVersion: '2' })],
    ['grpc', createGrpcTransport({ baseUrl })],
    ['grpc-gzip', createGrpcTransport({ baseUrl, ...gzip })],
    ['grpc-json', createGrpcTransport({ baseUrl, useBinaryFormat: false })],
    ['grpc-web-1', createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
    ['grpc-web-2', createGrpcWebTransport({ baseUrl, httpVersion: '2', ...gzip })],
  ];
}

function labels(service: string, more: Record<string, string> = {}) {
  return Object.entries({ service_name: service, __name__: 'process_cpu', ...more }).map(([name, value]) => ({
    name,
    value,
  }));
}

const errorOf = (promise: Promise<unknown>): Promise<ConnectError> =>
  promise.then(
    () => {
      throw new Error('it was accepted');
    },
    error => ConnectError.from(error),
  );

describe('push.v1.PusherService/Push', () => {
  let running: Running;
  beforeAll(async () => {
    running = await server();
  });
  afterAll(() => running.stop());
  const sum = async (service: string): Promise<number> =>
    (await running.json('/api/v1/top', { query: `{service_name="${service}"}` })).sum;

  it('takes protobuf and JSON from a Connect client', async () => {
    const rawProfile = await pprof({ samples: SAMPLES });
    for (const binary of [true, false]) {
      const service = `client-${binary}`;
      const samples = [{ rawProfile, ID: randomUUID() }];
      await client(running.url, binary).push({ series: [{ labels: labels(service), samples }] });
      expect(await sum(service)).toBe(400);
    }
  });

  it('takes all protocols from a client, on one port, plain and gzipped', async () => {
    const rawProfile = await pprof({ samples: SAMPLES }, 0);
    for (const [name, transport] of transports(running.url)) {
      const client = createClient(PusherService, transport);
      const series = [{ labels: labels(name), samples: [{ rawProfile, ID: randomUUID() }] }];
      expect((await client.push({ series })).$typeName).toBe('push.v1.PushResponse');
      expect([name, await sum(name)]).toEqual([name, 400]);
    }
  });

  it('tells all protocols what is wrong, in their way', async () => {
    const samples = [{ rawProfile: Buffer.from('garbage'), ID: randomUUID() }];
    for (const [name, transport] of transports(running.url)) {
      const client = createClient(PusherService, transport);
      const error = await errorOf(client.push({ series: [{ labels: labels('\u{1f600} none'), samples }] }));
      expect([name, error.code]).toEqual([name, Code.InvalidArgument]);
      expect(error.metadata.get('x-stackwell-error')).toBe('SW_PPROF_INVALID');
      expect(error.rawMessage).toContain('series[0].samples[0]');
    }
  });

  it('takes gzipped JSON with the names of the protocol, and drops private labels', async () => {
    const body = {
      series: [
        {
          labels: labels('wire', { __session_id__: 'x', __delta__: 'false', region: 'eu' }),
          samples: [
            {
              rawProfile: Buffer.from(await pprof({ samples: SAMPLES })).toString('base64'),
              ID: randomUUID(),
            },
          ],
        },
      ],
    };
    const answer = await fetch(`${running.url}/push.v1.PusherService/Push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(JSON.stringify(body)),
    });
    expect([answer.status, await answer.json()]).toEqual([200, {}]);
    const query = '{service_name="wire"}';
    expect((await running.json('/api/v1/labels', { query })).names).toEqual(['region', 'service_name']);
    const { types } = await running.json('/api/v1/types', { query });
    expect(types[0].id).toBe('process_cpu:cpu:nanoseconds:cpu:nanoseconds');
  });

  it('stores many profiles of a batch, each under its own labels', async () => {
    const series = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => ({
        labels: labels(`many-${index % 8}`, { pod: `p${index}` }),
        samples: [
          {
            rawProfile: await pprof({ samples: [{ stack: [`f${index % 3}`, 'root'], values: [index] }] }),
            ID: randomUUID(),
          },
        ],
      })),
    );
    await client(running.url, true).push({ series });
    expect(await sum('many-3')).toBe(3 + 11 + 19 + 27 + 35);
    const { values } = await running.json('/api/v1/labels/pod/values', { query: '{service_name=~"many.*"}' });
    expect(values).toHaveLength(40);
  });

  it('stores an ID once, also over different bytes', async () => {
    const ID = randomUUID();
    const send = async (value: number) =>
      client(running.url, true).push({
        series: [
          {
            labels: labels('ids'),
            samples: [{ rawProfile: await pprof({ samples: [{ stack: ['a'], values: [value] }] }), ID }],
          },
        ],
      });
    await Promise.all([send(5), send(5), send(5)]);
    await send(7);
    expect([5, 7]).toContain(await sum('ids'));
  });

  it('stores the valid profiles of a batch, and names the others as invalid_argument', async () => {
    const good = { rawProfile: await pprof({ samples: SAMPLES }), ID: randomUUID() };
    const bad = { rawProfile: Buffer.from('garbage'), ID: randomUUID() };
    const series = [
      { labels: labels('partly'), samples: [good, bad] },
      { labels: labels('partly', { x: '1' }), samples: [{ ...good, ID: randomUUID() }] },
    ];
    for (let round = 0; round < 2; round++) {
      const error = await errorOf(client(running.url, true).push({ series }));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.metadata.get('x-stackwell-error')).toBe('SW_PPROF_INVALID');
      expect(error.rawMessage).toContain('series[0].samples[1]');
      expect(error.rawMessage).toContain('SW_PPROF_INVALID');
      expect(await sum('partly')).toBe(800);
    }
  });

  it('answers messages that are none with invalid_argument', async () => {
    for (const [type, body] of [
      ['application/json', '{"series": 7}'],
      ['application/json', '{'],
      ['application/proto', 'garbage'],
    ] as const) {
      const answer = await fetch(`${running.url}/push.v1.PusherService/Push`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
      });
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
        400,
        'invalid_argument',
      ]);
    }
  });
});

describe('Push at its limits', () => {
  it('refuses batches that are too large as invalid_argument, so that they are not sent again', async () => {
    const running = await server({ limits: { bodyBytes: 64 * 1024, profileBytes: 256 * 1024 } });
    try {
      const push = (rawProfile: Uint8Array) =>
        errorOf(
          client(running.url, true).push({
            series: [{ labels: labels('large'), samples: [{ rawProfile, ID: '' }] }],
          }),
        );
      const large = await push(new Uint8Array(100 * 1024));
      expect(large.code).toBe(Code.InvalidArgument);
      expect(large.metadata.get('x-stackwell-error')).toBe('SW_BODY_TOO_LARGE');
      const bomb = await push(gzipSync(new Uint8Array(10 * 1024 * 1024)));
      expect(bomb.code).toBe(Code.InvalidArgument);
      expect(bomb.metadata.get('x-stackwell-error')).toBe('SW_PPROF_LIMIT');
    } finally {
      await running.stop();
    }
  });

  it.runIf(process.getuid?.() === 0)('answers unavailable while the disk is full, and recovers', async () => {
    const mount = mkdtempSync(join(tmpdir(), 'stackwell-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
    try {
      const running = await server({ data: mount });
      try {
        // Names that do not repeat and do not compress: every profile needs some 200 kB of symbols.
        const send = async (round: number) => {
          const samples = Array.from({ length: 2000 }, () => ({
            stack: [randomUUID() + randomUUID()],
            values: [1],
          }));
          const rawProfile = await pprof({ samples });
          return client(running.url, true).push({
            series: [{ labels: labels('full'), samples: [{ rawProfile, ID: `round-${round}` }] }],
          });
        };
        let acknowledged = 0;
        let error: ConnectError | null = null;
        while (error === null && acknowledged < 60)
          await send(acknowledged).then(
            () => acknowledged++,
            thrown => {
              error = ConnectError.from(thrown);
            },
          );
        expect(error!.code).toBe(Code.Unavailable);
        expect(error!.metadata.get('x-stackwell-error')).toBe('SW_DISK_FULL');
        expect(Number(error!.metadata.get('retry-after'))).toBeGreaterThan(0);
        expect(acknowledged).toBeGreaterThan(0);
        const answer = await running.ingest(
          await pprof({
            samples: Array.from({ length: 20_000 }, (_, at) => ({ stack: [randomUUID()], values: [at] })),
          }),
          { name: 'full2' },
        );
        expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
          507,
          'SW_DISK_FULL',
        ]);
        expect(answer.headers.get('retry-after')).toBe('30');
        const { sum } = await running.json('/api/v1/top', { query: '{service_name="full"}' });
        expect(sum).toBe(acknowledged * 2000);

        execFileSync('mount', ['-o', 'remount,size=64m', mount]);
        await send(acknowledged);
        expect((await running.json('/api/v1/top', { query: '{service_name="full"}' })).sum).toBe(
          (acknowledged + 1) * 2000,
        );
      } finally {
        await running.close();
      }
    } finally {
      execFileSync('umount', [mount]);
      rmSync(mount, { recursive: true });
    }
  });
});
