// SPDX-License-Identifier: Apache-2.0
// Names from debuginfod servers: the real one, and ones that misbehave.
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { encode } from '#native/profile';
import { columnsOfPlaces } from '../helpers/places.js';
import { eventually, freePort, start } from '../helpers/stackwell.js';
import { buildIdOf, compileCpp, functionsOf, offsetsOf, scratch, strip } from '../symbols/fixtures.js';
import { type Running, server } from './fixtures.js';

const place = scratch();
let full = '';
let buildId = '';
let offset = 0;
/** Its place in the file is all that is known. */
const UNNAMED = expect.stringMatching(/^app\+0x[0-9a-f]+$/);
beforeAll(() => {
  mkdirSync(join(place.folder, 'files'));
  full = compileCpp(place.folder);
  buildId = buildIdOf(full);
  offset = offsetsOf(full, [functionsOf(full).find(({ name }) => name === 'plain_c')!.address + 2])[0]!;
  strip(full, join(place.folder, 'files/program'), join(place.folder, 'files/program.debug'), false);
});
afterAll(() => place.remove());

let running: Running;
afterEach(() => running?.stop());

const START = Math.floor(Date.now() / 1000) * 1000 - 60_000;

async function push(id = buildId): Promise<void> {
  const stack = { places: [{ offset, reason: 'no_symbols' }], value: 30n };
  const body = await encode(columnsOfPlaces([stack], { buildId: id, file: '/srv/app', time: START }));
  expect((await running.ingest(body, { name: 'app' })).status).toBe(200);
}

async function top(): Promise<{ functions: { name: string[] }; warnings: string[] }> {
  const range = { from: String(START - 1000), until: String(START + 60_000) };
  const { types } = await running.json('/api/v1/types', range);
  return running.json('/api/v1/top', { ...range, type: types[0].id });
}

const requests = async (result: string): Promise<number> => {
  const metrics = await (await running.get('/metrics')).text();
  const line = new RegExp(`^stackwell_debuginfod_requests_total\\{result="${result}"\\} (\\d+)$`, 'm');
  return Number(line.exec(metrics)?.[1] ?? 0);
};

/** A server that answers as it likes, and the paths that it was asked for. */
async function peer(answer: RequestListener): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const http = createServer((request, response) => {
    asked.push(request.url!);
    answer(request, response);
  });
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked };
}

const notFound: RequestListener = (_, response) => void response.writeHead(404).end();

describe('debuginfod', () => {
  it('names what nobody sent, and is not asked for what is there', { timeout: 60_000 }, async () => {
    const port = await freePort();
    const daemon = start(
      'debuginfod',
      ['-p', String(port), '-d', ':memory:', '-F', join(place.folder, 'files')],
      {
        env: { PATH: process.env.PATH, HOME: place.folder },
      },
    );
    onTestFinished(async () => {
      await daemon.stop('SIGKILL');
    });
    const url = `http://127.0.0.1:${port}`;
    await eventually('debuginfod has scanned', 30, async () => {
      const answer = await fetch(`${url}/buildid/${buildId}/debuginfo`);
      return answer.status === 200 || null;
    });

    running = await server({ debuginfod: { urls: [`${url}/`] } });
    await push();
    await eventually('it is named', 20, async () => (await top()).functions.name[0] === 'plain_c' || null);
    expect((await running.json('/api/v1/debuginfo')).files).toMatchObject([
      { buildId, role: 'debug', kind: 'dwarf', origin: 'debuginfod' },
    ]);
    expect((await top()).warnings).toEqual([]);
    expect(await requests('stored')).toBe(1);
  });

  it('is not asked for builds with DWARF, nor for what is no build id', async () => {
    const { url, asked } = await peer(notFound);
    running = await server({ debuginfod: { urls: [url] } });
    const sent = await fetch(`${running.url}/api/v1/debuginfo/${buildId}`, {
      method: 'PUT',
      body: readFileSync(full),
    });
    expect(sent.status).toBe(201);
    await push();
    await push('Go/build-id_of/another..kind');
    expect((await top()).functions.name).toContain('plain_c');
    expect(asked).toEqual([]);
  });

  it('is asked once for what it does not have, until it is time to ask again', async () => {
    const { url, asked } = await peer(notFound);
    const other = await peer(notFound);
    running = await server({ debuginfod: { urls: [url, other.url], retryAfter: '1s' } });
    await push();
    const both = [`/buildid/${buildId}/debuginfo`, `/buildid/${buildId}/executable`];
    for (let i = 0; i < 3; i++) expect((await top()).functions.name).toEqual([UNNAMED]);
    expect([asked, other.asked]).toEqual([both, both]);
    expect(await requests('not_found')).toBe(4);
    await eventually('it is asked again', 10, async () => {
      await top();
      return asked.length === 4 || null;
    });
  });

  it('gives the executable where there is no debug file', async () => {
    const { url } = await peer((request, response) => {
      if (request.url!.endsWith('/executable')) response.end(readFileSync(full));
      else notFound(request, response);
    });
    running = await server({ debuginfod: { urls: [url] } });
    await push();
    expect((await top()).functions.name).toEqual(['plain_c']);
  });

  it('is not believed', async () => {
    const answers: RequestListener[] = [
      (_, response) => void response.end('<html>not what was asked for</html>'),
      (_, response) => void response.end(readFileSync(process.execPath).subarray(0, 3_000_000)),
      (_, response) => void response.writeHead(500).end(),
      (_, response) => {
        response.write(readFileSync(full).subarray(0, 1000));
        setTimeout(() => response.destroy(), 50);
      },
    ];
    for (const answer of answers) {
      const { url } = await peer(answer);
      running = await server({ debuginfod: { urls: [url] } });
      await push();
      expect((await top()).functions.name).toEqual([UNNAMED]);
      expect((await requests('refused')) + (await requests('failed'))).toBe(2);
      expect((await running.json('/api/v1/debuginfo')).files).toEqual([]);
      await running.stop();
    }
  });

  it('does not keep a question waiting, nor the server from ending', async () => {
    const { url, asked } = await peer(() => {});
    running = await server({ debuginfod: { urls: [url] } });
    await push();
    const since = performance.now();
    const { functions, warnings } = await top();
    expect(performance.now() - since).toBeLessThan(4000);
    expect(functions.name).toEqual([UNNAMED]);
    expect(warnings).toHaveLength(1);
    expect(asked).toHaveLength(1);
    await running.close();
    expect(performance.now() - since).toBeLessThan(8000);
  });
});
