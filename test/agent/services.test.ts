// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Containers } from '../../src/agent/containers/containers.js';
import { RuncStates } from '../../src/agent/containers/runc.js';
import { readExecutable, readStat } from '../../src/agent/procfs/process.js';
import { Services } from '../../src/agent/profiling/services.js';
import { type MadeProcess, made } from './made-drain.js';

const ID = '0123456789abcdef'.repeat(4);
/** No process has it. */
const GONE = 2 ** 22 + 1;

let mount: string;
let containers: Containers;
let child: ChildProcess | null = null;
beforeEach(() => {
  mount = mkdtempSync(join(tmpdir(), 'stackwell-services-'));
  containers = new Containers({ hierarchy: 'memory', mount }, [], new RuncStates('memory', mount, []));
});
afterEach(async () => {
  rmSync(mount, { recursive: true });
  if (child !== null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
    child = null;
  }
});

function cgroup(path: string, ...pids: number[]): bigint {
  mkdirSync(join(mount, path), { recursive: true });
  writeFileSync(join(mount, path, 'cgroup.procs'), pids.map(pid => `${pid}\n`).join(''));
  return statSync(join(mount, path), { bigint: true }).ino;
}
function services(options: Partial<ConstructorParameters<typeof Services>[1]> = {}): Services {
  return new Services(containers, {
    host: 'here',
    labels: { region: 'eu' },
    serviceName: '',
    deploy: '',
    own: () => new Map([[77, 'stackwell-agent']]),
    ...options,
  });
}
const MAPPINGS = [
  { path: '/bin/app', buildId: 'aaaa' },
  { path: '/bin/tool', buildId: 'bbbb' },
];
async function labels(from: Services, processes: MadeProcess[], mappings = MAPPINGS) {
  const { drained } = made({ samples: [], stacks: [], locations: [], processes, mappings });
  const { groups, groupOf } = await from.resolve(
    drained,
    mappings.map(one => one.buildId),
  );
  return { each: [...groupOf].map(group => groups[group]!), groups };
}

test('a program is its own service and deploy; equal ones share a group', async () => {
  const { each, groups } = await labels(services(), [
    { pid: GONE, comm: 'app', executable: '/bin/app', executableMapping: 0 },
    { pid: GONE + 1, comm: 'app', executable: '/bin/app', executableMapping: 0 },
    { pid: GONE + 2, comm: 'tool', executable: '/bin/tool', executableMapping: 1 },
  ]);
  expect(groups).toHaveLength(2);
  expect(each[0]).toEqual({
    build_id: 'aaaa',
    deploy: 'aaaa',
    host: 'here',
    region: 'eu',
    service_name: 'app',
  });
  expect(each[1]).toBe(each[0]);
  expect(each[2]).toMatchObject({ service_name: 'tool', deploy: 'bbbb' });
});

test('kernel threads are one service', async () => {
  const { each, groups } = await labels(services({ serviceName: 'all' }), [
    { pid: 0, comm: 'swapper/0' },
    { pid: 2, parent: 0, comm: 'kthreadd' },
    { pid: GONE, parent: 2, comm: 'kworker/0:1' },
  ]);
  expect(groups).toHaveLength(1);
  expect(each[0]).toMatchObject({ service_name: 'kernel', deploy: release() });
});

test('a configured name and version go before everything but our own', async () => {
  const { each } = await labels(services({ serviceName: 'shop', deploy: 'r7' }), [
    { pid: GONE, comm: 'app', executable: '/bin/app', executableMapping: 0 },
    { pid: 77, comm: 'node', executable: '/bin/tool' },
  ]);
  expect(each.map(one => one.service_name)).toEqual(['shop', 'stackwell-agent']);
  expect(each.map(one => one.deploy)).toEqual(['r7', 'r7']);
});

test('a unit is one service, whatever programs it runs, and its deploy is that of its main program', async () => {
  child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const executable = readExecutable(child.pid!)!;
  const unit = cgroup('system.slice/shop.service', child.pid!);
  await containers.refresh();
  const from = services();
  const helper = { pid: GONE, comm: 'tool', executable: '/bin/tool', executableMapping: 1, cgroup: unit };
  const before = await labels(from, [helper]);
  // Nobody has seen the main program's build id yet, and the helper's would be a deploy that never was.
  expect(before.each[0]).toEqual({ host: 'here', region: 'eu', service_name: 'shop' });
  const main = { pid: child.pid!, comm: 'sleep', executable, executableMapping: 0, cgroup: unit };
  const both = await labels(from, [helper, main]);
  expect(both.groups).toHaveLength(1);
  expect(both.each[0]).toMatchObject({ service_name: 'shop', deploy: 'aaaa', build_id: 'aaaa' });
  expect((await labels(from, [helper])).each[0]).toMatchObject({ deploy: 'aaaa' });
});

test('a container of which only the id is known is labelled, and named by its program', async () => {
  const inside = cgroup(`docker/${ID}`);
  const { each } = await labels(services(), [
    { pid: GONE, comm: 'app', executable: '/bin/app', executableMapping: 0, cgroup: inside },
    { pid: GONE + 1, comm: 'app', executable: '/bin/app', executableMapping: 0 },
  ]);
  expect(each[0]).toMatchObject({ service_name: 'app', container_id: ID });
  expect(each[1]).not.toHaveProperty('container_id');
});

test('a running process is asked for its name; one that only has the same id is not', async () => {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    env: { OTEL_SERVICE_NAME: 'checkout', OTEL_RESOURCE_ATTRIBUTES: 'service.version=4.2' },
  });
  await once(child, 'spawn');
  const pid = child.pid!;
  const { startNs } = readStat(pid)!;
  const process_ = { pid, comm: 'node', executable: '/bin/app', executableMapping: 0, alive: 1 };
  // The environment is there only when exec is over.
  await expect
    .poll(async () => (await labels(services(), [process_])).each[0]!.service_name)
    .toBe('checkout');
  expect((await labels(services(), [process_])).each[0]).toMatchObject({ deploy: '4.2', build_id: 'aaaa' });
  const stranger = { ...process_, startNs: startNs + 60_000_000_000n };
  expect((await labels(services(), [stranger])).each[0]).toMatchObject({ service_name: 'app' });
});

test('more processes than are remembered', async () => {
  const from = services();
  const processes = Array.from({ length: 5000 }, (_, i) => ({
    pid: GONE + i,
    comm: 'app',
    executable: '/bin/app',
    executableMapping: 0,
  }));
  const { each } = await labels(from, processes);
  expect(each).toHaveLength(5000);
  expect(from.size).toBeLessThanOrEqual(4096);
});
