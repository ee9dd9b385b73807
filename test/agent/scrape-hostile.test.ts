// SPDX-License-Identifier: Apache-2.0
// Whatever a target answers costs its own scrape only, and is told by its code.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, sleep, temporaryFolder } from '../helpers/stackwell.js';
import { pprof } from '../server/fixtures.js';
import { type ScrapeInput, scraping, serve } from './scraping.js';

const only = (kind: string, more = {}): ScrapeInput =>
  Object.fromEntries(
    ['memory', 'goroutine', 'mutex', 'block', 'process_cpu'].map(name => [
      name,
      { enabled: name === kind, ...(name === kind ? more : {}) },
    ]),
  );
const target = (address: string, labels = {}) => [{ targets: [address], labels }];
const goroutines = (count: number) =>
  pprof({ samples: [{ stack: ['wait', 'main'], values: [count] }], types: [['goroutine', 'count']] });

const HOSTILE: [name: string, code: string, listener: RequestListener][] = [
  [
    'a body without an end',
    'SW_SCRAPE_TOO_LARGE',
    (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 << 10, 1)));
      };
      response.on('drain', more);
      more();
    },
  ],
  [
    'a body that is announced to be huge',
    'SW_SCRAPE_TOO_LARGE',
    (_, response) => void response.writeHead(200, { 'content-length': 1e12 }).write('x'),
  ],
  ['a gzip bomb', 'SW_PPROF_LIMIT', (_, response) => void response.end(gzipSync(Buffer.alloc(64 << 20)))],
  [
    'a gzip bomb as Content-Encoding',
    'SW_PPROF_LIMIT',
    (_, response) =>
      void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(64 << 20))),
  ],
  ['a page', 'SW_PPROF_INVALID', (_, response) => void response.end('<html>Welcome!</html>')],
  ['nothing', 'SW_PPROF_INVALID', (_, response) => void response.end()],
  ['no answer', 'SW_SCRAPE_TIMEOUT', () => {}],
  [
    'a byte at a time',
    'SW_SCRAPE_TIMEOUT',
    (_, response) => {
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    },
  ],
  ['an error', 'SW_SCRAPE_STATUS', (_, response) => void response.writeHead(500).end('x'.repeat(100_000))],
  [
    'a body that is cut off',
    'SW_SCRAPE_UNREACHABLE',
    (_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('x', () => response.destroy());
    },
  ],
  [
    'an unknown encoding',
    'SW_SCRAPE_UNREACHABLE',
    (_, response) => void response.writeHead(200, { 'content-encoding': 'br' }).end('x'),
  ],
  [
    'headers without an end',
    'SW_SCRAPE_UNREACHABLE',
    (_, response) => {
      response.writeHead(200, { padding: 'x'.repeat(200_000) }).end('x');
    },
  ],
];

test('hostile targets, all at once, and one good one', { timeout: 60_000 }, async () => {
  let asked = 0;
  const elsewhere = await serve((_, response) => {
    asked++;
    response.end();
  });
  const addresses = await Promise.all(HOSTILE.map(([, , listener]) => serve(listener)));
  const redirecting = await serve(
    (_, response) => void response.writeHead(302, { location: `http://${elsewhere}/` }).end(),
  );
  const garbling = createTcpServer(socket => void socket.end('not http at all\r\n\r\n')).listen(
    0,
    '127.0.0.1',
  );
  await once(garbling, 'listening');
  onTestFinished(() => void garbling.close());
  const garbled = `127.0.0.1:${(garbling.address() as { port: number }).port}`;
  const body = await goroutines(11);
  const good = await serve((_, response) => void response.end(body));
  const before = process.memoryUsage().rss;
  const { metric, delivered, close } = await scraping({
    timeout: '500ms',
    maxBodyBytes: 1 << 20,
    maxProfileBytes: 4 << 20,
    concurrency: 2,
    jobs: [
      {
        name: 'x',
        profiles: only('goroutine'),
        targets: target(good).concat(
          [...addresses, redirecting, garbled].flatMap(address => target(address)),
        ),
      },
    ],
  });
  const failed = (address: string, code: string) =>
    metric(`scrape_failures_total{job="x",target="${address}",code="${code}"}`);
  for (const [row, [name, code]] of HOSTILE.entries())
    await eventually(
      `${name} is ${code}`,
      20,
      async () => ((await failed(addresses[row]!, code)) ?? 0) >= 2 || null,
    );
  await eventually(
    'redirects',
    10,
    async () => ((await failed(redirecting, 'SW_SCRAPE_STATUS')) ?? 0) > 0 || null,
  );
  await eventually(
    'garbage',
    10,
    async () => ((await failed(garbled, 'SW_SCRAPE_UNREACHABLE')) ?? 0) > 0 || null,
  );
  // Its turns come between those of fourteen others that take all the time that they get.
  await eventually('the good target, again and again', 20, () => delivered.length >= 2 || null);
  expect(asked).toBe(0);
  expect(await metric(`scrape_up{job="x",target="${good}",profile="goroutine"}`)).toBe(1);
  expect(await metric(`scrape_up{job="x",target="${addresses[0]}",profile="goroutine"}`)).toBe(0);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
  await close();
  expect(new Set(delivered.map(({ labels }) => labels.instance))).toEqual(new Set([good]));
});

test('targets over the limit are left out, and so is what there is no memory to remember', {
  timeout: 60_000,
}, async () => {
  const body = await pprof({
    samples: Array.from({ length: 200 }, (_, i) => ({ stack: [`f${i}`], values: [i + 1, 1] })),
    types: [
      ['alloc_space', 'bytes'],
      ['inuse_space', 'bytes'],
    ],
  });
  const addresses = await Promise.all([1, 2, 3].map(() => serve((_, response) => void response.end(body))));
  const { metric, logged, delivered, close } = await scraping({
    maxTargets: 2,
    // Of one: 200 stacks of 16 bytes and a value of 8.
    maxStateBytes: 5000,
    jobs: [{ name: 'x', profiles: only('memory'), targets: [{ targets: addresses }] }],
  });
  await eventually(
    'state',
    20,
    async () =>
      ((await metric(`scrapes_total{job="x",target="${addresses[0]}"}`)) ?? 0) +
        ((await metric(`scrapes_total{job="x",target="${addresses[1]}"}`)) ?? 0) >=
        5 || null,
  );
  expect(await metric('scrape_targets{job="x"}')).toBe(2);
  expect(await metric('scrape_targets_omitted')).toBe(1);
  expect(logged).toContainEqual(expect.objectContaining({ code: 'SW_SCRAPE_TOO_MANY', omitted: 1 }));
  expect(logged).toContainEqual(expect.objectContaining({ code: 'SW_SCRAPE_STATE' }));
  expect(await metric('scrape_state_bytes')).toBe(4800);
  await close();
  expect(await metric('scrape_state_bytes')).toBe(0);
  expect(delivered.length).toBeGreaterThan(0);
});

test('what is slow leaves out intervals; closing does not wait for it', { timeout: 30_000 }, async () => {
  const address = await serve(() => {});
  const { metric, close } = await scraping({
    timeout: '20s',
    jobs: [{ name: 'x', profiles: only('goroutine'), targets: target(address) }],
  });
  await eventually(
    'late',
    15,
    async () => ((await metric(`scrapes_late_total{job="x",target="${address}"}`)) ?? 0) >= 2 || null,
  );
  const began = performance.now();
  await close();
  expect(performance.now() - began).toBeLessThan(1000);
});

test('targets are not scraped all at once', { timeout: 30_000 }, async () => {
  const body = await goroutines(1);
  const times: number[] = [];
  const address = await serve((_, response) => {
    times.push(performance.now() % 2000);
    response.end(body);
  });
  const { scraper } = await scraping({
    interval: '2s',
    maxTargets: 100,
    jobs: [
      {
        name: 'x',
        profiles: only('goroutine'),
        targets: Array.from({ length: 100 }, (_, i) => target(address, { one: String(i) })[0]),
      },
    ],
  });
  await eventually(
    'each once',
    20,
    () => [...scraper.rounds.values()].filter(({ scrapes }) => scrapes >= 1).length === 100 || null,
  );
  await sleep(100);
  const tenths = new Array<number>(10).fill(0);
  for (const time of times) tenths[Math.floor(time / 200)]!++;
  expect(times.length).toBeGreaterThanOrEqual(100);
  // Evenly they would be a tenth each.
  expect(Math.max(...tenths)).toBeLessThan(times.length * 0.25);
});

test('credentials, certificates and query strings', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=shop',
      '-addext',
      'subjectAltName=DNS:shop.test',
      '-keyout',
      at('key'),
      '-out',
      at('cert'),
    ],
    { stdio: 'ignore' },
  );
  const body = await goroutines(5);
  const seen: { url: string; authorization: string }[] = [];
  const address = await serve(
    (request, response) => {
      seen.push({ url: request.url!, authorization: request.headers.authorization ?? '' });
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body));
    },
    createTlsServer({ key: readFileSync(at('key')), cert: readFileSync(at('cert')) }) as never,
  );
  writeFileSync(at('token'), 'first\n');
  writeFileSync(at('password'), 'open: sesame\n');
  const job = (name: string, more: ScrapeInput): ScrapeInput => ({
    name,
    scheme: 'https',
    targets: target(address),
    profiles: only('goroutine', { path: '//evil.test/pprof?debug=0&x=1' }),
    ...more,
  });
  const { metric, logged } = await scraping({
    jobs: [
      job('trusted', { tls: { caFile: at('cert'), serverName: 'shop.test' }, bearerTokenFile: at('token') }),
      job('insecure', {
        tls: { insecure: true },
        basicAuth: { username: 'me', passwordFile: at('password') },
      }),
      job('untrusted', {}),
      job('other-name', { tls: { caFile: at('cert'), serverName: 'else.test' } }),
      job('no-token', { tls: { insecure: true }, bearerTokenFile: at('none') }),
    ],
  });
  const up = (name: string) => metric(`scrape_up{job="${name}",target="${address}",profile="goroutine"}`);
  await eventually(
    'all were tried',
    20,
    async () =>
      (await Promise.all(['trusted', 'insecure', 'untrusted', 'other-name', 'no-token'].map(up))).every(
        value => value !== null,
      ) || null,
  );
  expect(await Promise.all(['trusted', 'insecure', 'untrusted', 'other-name', 'no-token'].map(up))).toEqual([
    1, 1, 0, 0, 0,
  ]);
  expect(logged.map(({ job: name, code }) => [name, code])).toContainEqual([
    'no-token',
    'SW_SCRAPE_CREDENTIALS',
  ]);
  // What names a host in a path stays a path.
  expect(new Set(seen.map(({ url }) => url))).toEqual(new Set(['//evil.test/pprof?debug=0&x=1']));
  expect(seen.map(({ authorization }) => authorization)).toContain('Bearer first');
  expect(seen.map(({ authorization }) => authorization)).toContain(
    `Basic ${Buffer.from('me:open: sesame').toString('base64')}`,
  );
  writeFileSync(at('token'), 'second');
  await eventually(
    'a new token',
    10,
    () => seen.some(({ authorization }) => authorization === 'Bearer second') || null,
  );
});
