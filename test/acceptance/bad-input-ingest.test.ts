// SPDX-License-Identifier: Apache-2.0
// Bad requests to a running server: a code for each, and nothing of it is stored.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createGzip, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { madeProfile } from '../helpers/made-profile.js';
import { CPU, expectRefused, type Service, startServer } from '../helpers/service.js';

let data: string;
let service: Service;

beforeAll(async () => {
  data = mkdtempSync(path.join(tmpdir(), 'stackwell-test-'));
  service = await startServer(data);
}, 60_000);

afterAll(async () => {
  await service.process.stop();
  rmSync(data, { recursive: true, force: true });
});

const names = () => service.labelValues('service_name', { from: 'now-1h', until: 'now+1h' });

test('corrupted and truncated pprof', { timeout: 60_000 }, async () => {
  const good = madeProfile(5e9);
  expect((await service.ingest('sound', gzipSync(good))).status).toBe(200);
  expect(await names()).toContain('sound');

  const zipped = gzipSync(good);
  const broken: [string, Uint8Array][] = [
    ['text', Buffer.from('this is not a profile')],
    ['zeros', Buffer.alloc(4096)],
    ['noise', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 197 + 31) % 256))],
    ['gzip of text', gzipSync('this is not a profile')],
    ['gzip cut short', zipped.subarray(0, zipped.length - 9)],
    ['gzip with wrong checksum', Buffer.concat([zipped.subarray(0, -8), Buffer.alloc(8, 1)])],
    ['cut in the middle of a field', good.subarray(0, good.length - 3)],
    ['location that is not there', madeProfile(5e9, { danglingLocation: true })],
    ['more values than types', madeProfile(5e9, { extraValue: true })],
  ];
  for (const [what, body] of broken) {
    const answer = await service.ingest('damaged', body);
    expect(answer.status, what).toBe(422);
    await expectRefused(answer, 422, 'SW_PPROF_INVALID');
  }
  await expectRefused(await service.ingest('damaged', new Uint8Array()), 400, 'SW_REQUEST_INVALID');
  expect(await names()).not.toContain('damaged');
});

test('gzip bomb', { timeout: 60_000 }, async () => {
  const before = residentBytes(service);
  // 4 GB of zeros in 4 MB.
  const block = Buffer.alloc(1 << 20);
  const gzip = createGzip({ level: 9 });
  const parts: Buffer[] = [];
  gzip.on('data', (part: Buffer) => parts.push(part));
  const ended = new Promise(resolve => gzip.once('end', resolve));
  for (let i = 0; i < 1024; i++)
    if (!gzip.write(block)) await new Promise(resolve => gzip.once('drain', resolve));
  gzip.end();
  await ended;
  const bomb = Buffer.concat(parts);
  // Members of one gzip file follow each other: the same again, four times.
  await expectRefused(
    await service.ingest('bomb', Buffer.concat([bomb, bomb, bomb, bomb])),
    413,
    'SW_PPROF_LIMIT',
  );
  expect(peakBytes(service) - before).toBeLessThan(400 << 20);
  expect(await names()).not.toContain('bomb');
});

for (const chunked of [false, true])
  test(`a body of 1 GB, ${chunked ? 'in chunks' : 'announced'}`, { timeout: 60_000 }, async () => {
    const before = residentBytes(service);
    const size = 2 ** 30;
    const answer = await new Promise<{ status: number; body: string; sent: number }>((resolve, reject) => {
      let sent = 0;
      const outgoing = request(new URL('/ingest?name=huge&format=pprof', service.url), {
        method: 'POST',
        headers: chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': size },
      });
      let done = false;
      outgoing.on('response', incoming => {
        let body = '';
        incoming.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        incoming.on('end', () => {
          done = true;
          resolve({ status: incoming.statusCode!, body, sent });
          outgoing.destroy();
        });
      });
      // The server may close the connection while we still write: an error only if no answer came.
      outgoing.on('error', error => setTimeout(() => (done ? undefined : reject(error)), 500));
      const block = Buffer.alloc(1 << 20, 7);
      const more = () => {
        while (!done && sent < size) {
          sent += block.length;
          if (!outgoing.write(block)) {
            outgoing.once('drain', more);
            return;
          }
        }
        outgoing.end();
      };
      more();
    });
    expect(answer.status).toBe(413);
    expect((JSON.parse(answer.body) as { code: string }).code).toBe('SW_BODY_TOO_LARGE');
    expect(answer.sent).toBeLessThan(size);
    expect(residentBytes(service) - before).toBeLessThan(200 << 20);
    expect(await names()).not.toContain('huge');
  });

test('queries that make no sense', { timeout: 30_000 }, async () => {
  for (const [parameters, code] of [
    [{ query: '{service_name=' }, 'SW_QUERY_INVALID'],
    [{ query: '{service_name=~"("}' }, 'SW_QUERY_INVALID'],
    [{ from: 'yesterday-ish' }, 'SW_TIME_INVALID'],
    [{ from: 'now', until: 'now-1h' }, 'SW_TIME_INVALID'],
  ] as const)
    await expectRefused(await service.get('/api/v1/top', { type: CPU, ...parameters }), 400, code);
  await expectRefused(await service.get('/api/v1/no-such-thing'), 404, 'SW_NOT_FOUND');
});

function statusBytes(of: Service, field: string): number {
  const text = readFileSync(`/proc/${of.process.pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(text)![1]) * 1024;
}
const residentBytes = (of: Service) => statusBytes(of, 'VmRSS');
const peakBytes = (of: Service) => statusBytes(of, 'VmHWM');
