// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Outbox } from '../../src/agent/outbox/outbox.js';
import { type PushResult, retryAfterMs, Sender } from '../../src/agent/outbox/sender.js';

interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** Takes the request and closes the connection without an answer. */
  hangUp?: boolean;
}
interface Seen {
  body: string;
  at: number;
  request: IncomingMessage;
}

let folder: string;
let server: Server;
let seen: Seen[];
let answers: Answer[];
let inFlight = 0;
let mostInFlight = 0;
let outbox: Outbox;
let sender: Sender;
let results: PushResult[];
const sockets = new Set<unknown>();

function listen(port = 0): Promise<string> {
  server = createServer(async (request, response) => {
    mostInFlight = Math.max(mostInFlight, ++inFlight);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    await new Promise(resolve => setTimeout(resolve, 5));
    inFlight--;
    seen.push({ body: Buffer.concat(chunks).toString(), at: performance.now(), request });
    const answer = answers.shift() ?? { status: 200 };
    if (answer.hangUp === true) request.socket.destroy();
    else response.writeHead(answer.status, answer.headers).end('{"code":"X"}');
  });
  server.on('connection', socket => sockets.add(socket));
  return new Promise(resolve =>
    server.listen(port, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    ),
  );
}
function stopListening(): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !condition(); ) {
    if (performance.now() > end) throw new Error('this never came true');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
async function add(...texts: string[]): Promise<void> {
  for (const text of texts) await outbox.add(Buffer.from(text));
  sender.poke();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-sender-'));
  [seen, answers, results, inFlight, mostInFlight] = [[], [], [], 0, 0];
  sockets.clear();
  outbox = await Outbox.open({ folder, maxBytes: 1e6, maxAgeMs: 1e6 });
  sender = new Sender({
    server: new URL(`${await listen()}/base/`),
    outbox,
    backoff: { first: 20, longest: 80 },
    onResult: result => results.push(result),
  });
  sender.start();
});
afterEach(async () => {
  await sender.close(100);
  await stopListening();
  rmSync(folder, { recursive: true });
});

const bodies = () => seen.map(one => one.body);

test('sends in order, one at a time, over one connection, and deletes what was acknowledged', async () => {
  await add('a', 'b', 'c');
  await until(() => results.length === 3);
  await add('d');
  await until(() => results.length === 4);
  expect(bodies()).toEqual(['a', 'b', 'c', 'd']);
  expect(results).toEqual(['ok', 'ok', 'ok', 'ok']);
  expect(mostInFlight).toBe(1);
  expect(sockets.size).toBe(1);
  expect(outbox.size.entries).toBe(0);
  const { request } = seen[0]!;
  expect(request.method).toBe('POST');
  expect(request.url).toBe('/base/push.v1.PusherService/Push');
  expect(request.headers).toMatchObject({ 'content-type': 'application/proto', 'content-encoding': 'gzip' });
});

test('the same body again until it is acknowledged, later ones after it', async () => {
  answers = [{ status: 503 }, { status: 500 }, { hangUp: true, status: 0 }, { status: 401 }, { status: 200 }];
  await add('a', 'b');
  await until(() => results.length === 6);
  expect(bodies()).toEqual(['a', 'a', 'a', 'a', 'a', 'b']);
  expect(results).toEqual(['retried', 'retried', 'unreachable', 'retried', 'ok', 'ok']);
});

test('Retry-After is followed, and a poke does not cut it short', async () => {
  answers = [{ status: 429, headers: { 'retry-after': '1' } }];
  await add('a');
  await until(() => results.length === 1);
  sender.poke();
  await until(() => results.length === 2);
  expect(seen[1]!.at - seen[0]!.at).toBeGreaterThan(980);
  expect(results).toEqual(['retried', 'ok']);
});

test.each([400, 413, 415, 422])('an answer of %i sets the window aside and goes on', async status => {
  answers = [{ status }];
  await add('bad', 'good');
  await until(() => results.length === 2);
  expect(results).toEqual(['rejected', 'ok']);
  expect(bodies()).toEqual(['bad', 'good']);
  expect(outbox.dropped.rejected).toBe(1);
  expect(readdirSync(join(folder, 'rejected'))).toHaveLength(1);
});

test('an outage: windows pile up on disk, and are replayed in order', async () => {
  const { port } = server.address() as AddressInfo;
  await stopListening();
  await add('a', 'b', 'c');
  await until(() => results.length >= 3);
  expect(results.every(result => result === 'unreachable')).toBe(true);
  expect(outbox.size.entries).toBe(3);
  await listen(port);
  await until(() => outbox.size.entries === 0);
  expect(bodies()).toEqual(['a', 'b', 'c']);
});

test('closing sends what is left, and gives up soon when nobody answers', async () => {
  await outbox.add(Buffer.from('last'));
  await sender.close(2000);
  expect(bodies()).toEqual(['last']);

  await stopListening();
  await outbox.add(Buffer.from('kept'));
  const second = new Sender({ server: new URL('http://127.0.0.1:1'), outbox });
  second.start();
  const started = performance.now();
  await second.close(2000);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(outbox.size.entries).toBe(1);
  await listen();
});

test('a server that takes a request and says nothing is cut off when closing', async () => {
  answers = [];
  const silent = createServer(() => {});
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
  const second = new Sender({
    server: new URL(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`),
    outbox,
  });
  await outbox.add(Buffer.from('x'));
  second.start();
  const started = performance.now();
  await second.close(200);
  expect(performance.now() - started).toBeLessThan(1500);
  expect(outbox.size.entries).toBe(1);
  silent.closeAllConnections();
  silent.close();
});

test.each([
  ['3', 3000],
  ['0', 0],
  ['99999', 600_000],
  ['Thu, 01 Jan 1970 00:00:12 GMT', 2000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['soon', null],
  [undefined, null],
])('Retry-After: %s', (header, wait) => expect(retryAfterMs(header, 10_000)).toBe(wait));
