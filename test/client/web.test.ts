// SPDX-License-Identifier: Apache-2.0
// Requests of a service: labelled by route and method, and asked for by pull.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePprof, secondsOf, through } from '../helpers/pprof.js';
import { type Running as Child, eventually } from '../helpers/stackwell.js';
import { type Running, server } from '../server/fixtures.js';
import { CPU, has, printed, program, stored, sumOf } from './child.js';

let running: Running;
beforeAll(async () => {
  running = await server();
});
afterAll(() => running.stop());

const address = (child: Child) =>
  eventually('its address', 20, () => /^http:\S+/m.exec(child.stdout)?.[0] ?? null);

describe('the Fastify plugin', () => {
  it('keeps the routes apart whose requests take turns, by as many values as there are routes', async () => {
    const child = program('fastify.mjs', running.url);
    const url = await address(child);
    const hot = (id: number) => fetch(`${url}/hot/${id}`).then(answer => answer.json());
    const warm = (id: number) =>
      fetch(`${url}/warm/${id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id, filler: 'x'.repeat(100_000) }),
      }).then(answer => answer.json());
    let id = 0;
    for (let round = 0; round < 12; round++) {
      const answers = await Promise.all([hot(id++), warm(id++), hot(id++), warm(id++), hot(id++)]);
      answers.forEach((answer, at) => {
        const labels =
          at % 2 === 0 ? { route: '/hot/:id', method: 'GET' } : { route: '/warm/:id', method: 'POST' };
        expect((answer as { labels: object }).labels).toEqual(labels);
      });
    }
    expect((await fetch(`${url}/nowhere/${id}`)).status).toBe(404);
    child.child.stdin!.end();
    const { sent, taken } = await printed(child);
    expect(sent).toBe(taken);

    const query = '{service_name="web"}';
    const cpu = await stored(running, CPU, query);
    for (const [burn, route, method] of [
      ['burnHot', '/hot/:id', 'GET'],
      ['burnWarm', '/warm/:id', 'POST'],
    ] as const) {
      const all = sumOf(cpu, has(burn));
      expect(all / 1e6).toBeGreaterThan(300);
      const own = sumOf(
        cpu,
        sample => has(burn)(sample) && sample.labels.route === route && sample.labels.method === method,
      );
      expect(own / all).toBeGreaterThan(0.95);
    }
    const { values } = await running.json('/api/v1/labels/route/values', { query });
    expect(values.filter((value: string) => value !== 'unmatched')).toEqual(['/hot/:id', '/warm/:id']);
  });

  it('answers pulls beside its pushes, one at a time, and the pushes lose nothing', async () => {
    const child = program('fastify.mjs', running.url);
    const url = await address(child);
    const pull = fetch(`${url}/debug/pprof/profile?seconds=2`);
    await new Promise(resolve => setTimeout(resolve, 300));
    const second = await fetch(`${url}/debug/pprof/profile?seconds=1`);
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1']);
    for (let id = 0; id < 20; id++) await fetch(`${url}/hot/${id}`);
    const answer = await pull;
    expect(answer.status).toBe(200);
    const profile = decodePprof(new Uint8Array(await answer.arrayBuffer()));
    expect(profile.types).toEqual(['samples/count', 'wall/nanoseconds', 'cpu/nanoseconds']);
    const pulled = secondsOf(profile, 'cpu', through(/^burnHot$/));
    expect(pulled).toBeGreaterThan(0.1);
    for (const seconds of ['0', '-1', '61', 'x', '1e9'])
      expect((await fetch(`${url}/debug/pprof/profile?seconds=${seconds}`)).status).toBe(400);
    child.child.stdin!.end();
    const { sent, taken, running: kinds } = await printed(child);
    expect(sent).toBe(taken);
    expect(kinds).toEqual({ cpu: false, wall: false, heap: false });
  });
});

describe('the middleware for Express', () => {
  it('answers pulls of a process that pushes nothing, and lets the rest pass', async () => {
    const child = program('pulled.mjs');
    const url = await address(child);
    const answer = await fetch(`${url}/debug/pprof/profile?seconds=1`);
    const profile = decodePprof(new Uint8Array(await answer.arrayBuffer()));
    // How much it got of a shared machine is not known, but it does nothing else.
    expect(secondsOf(profile, 'cpu', through(/^burnHot$/)) / secondsOf(profile, 'cpu')).toBeGreaterThan(0.6);
    const heap = decodePprof(new Uint8Array(await (await fetch(`${url}/debug/pprof/heap`)).arrayBuffer()));
    expect(heap.types).toEqual(['inuse_objects/count', 'inuse_space/bytes']);
    expect(heap.samples.some(has('(external)'))).toBe(true);
    expect(await (await fetch(`${url}/orders/1`)).text()).toBe('of the application');
    expect(await (await fetch(`${url}/debug/pprof/heap`, { method: 'POST' })).text()).toBe(
      'of the application',
    );
    child.child.stdin!.end();
    const { taken, running: kinds } = await printed(child);
    expect([taken, kinds]).toEqual([0, { cpu: false, wall: false, heap: false }]);
  });
});
