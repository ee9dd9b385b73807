// SPDX-License-Identifier: Apache-2.0
// pyroscope-go, as its authors publish it: a program that knows what it burns pushes, and the numbers are read back as
// Grafana's data source reads them.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toBinary } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ProfileSchema } from '../../src/server/gen/google/v1/profile_pb.js';
import { ProfileFormat, QuerierService } from '../../src/server/gen/querier/v1/querier_pb.js';
import { type Running, server } from '../server/fixtures.js';

const SECONDS = 3;

let running: Running;
let client: Client<typeof QuerierService>;
let folder: string;
let start: bigint;
/** Nanoseconds by function. */
let burnt: Record<string, number>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-pyroscope-go-'));
  const program = join(folder, 'burner');
  const cwd = fileURLToPath(new URL('pyroscope-go', import.meta.url));
  execFileSync('go', ['build', '-o', program, '.'], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  running = await server();
  client = createClient(QuerierService, createConnectTransport({ baseUrl: running.url, httpVersion: '1.1' }));
  start = BigInt(Date.now() - 1000);
  const { stdout } = await promisify(execFile)(program, [running.url, String(SECONDS)]);
  burnt = JSON.parse(stdout) as Record<string, number>;
});
afterAll(async () => {
  await running?.stop();
  rmSync(folder, { recursive: true });
});

const asked = (profileTypeID: string) => ({
  ...{ profileTypeID, labelSelector: '{service_name="burner", region="eu"}' },
  ...{ start, end: BigInt(Date.now() + 60_000) },
});

/** Total of each function, however it was called. */
async function totals(type: string): Promise<{ total: number; of: Record<string, number> }> {
  const { flamegraph } = await client.selectMergeStacktraces(asked(type));
  const of: Record<string, number> = {};
  for (const { values } of flamegraph!.levels)
    for (let node = 0; node < values.length; node += 4) {
      const name = flamegraph!.names[Number(values[node + 3])]!;
      of[name] = (of[name] ?? 0) + Number(values[node + 1]);
    }
  return { total: Number(flamegraph!.total), of };
}

it('has the CPU seconds of each function', async () => {
  const { total, of } = await totals('process_cpu:cpu:nanoseconds:cpu:nanoseconds');
  for (const [name, nanoseconds] of Object.entries(burnt)) {
    expect(of[name]! / nanoseconds, name).toBeGreaterThan(0.85);
    expect(of[name]! / nanoseconds, name).toBeLessThan(1.1);
  }
  expect(total).toBeGreaterThanOrEqual(of['main.hash']! + of['main.divide']!);
  expect(total).toBeLessThan(SECONDS * 1.3e9);
  const { series } = await client.selectSeries({
    ...{ ...asked('process_cpu:cpu:nanoseconds:cpu:nanoseconds'), step: 15, groupBy: ['deploy'] },
  });
  expect(series.map(({ labels }) => labels.map(({ name, value }) => [name, value]))).toEqual([
    [['deploy', 'v1']],
  ]);
  expect(series[0]!.points.reduce((sum, { value }) => sum + value, 0)).toBe(total);
});

it('has the bytes and objects that are alive, to the byte', async () => {
  const space = await totals('memory:inuse_space:bytes:space:bytes');
  expect(space.of['main.keep']).toBeGreaterThanOrEqual(20 * 2 ** 20);
  // Beside the buffers, the list of them.
  expect(space.of['main.keep']).toBeLessThan(20 * 2 ** 20 + 4096);
  const objects = await totals('memory:inuse_objects:count:space:bytes');
  expect(objects.of['main.keep']).toBeGreaterThanOrEqual(20);
  expect(objects.of['main.keep']).toBeLessThan(30);
});

it('gives the Go compiler what it optimizes by', async () => {
  const { pprof } = await client.selectMergeStacktraces({
    ...asked('process_cpu:cpu:nanoseconds:cpu:nanoseconds'),
    format: ProfileFormat.PPROF,
    stackTraceSelector: { goPgo: { keepLocations: 5, aggregateCallees: true } },
  });
  const profile = toBinary(ProfileSchema, pprof!.profile!);
  const [file, edges] = [join(folder, 'merged.pgo'), join(folder, 'edges')];
  writeFileSync(file, profile);
  execFileSync('go', ['tool', 'preprofile', '-i', file, '-o', edges], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  // Three lines each: caller, callee, and the line of the call with its weight.
  const lines = readFileSync(edges, 'utf8').split('\n');
  expect(lines[0]).toBe('GO PREPROFILE V1');
  const weight = (from: string, to: string) =>
    lines.reduce((sum, line, row) => {
      if (line !== from || lines[row + 1] !== to) return sum;
      const [call, value] = lines[row + 2]!.split(' ').map(Number);
      expect(call).toBeGreaterThan(0);
      return sum + value!;
    }, 0);
  const { of } = await totals('process_cpu:cpu:nanoseconds:cpu:nanoseconds');
  for (const callee of Object.keys(burnt)) {
    expect(weight('main.burn', callee)).toBeGreaterThan(0);
    // An edge has the samples of its callee's own; where the sampler finds a function preempted, there is one more.
    const own = weight('main.burn', callee) + weight(callee, 'runtime.asyncPreempt');
    expect(own / of[callee]!).toBeGreaterThan(0.9);
    expect(own / of[callee]!).toBeLessThanOrEqual(1);
  }
});

it('has every type that was asked for', async () => {
  const { profileTypes } = await client.profileTypes({ start, end: BigInt(Date.now() + 60_000) });
  expect(
    profileTypes.map(({ name, sampleType, sampleUnit }) => `${name}:${sampleType}:${sampleUnit}`),
  ).toEqual([
    'goroutines:goroutine:count',
    'memory:alloc_objects:count',
    'memory:alloc_space:bytes',
    'memory:inuse_objects:count',
    'memory:inuse_space:bytes',
    'process_cpu:cpu:nanoseconds',
    'process_cpu:samples:count',
  ]);
});
