// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CgroupIndex } from '../../src/agent/containers/cgroups.js';
import { Containers } from '../../src/agent/containers/containers.js';
import { parseLayout } from '../../src/agent/containers/layout.js';
import { recognize } from '../../src/agent/containers/recognize.js';
import { parseState, RuncStates } from '../../src/agent/containers/runc.js';

const ID = '0123456789abcdef'.repeat(4);
const OTHER = 'fedcba9876543210'.repeat(4);

describe('layout', () => {
  const line = (point: string, type: string, options: string) =>
    `30 23 0:26 / ${point} rw,nosuid shared:9 - ${type} ${type} ${options}`;
  test.each([
    ['v2 only', [line('/sys/fs/cgroup', 'cgroup2', 'rw')], { hierarchy: 'v2', mount: '/sys/fs/cgroup' }],
    [
      'v1 beside an empty v2',
      [
        line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
        line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
        line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
        line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
      ],
      { hierarchy: 'memory', mount: '/sys/fs/cgroup/memory' },
    ],
    [
      'v1 without memory',
      [line('/cg/my\\040cpu', 'cgroup', 'rw,cpu,cpuacct')],
      { hierarchy: 'cpu', mount: '/cg/my cpu' },
    ],
    ['named hierarchies only', [line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,name=systemd')], null],
    ['none', ['1 0 8:1 / / rw - ext4 /dev/sda1 rw'], null],
  ])('%s', (_, lines, layout) => expect(parseLayout(lines.join('\n'))).toEqual(layout));
});

describe('who a path belongs to', () => {
  const uid = '11111111-2222-3333-4444-555555555555';
  const slice = uid.replaceAll('-', '_');
  test.each([
    [`/system.slice/docker-${ID}.scope`, 'docker', ''],
    [`/docker/${ID}`, 'docker', ''],
    [`/docker/${ID}/system.slice/nginx.service`, 'docker', ''],
    [
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${slice}.slice/cri-containerd-${ID}.scope`,
      'containerd',
      uid,
    ],
    [`/kubepods.slice/kubepods-pod${slice}.slice/crio-${ID}.scope`, 'cri-o', uid],
    [`/kubepods/besteffort/pod${uid}/${ID}`, 'kubernetes', uid],
    [`/system.slice/kubepods-besteffort-pod${slice}.slice:cri-containerd:${ID}`, 'containerd', ''],
    [`/machine.slice/libpod-${ID}.scope/container`, 'podman', ''],
    // A pod of a cluster inside a container: the innermost one.
    [`/docker/${OTHER}/kubelet/kubepods/pod${uid}/${ID}`, 'kubernetes', uid],
  ])('%s is a container', (path, runtime, podUid) =>
    expect(recognize(path, new Map())).toMatchObject({ kind: 'container', id: ID, runtime, podUid }),
  );

  test.each([
    ['/system.slice/nginx.service', 'nginx'],
    ['/system.slice/system-postgresql.slice/postgresql@15-main.service', 'postgresql@15-main'],
    ['/system.slice/my\\x2dapp.service/worker', 'my-app'],
    ['/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service', 'syncthing'],
  ])('%s is a unit', (path, name) =>
    expect(recognize(path, new Map())).toMatchObject({ kind: 'unit', name }),
  );

  test.each([
    '/',
    '/user.slice/user-1000.slice/session-3.scope',
    '/user.slice/user-1000.slice/user@1000.service/init.scope',
    `/process_api/${ID.slice(0, 32)}`,
    `/crio-conmon-${ID}.scope`,
    '/myid',
  ])('%s is the host', path => expect(recognize(path, new Map())).toEqual({ kind: 'host' }));

  test('what a runtime recorded is found, below it too', () => {
    const known = new Map([['/parent/myid', { id: 'myid', runtime: 'runc' }]]);
    const owner = { kind: 'container', id: 'myid', runtime: 'runc', path: '/parent/myid' };
    expect(recognize('/parent/myid', known)).toMatchObject(owner);
    expect(recognize('/parent/myid/sub/deep', known)).toMatchObject(owner);
    expect(recognize('/parent/myid2', known)).toEqual({ kind: 'host' });
  });
});

describe('records of runc', () => {
  test('a container that a person named', () => {
    const state = {
      id: 'myid',
      cgroup_paths: { '': '/c/u/myid', memory: '/c/m/myid' },
      config: { labels: ['bundle=/b'] },
    };
    expect(parseState(JSON.stringify(state), 'runc')).toEqual({
      info: { id: 'myid', runtime: 'runc', name: 'myid' },
      cgroups: state.cgroup_paths,
    });
  });

  test('a container of a pod', () => {
    const labels = [
      'io.kubernetes.cri.container-name=web',
      'io.kubernetes.cri.sandbox-name=web-0',
      'io.kubernetes.cri.sandbox-namespace=shop',
      'io.kubernetes.cri.image-name=registry/web:1.2=x',
    ];
    expect(
      parseState(JSON.stringify({ id: ID, cgroup_paths: {}, config: { labels } }), 'containerd')?.info,
    ).toEqual({
      id: ID,
      runtime: 'containerd',
      name: 'web',
      pod: 'web-0',
      namespace: 'shop',
      image: 'registry/web:1.2=x',
    });
  });

  test.each(['', '{', 'null', '[]', '{"id":1}', '{"id":"a","cgroup_paths":null}'])('%j is none', text =>
    expect(parseState(text, 'runc')).toBeNull(),
  );
});

describe('on a file system', () => {
  let root: string;
  let mount: string;
  const make = (path: string) => {
    mkdirSync(join(mount, path), { recursive: true });
    return statSync(join(mount, path), { bigint: true }).ino;
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'stackwell-cgroups-'));
    mount = join(root, 'memory');
    mkdirSync(mount);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test('ids and paths, found, gone and forgotten', async () => {
    let now = 10_000;
    const index = new CgroupIndex(mount, () => now);
    const outer = make('a/b');
    const inner = make('a/b/c');
    const sibling = make('a/bc');
    await index.refresh();
    expect(index.pathOf(outer)).toBe('/a/b');
    expect(index.below('/a/b')).toEqual(expect.arrayContaining([outer, inner]));
    expect(index.below('/a/b')).not.toContain(sibling);
    expect(index.below('/').length).toBe(5);

    rmdirSync(join(mount, 'a/b/c'));
    now += 2000;
    await index.refresh();
    expect(index.below('/a/b')).toEqual([outer]);
    expect(index.pathOf(inner)).toBe('/a/b/c');
    now += 11 * 60_000;
    await index.refresh();
    expect(index.pathOf(inner)).toBeNull();
  });

  test('polling finds a new cgroup without looking everywhere', async () => {
    const index = new CgroupIndex(mount);
    make('pods/one');
    await index.refresh();
    const added = make('pods/two/container');
    expect(index.pathOf(added)).toBeNull();
    expect(await index.poll()).toBe(true);
    expect(index.pathOf(added)).toBe('/pods/two/container');
    expect(await index.poll()).toBe(false);
  });

  test('a path from /proc is taken only when its id is right', () => {
    const index = new CgroupIndex(mount);
    const id = make('x');
    expect(index.confirm('/x', id + 1n)).toBe(false);
    expect(index.confirm('/../memory/x', id)).toBe(false);
    expect(index.confirm('/x', id)).toBe(true);
    expect(index.pathOf(id)).toBe('/x');
  });

  /** Lets a process be in a cgroup. */
  function run(path: string): void {
    writeFileSync(join(mount, path, 'cgroup.procs'), '1\n');
  }
  function containers(): Containers {
    const layout = { hierarchy: 'memory' as const, mount };
    const states = new RuncStates('memory', mount, [{ path: join(root, 'runc'), depth: 1, runtime: 'runc' }]);
    return new Containers(layout, [], states);
  }
  function record(id: string, path: string): void {
    mkdirSync(join(root, 'runc', id), { recursive: true });
    const state = { id, cgroup_paths: { memory: join(mount, path) }, config: {} };
    writeFileSync(join(root, 'runc', id, 'state.json'), JSON.stringify(state));
  }

  test('finds containers by id, by 12 characters of it, and by name, with their nested cgroups', async () => {
    const known = containers();
    const docker = make(`docker/${ID}`);
    const nested = make(`docker/${ID}/nested`);
    const named = make('deep/myid');
    record('myid', 'deep/myid');
    await expect(known.find('myid'), 'nothing runs in it').rejects.toMatchObject({
      code: 'SW_CONTAINER_UNKNOWN',
    });
    run(`docker/${ID}/nested`);
    run('deep/myid');
    for (const wanted of [ID, ID.slice(0, 12)]) {
      const found = await known.find(wanted);
      expect(found.id).toBe(ID);
      expect(found.cgroups.sort()).toEqual([docker, nested].sort());
    }
    expect(await known.find('myid')).toEqual({ id: 'myid', path: '/deep/myid', cgroups: [named] });
    for (const wanted of [ID.slice(0, 11), 'my', OTHER, '', '/', 'deep'])
      await expect(known.find(wanted)).rejects.toMatchObject({ code: 'SW_CONTAINER_UNKNOWN' });
  });

  test('a prefix that fits two containers is none', async () => {
    make(`docker/${ID}`);
    make(`docker/${ID.slice(0, 63)}0`);
    run(`docker/${ID}`);
    await expect(containers().find(ID.slice(0, 12))).rejects.toMatchObject({ code: 'SW_CONTAINER_UNKNOWN' });
  });

  test('a container keeps its name when it is gone, and a late record is still found', async () => {
    const known = containers();
    await known.refresh();
    const id = make('early');
    await known.learn([id], [0]);
    // Within a second of the last scan an unknown id may wait; the poll does not.
    await known.poll();
    expect(await known.describe(id)).toEqual({ kind: 'host' });
    record('early', 'early');
    await known.poll();
    expect(await known.describe(id)).toMatchObject({
      kind: 'container',
      container: { id: 'early', name: 'early' },
    });
    rmdirSync(join(mount, 'early'));
    rmSync(join(root, 'runc/early'), { recursive: true });
    await known.poll();
    expect(await known.describe(id)).toMatchObject({ kind: 'container', container: { id: 'early' } });
  });

  test('sources fill in what they know', async () => {
    const id = make(`docker/${ID}`);
    const source = {
      lookup: async (asked: string) => (asked === ID ? { name: 'web', image: 'web:1', pod: '' } : null),
    };
    const broken = { lookup: () => Promise.reject(new Error('no socket')) };
    const known = new Containers(
      { hierarchy: 'memory', mount },
      [source, broken],
      new RuncStates('memory', mount, []),
    );
    await known.refresh();
    expect(await known.describe(id)).toMatchObject({
      kind: 'container',
      container: { id: ID, name: 'web', image: 'web:1', pod: '', runtime: 'docker' },
    });
  });
});
