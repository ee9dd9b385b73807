// SPDX-License-Identifier: Apache-2.0
// kill -9, one part after another, under load: the others go on, the dead one comes back, nothing acknowledged is lost.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { madeProfile } from '../helpers/made-profile.js';
import { CPU, OFFCPU, type Service, startUp } from '../helpers/service.js';
import {
  bpfPrograms,
  bpfProgramsOf,
  descendants,
  eventually,
  isRunning,
  type Running,
  sleep,
  start,
} from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

let data: string;
let service: Service;
const load: Running[] = [];
let pusher: Promise<void>;
let pushing = true;
/** Services whose only profile, of 1 s, the server has answered with 2xx. */
const acknowledged: string[] = [];

/** The live process of a part of `up`, null while there is none. */
function find(part: 'agent' | 'server' | 'symbolizer'): number | null {
  const pattern = {
    agent: /start\.mjs agent\b/,
    server: /start\.mjs server\b/,
    symbolizer: /stackwell-symbolizer/,
  }[part];
  return descendants(service.process.pid).find(one => pattern.test(one.command))?.pid ?? null;
}

const comesBack = (part: 'agent' | 'server' | 'symbolizer', killed: number) =>
  eventually(`${part} is there again`, 30, () => {
    const now = find(part);
    return now !== null && now !== killed ? now : null;
  });

/** Names of a busy program in profiles that start after this moment. */
const freshNames = (after: number) =>
  eventually('fresh profiles with names', 60, async () => {
    const parameters = { query: '{service_name="shares"}', from: String(after), until: 'now' };
    const top = await service.top({ type: CPU, ...parameters });
    return top.functions.name.some(name => /price_items/.test(name)) || null;
  });

const sumOf = async (type: string, query: string) =>
  (await service.top({ type, query, from: 'now-1h', until: 'now+1h' })).sum;

beforeAll(async () => {
  data = mkdtempSync(path.join(tmpdir(), 'stackwell-test-'));
  for (const name of ['shares', 'ledger', 'sleeper'] as const) load.push(start(program(name), ['600']));
  service = await startUp(data);
  await freshNames(Date.now() - 60_000);
  const push = async () => {
    for (let i = 0; pushing; i++) {
      const name = `pushed-${i}`;
      try {
        const answer = await service.ingest(name, gzipSync(madeProfile(1e9, { seed: i })));
        if (answer.status === 200) acknowledged.push(name);
      } catch {
        // The server is dead just now: not acknowledged.
      }
      await sleep(20);
    }
  };
  pusher = push();
}, 120_000);

afterAll(async () => {
  pushing = false;
  await pusher;
  await service.process.stop();
  for (const one of load) await one.stop('SIGKILL');
  rmSync(data, { recursive: true, force: true });
});

test('the symbolizer', { timeout: 120_000 }, async () => {
  const [agent, server, symbolizer] = [find('agent'), find('server'), find('symbolizer')];
  process.kill(symbolizer!, 'SIGKILL');
  await comesBack('symbolizer', symbolizer!);
  await freshNames(Date.now());
  expect(find('agent')).toBe(agent);
  expect(find('server')).toBe(server);
});

test('the server: the agent keeps what it could not send', { timeout: 150_000 }, async () => {
  const [agent, server] = [find('agent'), find('server')];
  const before = { cpu: await sumOf(CPU, '{}'), off: await sumOf(OFFCPU, '{}') };
  const killedAt = Date.now();
  process.kill(server!, 'SIGKILL');
  await comesBack('server', server!);
  await eventually('the server is ready', 30, async () => (await service.ready()) || null);
  expect(await sumOf(CPU, '{}')).toBeGreaterThanOrEqual(before.cpu);
  expect(await sumOf(OFFCPU, '{}')).toBeGreaterThanOrEqual(before.off);
  await freshNames(Date.now() + 11_000);
  expect(find('agent')).toBe(agent);

  // No window is missing: the program has been busy all the time, on both sides of the kill and over it.
  const parameters = { type: CPU, query: '{service_name="shares"}' };
  const busy = async (from: number, until: number) =>
    (await service.top({ ...parameters, from: String(from), until: String(until) })).sum;
  for (let from = killedAt - 10_000; from < killedAt + 10_000; from += 10_000)
    // Any ten seconds hold the start of one window of ten, give or take its own jitter.
    expect(await busy(from - 1000, from + 10_000), new Date(from).toISOString()).toBeGreaterThan(0.5e9);
});

test('the agent: none of its programs is left a second later', { timeout: 120_000 }, async () => {
  const [agent, server, symbolizer] = [find('agent'), find('server'), find('symbolizer')];
  const ours = new Set(bpfProgramsOf(agent!));
  expect(ours.size).toBeGreaterThan(0);
  process.kill(agent!, 'SIGKILL');
  await sleep(1000);
  expect(bpfPrograms().filter(id => ours.has(id))).toEqual([]);
  expect(isRunning(symbolizer!)).toBe(false);
  await comesBack('agent', agent!);
  await freshNames(Date.now());
  expect(find('server')).toBe(server);
});

test('what was acknowledged is there', { timeout: 60_000 }, async () => {
  pushing = false;
  await pusher;
  expect(acknowledged.length).toBeGreaterThan(200);
  const range = { from: 'now-1h', until: 'now+1h' };
  const { sum } = await service.top({ type: CPU, query: '{service_name=~"pushed-.*"}', ...range });
  // Not acknowledged may still be there; acknowledged must be.
  expect(sum).toBeGreaterThanOrEqual(acknowledged.length * 1e9);
  for (const name of acknowledged.filter((_, i) => i % 7 === 0 || i > acknowledged.length - 10)) {
    const one = await service.top({ type: CPU, query: `{service_name="${name}"}`, ...range });
    expect(one.sum, name).toBe(1e9);
  }
});

test('all of it: nothing outlives the one that started it', { timeout: 60_000 }, async () => {
  const parts = (['agent', 'server', 'symbolizer'] as const).map(part => find(part)!);
  const ours = new Set(bpfProgramsOf(parts[0]!));
  expect(ours.size).toBeGreaterThan(0);
  await service.process.stop('SIGKILL');
  await eventually('its parts are gone', 20, () => !parts.some(isRunning) || null);
  await eventually('its programs are gone', 2, () => bpfPrograms().every(id => !ours.has(id)) || null);
});
