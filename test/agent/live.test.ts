// SPDX-License-Identifier: Apache-2.0
// The agent on this host: needs root, the BPF programs and the symbolizer.
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/agent.js';
import { record } from '../../src/agent/record.js';
import { type AgentConfig, configSchema } from '../../src/config/config.js';
import { sumOf } from '../../src/profile/coverage.js';
import { startContainer } from '../helpers/container.js';
import { decodePprof } from '../helpers/pprof.js';
import { eventually, start, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';
import { type Received, startSink } from './sink.js';

const GONE = 2 ** 22 + 1;
const silent = { info() {}, warn() {}, error() {} };

function config(server: string, changes: Partial<AgentConfig> = {}): AgentConfig {
  const { agent } = configSchema.parse({
    agent: {
      server,
      data: temporaryFolder(),
      metricsListen: '127.0.0.1:0',
      hz: 97,
      window: '2s',
      host: 'here',
    },
  });
  return { ...agent, ...changes };
}
const pids = (received: Received[]) =>
  new Set(received.flatMap(one => one.profile.samples.map(sample => sample.labels.pid)));
const names = (received: Received[]) =>
  new Set(
    received.flatMap(one => one.profile.samples.flatMap(sample => sample.frames.map(frame => frame.name))),
  );

test('samples reach a server with names, labels and comments, and a container has its own', {
  timeout: 90_000,
}, async ({ onTestFinished }) => {
  const sink = await startSink();
  onTestFinished(sink.close);
  const outside = startHere(program('boxed'), ['80']);
  const agentConfig = config(sink.url);
  const started = performance.now();
  const agent = await startAgent(agentConfig, { log: silent });
  onTestFinished(() => agent.close());
  await eventually('a first profile', 15, async () => sink.received.length > 0 || null);
  expect(sink.received[0]!.at - started).toBeLessThan(10_000);

  const container = startContainer(program('boxed'), '60');
  onTestFinished(() => container.remove());
  const inContainer = () => sink.received.filter(one => one.labels.container_id === container.id);
  const ofOutside = () => sink.received.filter(one => pids([one]).has(String(outside.pid)));
  await eventually('both are sampled', 40, async () =>
    names(inContainer()).has('unpack_box') && names(ofOutside()).has('unpack_box') ? true : null,
  );
  // The same program: told apart by container, and in no profile together.
  expect(pids(inContainer())).not.toContain(String(outside.pid));
  for (const one of ofOutside()) {
    expect(one.labels).not.toHaveProperty('container_id');
    expect(one.labels.service_name).toBe('boxed');
  }
  const cpu = ofOutside().find(one => one.labels.__name__ === 'process_cpu')!;
  expect(cpu.labels).toMatchObject({ host: 'here', deploy: cpu.labels.build_id });
  expect(cpu.labels.build_id).toMatch(/^[0-9a-f]{16,}$/);
  expect(cpu.profile.comments).toMatchObject({ clock: 'cpu-clock' });
  expect(Number(cpu.profile.comments.samples)).toBeGreaterThan(0);
  expect(cpu.profile.samples[0]!.labels).toMatchObject({ process_name: 'boxed', thread_name: 'boxed' });
  expect(cpu.profile.types).toEqual(['cpu/nanoseconds']);
  await eventually('off-CPU time', 20, async () =>
    sink.received.some(one => one.labels.__name__ === 'process_offcpu') ? true : null,
  );

  const metrics = await (await fetch(agent.metricsUrl)).text();
  const value = (name: string) =>
    Number(new RegExp(`^stackwell_agent_${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
  expect(value('cpu_seconds_total{process="agent"}')).toBeGreaterThan(0);
  expect(value('resident_bytes{process="symbolizer"}')).toBeGreaterThan(1e6);
  expect(value('samples_total{type="cpu"}')).toBeGreaterThan(10);
  expect(value('samples_total{type="offcpu"}')).toBeGreaterThan(0);
  expect(value('frames_total')).toBeGreaterThan(value('samples_total{type="cpu"}'));
  expect(value('unresolved_total{reason="no_symbols"}')).toBeLessThan(value('frames_total'));
  // Also of ends that there were none of.
  expect(value('incomplete_total{end="not_taken"}')).toBeGreaterThanOrEqual(0);
  expect(metrics).not.toContain('incomplete_total{end="root"}');
  expect(value('pushes_total{result="ok"}')).toBeGreaterThan(0);
  expect(value('outbox_dropped_total{cause="full"}')).toBe(0);
  expect(value('windows_failed_total')).toBe(0);
  expect((await fetch(agent.metricsUrl.replace('/metrics', '/'))).status).toBe(404);

  const before = sink.received.length;
  await agent.close();
  // The last, partial window was sent on the way out, and nothing is left on disk.
  expect(sink.received.length).toBeGreaterThan(before);
  expect(readdirSync(`${agentConfig.data}/outbox`)).toEqual([]);
  expect(new Set(sink.received.map(one => one.id)).size).toBe(sink.received.length);
  await expect(fetch(agent.metricsUrl)).rejects.toThrow();
});

test('without a server, windows wait on disk and are sent by the next run', { timeout: 60_000 }, async ({
  onTestFinished,
}) => {
  const sink = await startSink();
  onTestFinished(sink.close);
  const offline = config('http://127.0.0.1:1');
  const first = await startAgent(offline, { log: silent, firstWindowMs: 500 });
  const outbox = `${offline.data}/outbox`;
  await eventually(
    'a window on disk',
    15,
    async () => readdirSync(outbox).some(name => name.endsWith('.push')) || null,
  );
  await first.close();
  const kept = readdirSync(outbox).filter(name => name.endsWith('.push')).length;
  expect(kept).toBeGreaterThan(0);
  const second = await startAgent({ ...offline, server: sink.url }, { log: silent });
  onTestFinished(() => second.close());
  await eventually('they are sent', 15, async () => sink.received.length > 0 || null);
});

test('what is in the way is said, and nothing is left behind', async ({ onTestFinished }) => {
  const taken = createServer();
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const refused = (changes: Partial<AgentConfig>) =>
    startAgent(config('http://127.0.0.1:1', changes), { log: silent });
  await expect(refused({ metricsListen: `127.0.0.1:${port}` })).rejects.toMatchObject({
    code: 'SW_PORT_TAKEN',
  });
  await expect(refused({ metricsListen: 'nonsense' })).rejects.toMatchObject({ code: 'SW_CONFIG_INVALID' });
  await expect(refused({ server: 'localhost:4040' })).rejects.toMatchObject({ code: 'SW_CONFIG_INVALID' });
  await expect(refused({ data: '/proc/stackwell' })).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
  // Its port is free again after a start that failed later.
  const free = createServer();
  await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve));
  const metricsListen = `127.0.0.1:${(free.address() as AddressInfo).port}`;
  await new Promise<void>(resolve => free.close(() => resolve()));
  const objects = temporaryFolder();
  for (let i = 0; i < 2; i++)
    await expect(
      startAgent(config('http://127.0.0.1:1', { metricsListen }), { log: silent, objects }),
    ).rejects.toMatchObject({ code: 'SW_NATIVE_MISSING' });
});

test('a recording of a process holds what it did, by type', { timeout: 60_000 }, async () => {
  const burner = startHere(program('boxed'), ['60']);
  const seen: number[] = [];
  const { profiles, stats } = await record({
    scope: { kind: 'process', pid: burner.pid },
    types: ['cpu', 'offcpu'],
    hz: 199,
    seconds: 5,
    onProgress: ({ elapsedSeconds }) => seen.push(elapsedSeconds),
  });
  expect(profiles.map(one => one.type)).toEqual(['cpu', 'offcpu']);
  expect(stats.seconds).toBeGreaterThan(4.8);
  expect(stats.seconds).toBeLessThan(6);
  expect(seen.length).toBeGreaterThan(10);
  const [cpu, offCpu] = profiles.map(one => decodePprof(one.pprof));
  const total = cpu!.samples.reduce((sum, sample) => sum + sample.values[0]!, 0);
  const inBox = cpu!.samples
    .filter(sample => sample.frames.some(frame => frame.name === 'unpack_box'))
    .reduce((sum, sample) => sum + sample.values[0]!, 0);
  expect(inBox / total).toBeGreaterThan(0.9);
  expect(total).toBe(profiles[0]!.stats.samples * cpu!.period);
  expect(total / 1e9).toBeLessThan(stats.seconds * 1.05);
  expect(new Set(cpu!.samples.map(sample => sample.labels.pid))).toEqual(new Set([String(burner.pid)]));
  expect(cpu!.types).toEqual(['cpu/nanoseconds']);
  expect(offCpu!.types).toEqual(['offcpu/nanoseconds']);
  expect(cpu!.durationSeconds).toBeCloseTo(stats.seconds, 3);
  const { samples, complete, incomplete, frames, named, unresolved } = profiles[0]!.stats;
  expect(Number(cpu!.comments.samples)).toBe(samples);
  expect(Number(cpu!.comments.complete ?? 0)).toBe(complete);
  expect(complete + sumOf(incomplete)).toBe(samples);
  expect(Number(cpu!.comments.frames)).toBe(frames);
  expect(named + sumOf(unresolved)).toBe(frames);
});

test('a recording ends with its process, and when it is told to', { timeout: 60_000 }, async () => {
  const short = start(program('boxed'), ['3']);
  const scope = { kind: 'process', pid: short.pid } as const;
  const ended = await record({ scope, types: ['cpu'], hz: 99, seconds: 30 });
  await short.finished;
  expect(ended.stats.seconds).toBeLessThan(10);
  expect(ended.stats.samples).toBeGreaterThan(10);

  const stop = new AbortController();
  const recording = record({
    scope: { kind: 'host' },
    types: ['cpu'],
    hz: 99,
    seconds: 30,
    signal: stop.signal,
  });
  await sleep(1500);
  stop.abort();
  const aborted = await recording;
  expect(aborted.stats.seconds).toBeLessThan(6);
  expect(decodePprof(aborted.profiles[0]!.pprof).types).toEqual(['cpu/nanoseconds']);
});

test('a container is recorded with its cgroups, until it ends', { timeout: 60_000 }, async ({
  onTestFinished,
}) => {
  const container = startContainer(program('boxed'), '4');
  onTestFinished(() => container.remove());
  const outside = startHere(program('boxed'), ['60']);
  const { profiles, stats } = await record({
    scope: { kind: 'container', id: container.id.slice(0, 12) },
    types: ['cpu'],
    hz: 199,
    seconds: 30,
  });
  expect(stats.seconds).toBeLessThan(20);
  const { samples } = decodePprof(profiles[0]!.pprof);
  expect(samples.length).toBeGreaterThan(0);
  expect(samples.map(sample => sample.labels.pid)).not.toContain(String(outside.pid));
});

test('unknown processes and containers are refused before anything is attached', async () => {
  const options = { types: ['cpu'] as ['cpu'], hz: 99, seconds: 1, objects: '/nowhere' };
  await expect(record({ ...options, scope: { kind: 'process', pid: GONE } })).rejects.toMatchObject({
    code: 'SW_PID_UNKNOWN',
  });
  for (const id of ['', 'nothing', 'f'.repeat(64)])
    await expect(record({ ...options, scope: { kind: 'container', id } })).rejects.toMatchObject({
      code: 'SW_CONTAINER_UNKNOWN',
    });
});
