// SPDX-License-Identifier: Apache-2.0
// Collectors that read the kernel's files: what is provoked shows in them, as large as something else says.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CollectorPlugin } from '../../src/agent/metrics/collector.js';
import { cpu } from '../../src/agent/metrics/cpu.js';
import { disk } from '../../src/agent/metrics/disk.js';
import { memory } from '../../src/agent/metrics/memory.js';
import { network } from '../../src/agent/metrics/network.js';
import { pressure } from '../../src/agent/metrics/pressure.js';
import { type Container, startLimited } from '../helpers/container.js';
import { eventually, sleep, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';
import { collect, HOST } from './collected.js';

const of = ({ id }: Container) => ({ ...HOST, container: id.slice(0, 12) });

/** Processes of a container, the first one among them. */
function processes({ pid }: Container): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
}

function limited(resources: Parameters<typeof startLimited>[0], ...command: string[]): Container {
  const container = startLimited(resources, ...command);
  onTestFinished(() => container.remove());
  return container;
}

test('CPU time, quota and throttling of a container', { timeout: 60_000 }, async () => {
  const container = limited({ cpu: { quota: 20_000, period: 100_000 } }, 'while :; do :; done');
  const { scrape } = await collect([cpu]);
  const seconds = () => {
    const fields = processes(container).map(pid =>
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '),
    );
    return fields.reduce((sum, stat) => sum + (Number(stat[11]) + Number(stat[12])) / 100, 0);
  };
  const before = { scrape: await scrape(), seconds: seconds(), at: performance.now() };
  await sleep(3000);
  const after = { scrape: await scrape(), seconds: seconds(), at: performance.now() };
  const grown = (name: string, labels: Record<string, string> = of(container)) =>
    after.scrape.value(`stackwell_cpu_${name}`, labels) -
    before.scrape.value(`stackwell_cpu_${name}`, labels);

  expect(after.scrape.value('stackwell_cpu_container_limit_cores', of(container))).toBe(0.2);
  const used = after.seconds - before.seconds;
  expect(used).toBeGreaterThan(0.4);
  expect(Math.abs(grown('container_seconds_total') - used)).toBeLessThan(0.1);
  expect(grown('container_periods_total')).toBeGreaterThan(25);
  expect(grown('container_throttled_periods_total')).toBeGreaterThan(0.8 * grown('container_periods_total'));
  // Of each tenth of a second it may run for a fifth.
  expect(grown('container_throttled_seconds_total')).toBeGreaterThan(1.5);
  const passed =
    ((after.at - before.at) / 1000) *
    readdirSync('/sys/devices/system/cpu').filter(name => /^cpu\d+$/.test(name)).length;
  expect(grown('seconds_total', HOST)).toBeGreaterThan(0.8 * passed);
  expect(grown('seconds_total', HOST)).toBeLessThan(1.2 * passed);
});

test('the load of the host, and its pressure', { timeout: 60_000 }, async () => {
  const { scrape } = await collect([cpu, pressure]);
  const before = await scrape();
  const began = performance.now();
  const crowd = startHere(program('crowd'), ['20', '8']);
  execFileSync('taskset', ['-acp', '0', String(crowd.pid)]);
  await sleep(3000);
  const after = await scrape();
  const took = (performance.now() - began) / 1000;
  expect(after.value('stackwell_cpu_runnable_tasks')).toBeGreaterThanOrEqual(4);
  const grown = (resource: string) =>
    after.value('stackwell_pressure_waiting_seconds_total', { resource }) -
    before.value('stackwell_pressure_waiting_seconds_total', { resource });
  // Some of eight threads on one CPU waits all the time.
  expect(grown('cpu')).toBeGreaterThan(2);
  expect(grown('cpu')).toBeLessThan(1.1 * took);
  const [load1] = readFileSync('/proc/loadavg', 'utf8').split(' ');
  expect(after.value('stackwell_cpu_load1')).toBeCloseTo(Number(load1), 0);
});

test('memory of a container, its limit, and its end', { timeout: 60_000 }, async () => {
  const MiB = 1024 * 1024;
  const container = limited(
    { memory: { limit: 96 * MiB } },
    'busybox dd if=/dev/zero of=/dev/null bs=64M count=1000000',
  );
  const { scrape } = await collect([memory]);
  const resident = () =>
    processes(container)
      .map(pid => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024)
      .reduce((sum, one) => sum + one, 0);
  await eventually('it has its memory', 10, () => (resident() > 64 * MiB ? true : null));
  const now = await scrape();
  const bytes = (kind: string) => now.value('stackwell_memory_container_bytes', { ...of(container), kind });
  expect(bytes('limit')).toBe(96 * MiB);
  // Counts are kept per CPU, and put together in batches.
  expect(Math.abs(bytes('anon') - resident())).toBeLessThan(2 * MiB);
  expect(bytes('usage')).toBeGreaterThan(64 * MiB);
  expect(
    now.value('stackwell_memory_container_events_total', { ...of(container), event: 'oom_kill' }),
  ).toBeNaN();
  const total = Number(/^MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
  expect(now.value('stackwell_memory_bytes', { kind: 'total' })).toBe(total);

  const doomed = limited(
    { memory: { limit: 32 * MiB } },
    'busybox dd if=/dev/zero of=/dev/null bs=64M count=1; busybox sleep 60',
  );
  const killed = await eventually('it was killed', 20, async () => {
    const value = (await scrape()).value('stackwell_memory_container_events_total', {
      ...of(doomed),
      event: 'oom_kill',
    });
    return value > 0 ? value : null;
  });
  expect(killed).toBe(1);
});

test('a disk writes what was written', { timeout: 60_000 }, async () => {
  const MiB = 1024 * 1024;
  const { scrape } = await collect([disk]);
  // Where the checkout is; a temporary folder may be in memory.
  const folder = join('build/test', 'disk');
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const before = await scrape();
  execFileSync('dd', ['if=/dev/zero', `of=${folder}/file`, 'bs=1M', 'count=64', 'oflag=direct'], {
    stdio: 'ignore',
  });
  const after = await scrape();
  const grown = (name: string) =>
    after.value(`stackwell_disk_${name}`, { operation: 'write' }) -
    before.value(`stackwell_disk_${name}`, { operation: 'write' });
  expect(grown('bytes_total')).toBeGreaterThanOrEqual(64 * MiB);
  expect(grown('bytes_total')).toBeLessThan(256 * MiB);
  expect(grown('requests_total')).toBeGreaterThanOrEqual(64);
  expect(after.value('stackwell_disk_busy_seconds_total')).toBeGreaterThan(
    before.value('stackwell_disk_busy_seconds_total'),
  );
});

test('connections are counted', { timeout: 60_000 }, async () => {
  const { scrape } = await collect([network]);
  const server = createServer(socket => socket.end());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const before = await scrape();
  for (let i = 0; i < 200; i++)
    await new Promise<void>((resolve, reject) =>
      connect(port, '127.0.0.1').on('error', reject).on('close', resolve).resume(),
    );
  const after = await scrape();
  for (const event of ['ActiveOpens', 'PassiveOpens']) {
    const labels = { protocol: 'Tcp', event };
    const grown =
      after.value('stackwell_network_events_total', labels) -
      before.value('stackwell_network_events_total', labels);
    expect(grown).toBeGreaterThanOrEqual(200);
    expect(grown).toBeLessThan(300);
  }
  expect(after.value('stackwell_network_sockets', { protocol: 'tcp', state: 'inuse' })).toBeGreaterThan(0);
});

test('cgroup v2 says the same in files of its own', async () => {
  const folder = temporaryFolder();
  const files = {
    'cpu.stat':
      'usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 40\nnr_throttled 30\nthrottled_usec 2500000\n',
    'cpu.max': '50000 100000\n',
    'memory.current': '1048576\n',
    'memory.max': 'max\n',
    'memory.stat': 'anon 4096\nfile 8192\nkernel 100\npgmajfault 5\n',
    'memory.events': 'low 0\nhigh 2\nmax 0\noom 1\noom_kill 1\noom_group_kill 0\n',
    'cpu.pressure':
      'some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const labels = { ...HOST, container: 'c', pod: 'p', namespace: 'n' };
  const read = async (plugin: CollectorPlugin) =>
    (
      await plugin.start(
        {
          watch: () => expect.fail('it has no program'),
          tracepointArguments: () => expect.fail('it has no program'),
          targets: {
            host: HOST,
            present: async function* () {
              yield { labels, unified: true, directory: () => folder };
            },
          } as never,
        },
        plugin.options.parse({}),
      )
    ).collect();
  expect(await read(cpu)).toMatchObject({
    container_seconds_total: [
      { labels: { ...labels, mode: 'user' }, value: 2 },
      { labels: { ...labels, mode: 'system' }, value: 1 },
    ],
    container_limit_cores: [{ value: 0.5 }],
    container_periods_total: [{ value: 40 }],
    container_throttled_periods_total: [{ value: 30 }],
    container_throttled_seconds_total: [{ value: 2.5 }],
  });
  const { container_bytes = [], container_events_total = [] } = await read(memory);
  const pairs = (samples: typeof container_bytes, label: string) =>
    Object.fromEntries(samples.map(({ labels, value }) => [labels[label], value]));
  expect(pairs(container_bytes, 'kind')).toEqual({ usage: 1_048_576, anon: 4096, file: 8192, kernel: 100 });
  expect(pairs(container_events_total, 'event')).toEqual({ pgmajfault: 5, high: 2, oom: 1, oom_kill: 1 });
  expect(await read(pressure)).toMatchObject({
    container_waiting_seconds_total: [{ labels: { ...labels, resource: 'cpu' }, value: 1.5 }],
    container_stalled_seconds_total: [{ value: 0.5 }],
  });
});
