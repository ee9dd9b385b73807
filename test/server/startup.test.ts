// SPDX-License-Identifier: Apache-2.0
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failure, pprof, server } from './fixtures.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-start-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const startIn = (over: object) => server({ data: join(folder, 'data'), ...over });

describe('startServer', () => {
  it('says when the port is taken, and lets go of the folder', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await expect(startIn({ listen: `127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'SW_PORT_TAKEN' });
    other.close();
    await (await startIn({})).stop();
  });

  it('says when the address is none, or not of this machine', async () => {
    for (const listen of ['4040', 'localhost', '127.0.0.1:99999', '[::1:4040', '127.0.0.1:x'])
      await expect(startIn({ listen })).rejects.toMatchObject({ code: 'SW_USAGE' });
    await expect(startIn({ listen: '192.0.2.1:0', allowRemote: true })).rejects.toMatchObject({
      code: 'SW_PORT_TAKEN',
    });
  });

  it('listens beyond loopback only when that is asked for', async () => {
    for (const listen of ['0.0.0.0:0', '[::]:0', 'example.com:80']) {
      await expect(startIn({ listen })).rejects.toMatchObject({ code: 'SW_LISTEN_REMOTE' });
      expect(existsSync(join(folder, 'data'))).toBe(false);
    }
    const running = await startIn({ listen: '0.0.0.0:0', allowRemote: true });
    expect((await running.get('/healthz')).status).toBe(200);
    await running.stop();
  });

  it('says when the data folder cannot be used, or another server uses it', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(startIn({ data: join(folder, 'file') })).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    const first = await startIn({});
    await expect(startIn({})).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    expect((await first.get('/readyz')).status).toBe(200);
    await first.stop();
  });

  it('keeps what it stored over a restart', async () => {
    const first = await startIn({});
    await first.ingest(await pprof({ samples: [{ stack: ['a'], values: [7] }] }), { name: 'a' });
    await first.close();
    const second = await startIn({});
    expect((await second.json('/api/v1/top')).sum).toBe(7);
    await second.stop();
  });

  it('finishes a request that is under way when it is closed, and does not wait for the connection', async () => {
    const running = await startIn({});
    const body = await pprof({ samples: [{ stack: ['a'], values: [7] }] });
    const { hostname, port } = new URL(running.url);
    const agent = new Agent({ keepAlive: true });
    const sending = request({
      agent,
      hostname,
      port,
      method: 'POST',
      path: '/ingest?format=pprof&name=late',
      headers: { 'content-length': body.length },
    });
    sending.write(body.subarray(0, 10));
    const arrived = async () =>
      (await (await running.get('/metrics')).text()).includes('inflight_bytes 10\n');
    await expect.poll(arrived).toBe(true);
    const began = performance.now();
    const closed = running.close();
    await new Promise(resolve => setTimeout(resolve, 200));
    sending.end(body.subarray(10));
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(200);
    await closed;
    expect(performance.now() - began).toBeLessThan(5000);
    agent.destroy();
    const again = await startIn({});
    expect((await again.json('/api/v1/top')).sum).toBe(7);
    await again.stop();
  });

  it('is ready within a second or so, and small while idle', async () => {
    const serve = fileURLToPath(new URL('./serve.mjs', import.meta.url));
    const began = performance.now();
    const child = fork(serve, [join(folder, 'data')], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    await once(child, 'message');
    const ready = performance.now() - began;
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024;
    child.kill('SIGTERM');
    await once(child, 'exit');
    // Far enough from what is usual that a busy machine does not fail it, near enough to notice a heavy import.
    expect(ready).toBeLessThan(5000);
    expect(rss).toBeLessThan(120);
  });
});

describe('the page', () => {
  it('is served with a strict policy where it is built, and nothing else is', async () => {
    const running = await startIn({});
    try {
      const page = await running.get('/');
      if (existsSync(fileURLToPath(new URL('../../build/web/index.html', import.meta.url)))) {
        expect(page.status).toBe(200);
        expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
        expect(page.headers.get('cache-control')).toBe('no-cache');
        const etag = page.headers.get('etag')!;
        const again = await fetch(`${running.url}/`, { headers: { 'if-none-match': etag } });
        expect(again.status).toBe(304);
      } else expect(await failure(page)).toEqual({ status: 404, code: 'SW_NOT_FOUND' });
      for (const path of ['/../package.json', '/%2e%2e/package.json', '/..%2fpackage.json', '/etc/passwd'])
        expect(await failure(await running.get(path))).toEqual({ status: 404, code: 'SW_NOT_FOUND' });
    } finally {
      await running.stop();
    }
  });
});
