// SPDX-License-Identifier: Apache-2.0
// One port for HTTP/1.1 and HTTP/2: who gets which, and what a client that means no good gets out of it.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Listener, type Timeouts } from '../../src/server/listener.js';
import { pprof, type Running, server } from './fixtures.js';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listener(
  handler: (request: IncomingMessage, response: ServerResponse) => unknown,
  timeouts: Partial<Timeouts> = {},
): Promise<{ listener: Listener; port: number; url: string }> {
  const listener = new Listener((request, response) => void handler(request, response), timeouts);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  cleanups.push(() => {
    listener.closeAllConnections();
    return new Promise<void>(resolve => listener.close(() => resolve()));
  });
  const { port } = listener.address() as AddressInfo;
  return { listener, port, url: `http://127.0.0.1:${port}` };
}

async function stackwell(over: object = {}): Promise<Running & { port: number }> {
  const running = await server(over);
  cleanups.push(() => running.stop());
  return { ...running, port: Number(new URL(running.url).port) };
}

function socketTo(port: number): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  cleanups.push(() => socket.destroy());
  return socket;
}

function session(url: string): ClientHttp2Session {
  const session = connectHttp2(url, { maxSessionMemory: 1000 }).on('error', () => {});
  cleanups.push(() => session.destroy());
  return session;
}

/** Everything until the other side ends or resets. */
async function everything(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk));
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

interface Answer {
  status: number | undefined;
  body: string;
  /** Of the reset, 0 when all was well. */
  reset: number;
}

async function ask(
  client: ClientHttp2Session,
  headers: Record<string, string>,
  body?: Uint8Array,
): Promise<Answer> {
  const stream = client.request(headers, { endStream: body === undefined });
  stream.on('error', () => {});
  let status: number | undefined;
  let text = '';
  stream.on('response', (answer: IncomingHttpHeaders) => {
    status = Number(answer[':status']);
  });
  stream.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  if (body !== undefined) stream.end(body);
  await new Promise(resolve => stream.once('end', resolve).once('close', resolve));
  const reset = stream.rstCode;
  // A client that is told to send no more would wait for what it has written all the same.
  stream.close();
  return { status, body: text, reset };
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Bytes of bodies that the server holds. */
const held = async (running: Running) =>
  Number(/^stackwell_ingest_inflight_bytes (\d+)/m.exec(await (await running.get('/metrics')).text())![1]);

const echoVersion = (request: IncomingMessage, response: ServerResponse) => {
  request.resume();
  request.on('end', () => response.end(`${request.httpVersion} ${request.method}`));
};

describe('who speaks what', () => {
  it('is told by the first bytes, however they arrive', async () => {
    const { port, url } = await listener(echoVersion);
    expect(await (await fetch(url, { method: 'POST', body: 'x' })).text()).toBe('1.1 POST');
    expect(await ask(session(url), { ':path': '/' })).toEqual({ status: 200, body: '2.0 GET', reset: 0 });

    for (const method of ['PROPFIND', 'PATCH', 'GET']) {
      const socket = socketTo(port).setNoDelay();
      const answer = everything(socket);
      for (const byte of `${method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`) {
        socket.write(byte);
        await sleep(1);
      }
      expect(await answer).toContain(`1.1 ${method}`);
    }
    const slow = socketTo(port).setNoDelay();
    const seen = once(slow, 'data');
    for (const byte of PREFACE) {
      slow.write(byte);
      await sleep(1);
    }
    slow.write(frame(FRAME.settings, 0, 0));
    const [settings] = (await seen) as [Buffer];
    expect(settings[3]).toBe(FRAME.settings);
  });

  it('leaves several requests in one packet, and a body after them, as they are', async () => {
    const bodies: string[] = [];
    const { port } = await listener((request, response) => {
      let body = '';
      request.on('data', chunk => {
        body += chunk;
      });
      request.on('end', () => {
        bodies.push(body);
        response.end('ok');
      });
    });
    const socket = socketTo(port);
    const answer = everything(socket);
    const post = (length: number) => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;
    socket.write(`${post(3)}one${post(300_000)}${'y'.repeat(100)}`);
    await sleep(20);
    socket.write('y'.repeat(299_900));
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect((await answer).split('200 OK')).toHaveLength(4);
    expect(bodies.map(body => body.length)).toEqual([3, 300_000, 0]);
  });

  it('drops those who do not say, or say it wrong', async () => {
    const { listener: it, port } = await listener(echoVersion, { preface: 200, idle: 400 });
    const began = performance.now();
    const silent = socketTo(port);
    const half = socketTo(port);
    half.write('PR');
    const more = socketTo(port);
    more.write('PRI * HT');
    await expect.poll(() => it.open).toEqual({ undecided: 2, http1: 0, http2: 1 });
    await Promise.all([everything(silent), everything(half), everything(more)]);
    expect(performance.now() - began).toBeLessThan(5000);
    const wrong = socketTo(port);
    wrong.write(`PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n`);
    await everything(wrong);
    const gone = socketTo(port);
    gone.end('P');
    await everything(gone);
    expect(it.open).toEqual({ undecided: 0, http1: 0, http2: 0 });
  });

  it('is asked on all addresses of a name, until it is closed', async () => {
    const { listener: it, port } = await listener(echoVersion);
    await it.listenAlso(['127.0.0.1', '127.0.0.2', '192.0.2.1']);
    const url = `http://127.0.0.2:${port}`;
    expect(await (await fetch(url)).text()).toBe('1.1 GET');
    expect((await ask(session(url), { ':path': '/' })).body).toBe('2.0 GET');
    it.closeIdleConnections();
    await new Promise(closed => it.close(closed));
    await expect(fetch(url)).rejects.toThrow();
  });
});

describe('HTTP/2', () => {
  it('asks and sends as HTTP/1 does', async () => {
    const running = await stackwell();
    const client = session(running.url);
    const body = await pprof({ samples: [{ stack: ['a'], values: [7] }] });
    const ingest = { ':method': 'POST', ':path': '/ingest?format=pprof&name=two' };
    expect(await ask(client, ingest, body)).toEqual({ status: 200, body: '', reset: 0 });
    const top = await ask(client, { ':path': '/api/v1/top' });
    expect(JSON.parse(top.body).sum).toBe(7);
    expect((await ask(client, { ':path': '/nowhere' })).status).toBe(404);
    const metrics = await ask(client, { ':path': '/metrics' });
    expect(metrics.body).toContain('stackwell_http_connections{protocol="http2"} 1\n');
    const refused = await ask(client, ingest, Buffer.from('garbage'));
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([422, 'SW_PPROF_INVALID']);
  });

  it('is guarded by the name that it is asked under', async () => {
    const running = await stackwell();
    const answer = await ask(session(running.url), { ':path': '/api/v1/top', ':authority': 'evil.example' });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([421, 'SW_HOST_UNKNOWN']);
  });

  it('keeps nothing of a body that its sender resets', async () => {
    const running = await stackwell();
    // Uncompressed pprof is a profile also where its end is missing. Node.js's client would end it before the reset.
    const body = Buffer.from(await pprof({ samples: [{ stack: ['a'], values: [7] }] }, 0));
    // POST http, then authority and path as HPACK has them without an entry in its table.
    const text = (name: number, value: string) => Buffer.from([name, value.length, ...Buffer.from(value)]);
    const headers = Buffer.concat([
      Buffer.from([0x83, 0x86]),
      text(0x01, 'localhost'),
      text(0x04, '/ingest?format=pprof&name=half'),
    ]);
    const sending = Buffer.concat([
      Buffer.from(PREFACE),
      frame(FRAME.settings, 0, 0),
      frame(FRAME.headers, 0b100, 1, headers),
      frame(FRAME.data, 0, 1, body),
    ]);
    const endings: ((socket: Socket) => void)[] = [
      socket => socket.write(frame(FRAME.reset, 0, 1, Buffer.from([0, 0, 0, 8]))),
      socket => socket.write(frame(FRAME.reset, 0, 1, Buffer.alloc(4))),
      socket => socket.resetAndDestroy(),
      socket => socket.end(),
    ];
    for (const end of endings) {
      const socket = socketTo(running.port);
      socket.write(sending);
      await expect.poll(() => held(running)).toBe(body.length);
      end(socket);
      await expect.poll(() => held(running)).toBe(0);
    }
    expect((await running.json('/api/v1/top')).sum).toBe(0);
  });

  it('refuses bodies over the limit again and again, and the session goes on', async () => {
    const running = await stackwell({ limits: { bodyBytes: 64 * 1024 } });
    const client = session(running.url);
    const large = Buffer.alloc(3 * 1024 * 1024);
    for (let round = 0; round < 8; round++)
      for (const path of ['/ingest?format=pprof&name=large', '/nowhere']) {
        const answer = await ask(client, { ':method': 'POST', ':path': path }, large);
        expect([path, answer.status]).toEqual([path, path === '/nowhere' ? 404 : 413]);
      }
    const body = await pprof({ samples: [{ stack: ['a'], values: [7] }] });
    const small = await ask(client, { ':method': 'POST', ':path': '/ingest?format=pprof&name=s' }, body);
    expect(small.status).toBe(200);
    expect(await held(running)).toBe(0);
  });

  it('counts bodies of all streams together, and asks to come again past the limit', async () => {
    const running = await stackwell({ limits: { inflightBytes: 256 * 1024 } });
    const client = session(running.url);
    const open = () => {
      const stream = client.request(
        { ':method': 'POST', ':path': '/ingest?format=pprof&name=many' },
        { endStream: false },
      );
      stream.on('error', () => {});
      const status = once(stream, 'response').then(([headers]) => headers[':status']);
      stream.write(Buffer.alloc(100 * 1024));
      return { stream, status };
    };
    const streams = Array.from({ length: 5 }, open);
    expect(await Promise.race(streams.map(({ status }) => status))).toBe(503);
    for (const { stream } of streams) stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => held(running)).toBe(0);
  });

  it('gives a request its time, and no more', async () => {
    const { url } = await listener(echoVersion, { request: 300, idle: 60_000 });
    const client = session(url);
    const stream = client.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
    stream.on('error', () => {});
    const drip = setInterval(() => stream.write('x'), 50);
    await once(stream, 'close');
    clearInterval(drip);
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect((await ask(client, { ':path': '/' })).body).toBe('2.0 GET');
  });

  it('closes a session that has had nothing to do for a while, and none that waits for an answer', async () => {
    const { listener: it, url } = await listener(
      async (request, response) => {
        await sleep(request.url === '/slow' ? 700 : 0);
        response.end('done');
      },
      { idle: 200 },
    );
    const client = session(url);
    const closed = once(client, 'close');
    expect((await ask(client, { ':path': '/slow' })).body).toBe('done');
    await closed;
    await expect.poll(() => it.open.http2).toBe(0);
  });

  it('finishes what is under way when it is closed', async () => {
    const running = await stackwell();
    const client = session(running.url);
    const body = await pprof({ samples: [{ stack: ['a'], values: [7] }] });
    const idle = session(running.url);
    await ask(idle, { ':path': '/healthz' });
    const stream = client.request(
      { ':method': 'POST', ':path': '/ingest?format=pprof&name=late' },
      { endStream: false },
    );
    stream.write(body.subarray(0, 10));
    await expect.poll(() => held(running)).toBe(10);
    const began = performance.now();
    const closing = running.close();
    await sleep(200);
    const status = once(stream, 'response').then(([headers]) => headers[':status']);
    stream.end(body.subarray(10));
    expect(await status).toBe(200);
    await closing;
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

describe('a client that floods', () => {
  /** Sends it all, and says whether it was cut off; the server must still answer others. */
  async function flood(port: number, bytes: (round: number) => Buffer, rounds: number): Promise<boolean> {
    const socket = socketTo(port);
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0)]));
    // Nothing that the server sends is read.
    socket.pause();
    for (let round = 0; round < rounds && !socket.destroyed; round++)
      if (!socket.write(bytes(round)))
        await Promise.race([
          new Promise(resolve => socket.once('drain', resolve).once('close', resolve)),
          sleep(500),
        ]);
    socket.resume();
    await Promise.race([new Promise(resolve => socket.once('close', resolve)), sleep(1000)]);
    return socket.destroyed;
  }
  const request = (id: number) =>
    // GET http / from the static table of HPACK, and an authority.
    frame(FRAME.headers, 0b101, id, Buffer.from([0x82, 0x86, 0x84, 0x01, 1, 0x78]));

  it('by opening and resetting streams is not listened to for long', async () => {
    let served = 0;
    const { port, url } = await listener((request, response) => {
      served++;
      echoVersion(request, response);
    });
    const hundred = (round: number) =>
      Buffer.concat(
        Array.from({ length: 100 }, (_, at) => {
          const id = (round * 100 + at) * 2 + 1;
          return Buffer.concat([request(id), frame(FRAME.reset, 0, id, Buffer.from([0, 0, 0, 8]))]);
        }),
      );
    await flood(port, hundred, 300);
    expect(served).toBeGreaterThan(100);
    expect(served).toBeLessThan(10_000);
    expect((await ask(session(url), { ':path': '/' })).status).toBe(200);
  });

  it('with requests that are none is cut off', async () => {
    const { port, url } = await listener(echoVersion);
    // Without an authority.
    const none = (id: number) => frame(FRAME.headers, 0b101, id, Buffer.from([0x82, 0x86, 0x84]));
    expect(await flood(port, round => none(round * 2 + 1), 300)).toBe(true);
    expect((await ask(session(url), { ':path': '/' })).status).toBe(200);
  });

  it('with pings or settings whose answers it does not read is cut off', async () => {
    const { port, url } = await listener(echoVersion);
    const ping = Buffer.concat(Array.from({ length: 1000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
    const settings = Buffer.concat(Array.from({ length: 1000 }, () => frame(FRAME.settings, 0, 0)));
    for (const bytes of [ping, settings]) {
      expect(await flood(port, () => bytes, 3000)).toBe(true);
      expect((await ask(session(url), { ':path': '/' })).status).toBe(200);
    }
  });

  it('with streams gets a hundred at a time', async () => {
    let most = 0;
    let now = 0;
    const { url } = await listener(async (_, response) => {
      most = Math.max(most, ++now);
      await sleep(50);
      now--;
      response.end('done');
    });
    const client = session(url);
    const answers = await Promise.all(Array.from({ length: 300 }, () => ask(client, { ':path': '/' })));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(most).toBeLessThanOrEqual(100);
  });

  it('with headers gets 16 KiB of them', async () => {
    const { url } = await listener(echoVersion);
    const client = session(url);
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x-${at}`, 'v'.repeat(300)]));
    // The first answer comes after the server's settings.
    expect((await ask(client, { ':path': '/' })).status).toBe(200);
    expect((await ask(client, { ':path': '/', ...many })).status).not.toBe(200);
    expect((await ask(session(url), { ':path': '/' })).status).toBe(200);
  });
});
