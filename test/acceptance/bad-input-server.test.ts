// SPDX-License-Identifier: Apache-2.0
// What keeps a server from starting or storing: a code, a non-zero exit, and nothing half written.
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { madeProfile } from '../helpers/made-profile.js';
import { CPU, expectRefused, Service } from '../helpers/service.js';
import {
  asNobody,
  bin,
  descendants,
  errorCode,
  eventually,
  freePort,
  inMountNamespace,
  stackwell,
  start,
  temporaryFolder,
} from '../helpers/stackwell.js';

test('port taken', { timeout: 60_000 }, async ({ onTestFinished }) => {
  const taken = createServer();
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  for (const command of ['server', 'up']) {
    const folder = temporaryFolder();
    const metrics = ['--metrics-listen', `127.0.0.1:${await freePort()}`];
    const running = start(bin, [
      command,
      ...['--listen', `127.0.0.1:${port}`, '--data', folder],
      ...(command === 'up' ? metrics : []),
    ]);
    const finished = await running.finished;
    expect(errorCode(finished), command).toBe('SW_PORT_TAKEN');
    expect(finished.code, command).toBeGreaterThan(0);
    expect(descendants(running.pid)).toEqual([]);
  }
});

test('data folder not writable', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const listen = ['--listen', `127.0.0.1:${await freePort()}`];
  const [unshare, ...rest] = asNobody('server', ...listen, '--data', folder);
  const nobodys = await start(unshare!, rest).finished;
  expect(errorCode(nobodys)).toBe('SW_DATA_DIR');
  expect(nobodys.code).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);

  const file = path.join(folder, 'file');
  writeFileSync(file, 'mine');
  const below = await stackwell('server', ...listen, '--data', path.join(file, 'below'));
  expect(errorCode(below)).toBe('SW_DATA_DIR');
  expect(readFileSync(file, 'utf8')).toBe('mine');

  const metrics = ['--metrics-listen', `127.0.0.1:${await freePort()}`];
  const up = [bin, 'up', ...listen, ...metrics, '--data', path.join(folder, 'data')];
  const [mounts, ...readOnly] = inMountNamespace(`mount -t tmpfs -o ro tmpfs ${folder}`, up);
  const refused = await start(mounts!, readOnly).finished;
  expect(errorCode(refused)).toBe('SW_DATA_DIR');
  expect(refused.code).toBeGreaterThan(0);
});

test('disk full: refused, what was acknowledged stays', { timeout: 120_000 }, async ({ onTestFinished }) => {
  const folder = temporaryFolder();
  const disk = path.join(folder, 'disk');
  mkdirSync(disk);
  const port = await freePort();
  const mount = `mount -t tmpfs -o size=6m tmpfs ${disk} && echo mounted && exec sleep 300`;
  const keeper = start('unshare', ['--mount', 'sh', '-c', mount]);
  onTestFinished(async () => {
    await keeper.stop('SIGKILL');
  });
  await eventually('the small disk is there', 10, () => keeper.stdout.includes('mounted') || null);

  const open = async () => {
    // The disk lives in a mount namespace that a first process keeps; the server joins it, twice.
    const command = [bin, 'server', '--listen', `127.0.0.1:${port}`, '--data', path.join(disk, 'data')];
    const server = start('nsenter', [`--mount=/proc/${keeper.pid}/ns/mnt`, ...command]);
    const small = new Service(server, `http://127.0.0.1:${port}`, 0);
    onTestFinished(async () => {
      await server.stop();
    });
    await eventually('the server is ready', 30, async () => {
      if (!server.alive) throw new Error(server.stderr);
      return (await small.ready()) || null;
    });
    return small;
  };

  let small = await open();
  const acknowledged: string[] = [];
  let refused: Response | null = null;
  for (let i = 0; i < 500 && refused === null; i++) {
    const name = `service-${i}`;
    // Names that do not compress and are in no other profile.
    const answer = await small.ingest(name, gzipSync(madeProfile(1e9, { functions: 2000, seed: i })));
    if (answer.status === 200) acknowledged.push(name);
    else refused = answer;
  }
  expect(acknowledged.length).toBeGreaterThan(2);
  expect(refused).not.toBeNull();
  await expectRefused(refused!, 507, 'SW_DISK_FULL');

  const stored = async () => {
    for (const name of acknowledged) {
      const { sum } = await small.top({
        type: CPU,
        query: `{service_name="${name}"}`,
        from: 'now-1h',
        until: 'now+1h',
      });
      expect(sum, name).toBe(1e9);
    }
  };
  await stored();
  await small.process.stop();
  small = await open();
  await stored();
});
