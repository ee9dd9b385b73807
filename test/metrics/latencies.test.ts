// SPDX-License-Identifier: Apache-2.0
// Latencies that BPF programs count, against what the kernel counts by itself.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { io } from '../../src/agent/metrics/io.js';
import { reclaim } from '../../src/agent/metrics/reclaim.js';
import { softirq } from '../../src/agent/metrics/softirq.js';
import { startLimited } from '../helpers/container.js';
import { sleep } from '../helpers/stackwell.js';
import { type Collected, collect, HOST, type Scrape } from './collected.js';

/** How much a series grew between two scrapes. */
const growth =
  (before: Scrape, after: Scrape) =>
  (name: string, labels: Record<string, string> = {}): number =>
    after.value(name, labels) - (before.value(name, labels) || 0);

/** Where the checkout is; a temporary folder may be in memory. */
function diskFolder(): string {
  const folder = resolve('build/test', 'disk-latency');
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs dd on the host's disk, in the cgroup of a container, which has no disk. */
function ddWithin({ containers }: Collected, path: string, ...args: string[]): void {
  const procs = join(containers.layout.mount, path, 'cgroup.procs');
  execFileSync('sh', ['-c', 'echo $$ > "$0"; exec dd "$@"', procs, ...args], { stdio: 'ignore' });
}

test('softirqs are as many as /proc/softirqs says', { timeout: 60_000 }, async () => {
  const counts = (name: string) => {
    const line = new RegExp(`^ *${name}:(.*)$`, 'm').exec(readFileSync('/proc/softirqs', 'utf8'))![1]!;
    return line
      .trim()
      .split(/\s+/)
      .map(Number)
      .reduce((sum, one) => sum + one, 0);
  };
  const { scrape, warnings } = await collect([softirq]);
  expect(warnings).toEqual([]);
  const before = { scrape: await scrape(), rx: counts('NET_RX'), timer: counts('TIMER') };
  const socket = createSocket('udp4');
  await new Promise<void>(done => socket.bind(0, '127.0.0.1', done));
  for (let i = 0; i < 5000; i++)
    await new Promise(done => socket.send('x', socket.address().port, '127.0.0.1', done));
  socket.close();
  await sleep(3000);
  const after = { scrape: await scrape(), rx: counts('NET_RX'), timer: counts('TIMER') };
  const grown = growth(before.scrape, after.scrape);
  for (const [vector, expected] of [
    ['net_rx', after.rx - before.rx],
    ['timer', after.timer - before.timer],
  ] as const) {
    expect(expected, vector).toBeGreaterThan(40);
    const counted = grown('stackwell_softirq_latency_seconds_count', { vector });
    expect(counted, vector).toBeGreaterThan(0.9 * expected);
    expect(counted, vector).toBeLessThan(1.1 * expected);
  }
  // On an idle machine most are run at once.
  const fast = grown('stackwell_softirq_latency_seconds_bucket', { vector: 'net_rx', le: '0.001' });
  expect(fast).toBeGreaterThan(0.5 * (after.rx - before.rx));
});

test('requests to a disk take as long as /proc/diskstats says', { timeout: 60_000 }, async () => {
  const container = startLimited({}, 'sleep 60');
  onTestFinished(() => container.remove());
  const collected = await collect([io]);
  const { scrape, warnings } = collected;
  expect(warnings).toEqual([]);
  const folder = diskFolder();
  const device = execFileSync('findmnt', ['-no', 'MAJ:MIN', '-T', folder], { encoding: 'utf8' }).trim();
  const stats = () => {
    const fields = readFileSync(`/sys/dev/block/${device}/stat`, 'utf8').trim().split(/\s+/).map(Number);
    return {
      requests: fields[0]! + fields[4]! + fields[11]! + (fields[15] ?? 0),
      seconds: (fields[3]! + fields[7]! + fields[14]! + (fields[16] ?? 0)) / 1000,
    };
  };
  const { path } = await collected.containers.find(container.id);
  const before = { scrape: await scrape(), ...stats() };
  ddWithin(collected, path, 'if=/dev/zero', `of=${folder}/file`, 'bs=256k', 'count=400', 'oflag=direct');
  const after = { scrape: await scrape(), ...stats() };
  const grown = growth(before.scrape, after.scrape);
  const requests = after.requests - before.requests;
  const seconds = after.seconds - before.seconds;
  expect(requests).toBeGreaterThanOrEqual(400);
  const q2c = 'stackwell_io_queue_to_completion_seconds';
  const d2c = 'stackwell_io_device_to_completion_seconds';
  expect(grown(`${q2c}_count`)).toBeGreaterThan(0.95 * requests);
  expect(grown(`${q2c}_count`)).toBeLessThan(1.05 * requests + 10);
  expect(Math.abs(grown(`${q2c}_sum`) - seconds)).toBeLessThan(0.1 * seconds + 0.05);
  expect(grown(`${d2c}_sum`)).toBeLessThanOrEqual(grown(`${q2c}_sum`));
  expect(grown(`${d2c}_sum`)).toBeGreaterThan(0.3 * grown(`${q2c}_sum`));
  const labels = { ...HOST, container: container.id.slice(0, 12) };
  const own = grown('stackwell_io_container_queue_to_completion_seconds_count', labels);
  expect(own).toBeGreaterThan(390);
  expect(own).toBeLessThanOrEqual(grown(`${q2c}_count`));
});

test('reclaim within the limit of a container is that container’s', { timeout: 60_000 }, async () => {
  const MiB = 1024 * 1024;
  const container = startLimited({ memory: { limit: 24 * MiB } }, 'sleep 60');
  onTestFinished(() => container.remove());
  const collected = await collect([reclaim]);
  const { scrape, warnings, containers } = collected;
  expect(warnings).toEqual([]);
  const { path } = await containers.find(container.id);
  const before = await scrape();
  // The page cache of what it writes is within its limit, too.
  const began = performance.now();
  ddWithin(collected, path, 'if=/dev/zero', `of=${diskFolder()}/file`, 'bs=1M', 'count=200');
  const took = (performance.now() - began) / 1000;
  const grown = growth(before, await scrape());
  const name = 'stackwell_reclaim_container_latency_seconds';
  const labels = { ...HOST, container: container.id.slice(0, 12), kind: 'memcg' };
  // 176 MiB at the least have to go again, by 32 pages or some more at a time.
  expect(grown(`${name}_count`, labels)).toBeGreaterThan(100);
  expect(grown(`${name}_sum`, labels)).toBeGreaterThan(0);
  expect(grown(`${name}_sum`, labels)).toBeLessThan(took);
  const host = grown('stackwell_reclaim_latency_seconds_count', { kind: 'memcg' });
  expect(host).toBeGreaterThanOrEqual(grown(`${name}_count`, labels));
});
