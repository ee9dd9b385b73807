// SPDX-License-Identifier: Apache-2.0
// Requests that no route takes, or that cannot be read, get answers of the error table too.
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Running, server } from './fixtures.js';

let running: Running;
beforeAll(async () => {
  running = await server();
});
afterAll(() => running.stop());

async function ask(method: string, path: string): Promise<{ status: number; code: string; allow: string }> {
  const sent = request(new URL(path, running.url), { method });
  sent.end();
  const [answer] = await once(sent, 'response');
  let body = '';
  for await (const chunk of answer) body += chunk;
  return {
    status: answer.statusCode,
    code: method === 'HEAD' ? '' : JSON.parse(body).code,
    allow: answer.headers.allow ?? '',
  };
}

it('what is not there is not found, with any method', async () => {
  const nothing = { status: 404, code: 'SW_NOT_FOUND', allow: '' };
  for (const method of ['GET', 'POST', 'DELETE', 'TRACE', 'QUERY'])
    expect(await ask(method, '/api/v1/nothing')).toEqual(nothing);
  expect(await ask('GET', '/api/v1/labels//values/more')).toEqual(nothing);
});

it('what is there, but not with this method, says which it takes', async () => {
  const not = (allow: string) => ({ status: 405, code: 'SW_METHOD_NOT_ALLOWED', allow });
  for (const method of ['POST', 'PUT', 'TRACE', 'QUERY', 'PROPFIND'])
    expect(await ask(method, '/api/v1/flamegraph?query=x')).toEqual(not('GET, HEAD'));
  expect(await ask('GET', '/ingest')).toEqual(not('POST'));
  expect(await ask('GET', '/push.v1.PusherService/Push')).toEqual(not('POST'));
  expect(await ask('POST', '/api/v1/labels/host/values')).toEqual(not('GET, HEAD'));
  expect(await ask('POST', '/api/v1/debuginfo/00ff')).toEqual(not('DELETE, PUT'));
});

it('a head that is too large is told, and what is not HTTP', async () => {
  expect(await ask('GET', `/api/v1/top?query=${'x'.repeat(20_000)}`)).toMatchObject({
    status: 431,
    code: 'SW_REQUEST_HEAD_TOO_LARGE',
  });
  const { hostname, port } = new URL(running.url);
  const socket = connect(Number(port), hostname);
  socket.write('hello there\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"SW_REQUEST_INVALID"/);
});
