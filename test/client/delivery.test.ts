// SPDX-License-Identifier: Apache-2.0
// A server that is away, slow, or says no.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { settingsOf } from '../../src/client/options.js';
import { Pusher } from '../../src/client/push.js';
import { type Cause, Queue } from '../../src/client/queue.js';
import { eventually, freePort, isRunning, sleep } from '../helpers/stackwell.js';
import { server } from '../server/fixtures.js';
import { CPU, printed, program, stored, sumOf } from './child.js';

const NONE = { queue_full: 0, rejected: 0, failed: 0, stopped: 0 };

describe('a server that is away for a while', () => {
  it('gets everything when it is back, once', async () => {
    const port = await freePort();
    const child = program('outage.mjs', `http://127.0.0.1:${port}`, String(8 << 20), '5', '0', '20000');
    await sleep(2500);
    const running = await server({ listen: `127.0.0.1:${port}` });
    onTestFinished(() => running.stop());
    const { spent, stats, before, warned } = await printed(child);
    expect(stats.retried).toBeGreaterThan(0);
    expect(before.taken).toBeGreaterThanOrEqual(4);
    expect(stats).toMatchObject({ sent: stats.taken, dropped: NONE, waiting: { profiles: 0, bytes: 0 } });
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(/^SW_CLIENT_PUSH: .*ECONNREFUSED/);
    const found = sumOf(await stored(running, CPU, '{service_name="outage"}')) / 1e6;
    expect(found / spent).toBeGreaterThan(0.9);
    // Beside what it burned on purpose, it slept and woke.
    expect(found / spent).toBeLessThan(1.3);
  });

  it('for longer than the queue holds: what is dropped is counted, told, and the oldest', async () => {
    const port = await freePort();
    const child = program('outage.mjs', `http://127.0.0.1:${port}`, '65536', '6', '1024', '500');
    const { stats, before, warned, stopMs } = await printed(child);
    expect(before.dropped.queue_full).toBeGreaterThan(0);
    expect(before.waiting.bytes).toBeLessThanOrEqual(65_536);
    expect(before.waiting.profiles).toBeGreaterThan(0);
    // Those that are being made at that moment are in neither.
    expect(stats.sent + stats.dropped.queue_full + stats.dropped.stopped).toBe(stats.taken);
    expect(stats.dropped.stopped).toBeGreaterThan(0);
    expect(
      warned.some((text: string) => /^SW_CLIENT_DROPPED: \d+ profiles were dropped: queue_full/.test(text)),
    ).toBe(true);
    expect(stopMs).toBeLessThan(2000);
  });
});

describe('a process that ends by itself', () => {
  it('is not kept by a server that never answers', async () => {
    const asked: http.IncomingMessage[] = [];
    const silent = http.createServer(request => void asked.push(request));
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const child = program('leaves.mjs', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const { code, stdout, stderr } = await child.finished;
    const lasted = Date.now() - Number(stdout);
    expect([code, stderr]).toEqual([0, '']);
    // It was in the middle of a request that would have been waited for ten seconds.
    expect(asked.length).toBe(1);
    expect(lasted).toBeLessThan(1500);
    expect(isRunning(child.pid)).toBe(false);
  });
});

interface Call {
  at: number;
  headers: http.IncomingHttpHeaders;
  url: string;
}

/** Answers as told, in turn; the last for all that follow. */
async function scripted(answers: { status: number; headers?: http.OutgoingHttpHeaders; body?: string }[]) {
  const calls: Call[] = [];
  const http_ = http.createServer((request, response) => {
    request.resume().on('end', () => {
      const { status, headers = {}, body = '' } = answers[Math.min(calls.length, answers.length - 1)]!;
      calls.push({ at: performance.now(), headers: request.headers, url: request.url! });
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise<void>(resolve => http_.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http_.closeAllConnections();
    http_.close();
  });
  return { calls, url: `http://127.0.0.1:${(http_.address() as AddressInfo).port}` };
}

function pusher(url: string, options: object = {}) {
  const dropped: [Cause, number][] = [];
  const results: string[] = [];
  const queue = new Queue(100_000, (cause, count) => dropped.push([cause, count]));
  const settings = settingsOf({ serverUrl: url, serviceName: 'pushed', ...options }, {}, []);
  const made = new Pusher(settings, queue, {
    result: (result, reason) => results.push(`${result} ${reason}`.trim()),
  });
  onTestFinished(() => made.flush(1));
  const add = (id: string) => queue.add({ id, name: 'process_cpu', pprof: Buffer.alloc(100) });
  return { queue, made, results, dropped, add };
}

describe('pushing', () => {
  it('waits for as long as Retry-After says, and sends on', async () => {
    const { calls, url } = await scripted([
      { status: 503, headers: { 'retry-after': '2' } },
      { status: 200 },
    ]);
    const { add, made, results, queue } = pusher(url);
    add('a');
    add('b');
    made.poke();
    await eventually('both sent', 10, () => (queue.length === 0 ? true : null));
    expect(results).toEqual(['retried HTTP 503', 'sent', 'sent']);
    const waited = calls[1]!.at - calls[0]!.at;
    expect(waited).toBeGreaterThan(1900);
    expect(waited).toBeLessThan(3000);
  });

  it('pauses for longer each time, half of it by chance', async () => {
    const { calls, url } = await scripted([{ status: 502 }]);
    const { add, made } = pusher(url);
    add('a');
    made.poke();
    await eventually('four attempts', 15, () => (calls.length >= 4 ? true : null));
    const pauses = calls.slice(1).map(({ at }, index) => at - calls[index]!.at);
    [500, 1000, 2000].forEach((full, index) => {
      expect(pauses[index]).toBeGreaterThan(full / 2 - 10);
      expect(pauses[index]).toBeLessThan(full + 400);
    });
  });

  it('drops what the server refuses, and goes on with the next', async () => {
    const { url } = await scripted([{ status: 400, body: '{"code":"invalid_argument"}' }, { status: 200 }]);
    const { add, made, results, queue } = pusher(url);
    add('a');
    add('b');
    made.poke();
    await eventually('both gone', 5, () => (queue.length === 0 ? true : null));
    expect(results).toEqual(['rejected HTTP 400 {"code":"invalid_argument"}', 'sent']);
  });

  it('says who it is, in every way that a proxy asks', async () => {
    const seen = async (options: object, address = (url: string) => url) => {
      const { calls, url } = await scripted([{ status: 200 }]);
      const { add, made, queue } = pusher(address(url), options);
      add('a');
      made.poke();
      await eventually('sent', 5, () => (queue.length === 0 ? true : null));
      const { authorization, 'x-scope-orgid': tenant, 'x-more': more } = calls[0]!.headers;
      return [calls[0]!.url, authorization, tenant, more];
    };
    const push = '/push.v1.PusherService/Push';
    const basic = `Basic ${Buffer.from('me:se:cret').toString('base64')}`;
    expect(await seen({})).toEqual([push, undefined, undefined, undefined]);
    expect(await seen({ basicAuth: { username: 'me', password: 'se:cret' } })).toEqual([
      push,
      basic,
      undefined,
      undefined,
    ]);
    expect(await seen({}, url => url.replace('//', '//me:se%3Acret@'))).toEqual([
      push,
      basic,
      undefined,
      undefined,
    ]);
    expect(await seen({ bearerToken: 'abc', tenant: 't1', headers: { 'X-More': 'yes' } })).toEqual([
      push,
      'Bearer abc',
      't1',
      'yes',
    ]);
    expect(await seen({}, url => `${url}/below/`)).toEqual([
      `/below${push}`,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('flushes at a server that is silent for no longer than it may', async () => {
    const silent = http.createServer(() => {});
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const { add, made, queue } = pusher(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    add('a');
    made.poke();
    const began = performance.now();
    await made.flush(300);
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(290);
    expect(took).toBeLessThan(800);
    expect(queue.length).toBe(1);
  });
});

describe('the queue', () => {
  it('drops the oldest for the newest, and what is larger than itself', () => {
    const dropped: [Cause, number][] = [];
    const queue = new Queue(4000, (cause, count) => dropped.push([cause, count]));
    const one = (id: string, bytes: number) => ({ id, name: 'wall', pprof: Buffer.alloc(bytes) });
    queue.add(one('a', 1000));
    queue.add(one('b', 1000));
    expect([queue.length, queue.bytes, dropped]).toEqual([2, 3024, []]);
    const first = queue.first()!;
    queue.add(one('c', 3000));
    expect([queue.length, queue.first()!.id, dropped]).toEqual([1, 'c', [['queue_full', 2]]]);
    // It was on its way meanwhile: dropped is dropped, and is not counted as sent, too.
    expect(queue.done(first)).toBe(false);
    queue.add(one('d', 4000));
    expect([queue.length, dropped.at(-1)]).toEqual([1, ['queue_full', 1]]);
    queue.clear('stopped');
    expect([queue.length, queue.bytes, dropped.at(-1)]).toEqual([0, 0, ['stopped', 1]]);
  });
});
