// SPDX-License-Identifier: Apache-2.0
// Whatever is wrong with the machine or the request: a code, a non-zero exit, and nothing left behind.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readPprof, secondsOf, through } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import {
  asNobody,
  bin,
  bpfOrphans,
  bpfProgramsOf,
  errorCode,
  eventually,
  type Finished,
  freePort,
  inMountNamespace,
  sleep,
  stackwell,
  start,
  startHere,
  temporaryFolder,
} from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());

/** A command that must fail with this code and leave neither programs in the kernel nor files in `folder`. */
async function expectFailure(code: string, command: string[], folder: string): Promise<Finished> {
  const before = new Set(bpfOrphans());
  const [file, ...args] = command as [string, ...string[]];
  const finished = await start(file, args).finished;
  expect(finished.stderr).toContain('SW_');
  expect(errorCode(finished)).toBe(code);
  expect(finished.signal).toBeNull();
  expect(finished.code).toBeGreaterThan(0);
  expect(finished.stdout).toBe('');
  expect(filesIn(folder)).toEqual([]);
  // The kernel frees programs a moment after the last descriptor is closed.
  await eventually(
    'no program is left without a process',
    5,
    () => bpfOrphans().every(id => before.has(id)) || null,
  );
  return finished;
}

const recordTo = (output: string, ...args: string[]) => [
  bin,
  'record',
  '--seconds',
  '1',
  '-o',
  output,
  ...args,
];

test('not root', { timeout: 30_000 }, async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  const output = path.join(folder, 'out.pb.gz');
  await expectFailure('SW_NOT_ROOT', asNobody(...recordTo(output, '--host').slice(1)), folder);
  const port = `127.0.0.1:${await freePort()}`;
  await expectFailure(
    'SW_NOT_ROOT',
    asNobody('agent', '--server', 'http://127.0.0.1:1', '--data', folder, '--metrics-listen', port),
    folder,
  );
});

test('no BTF', { timeout: 30_000 }, async () => {
  const [folder, empty] = [temporaryFolder(), temporaryFolder()];
  const without = (command: string[]) => inMountNamespace(`mount --bind ${empty} /sys/kernel/btf`, command);
  await expectFailure('SW_NO_BTF', without(recordTo(path.join(folder, 'out.pb.gz'), '--host')), folder);
});

test('kernel too old', { timeout: 30_000 }, async () => {
  const folder = temporaryFolder();
  // The kernel itself says 2.6 to a process with this personality.
  const old = ['setarch', '--uname-2.6', ...recordTo(path.join(folder, 'out.pb.gz'), '--host')];
  const finished = await expectFailure('SW_KERNEL_TOO_OLD', old, folder);
  expect(finished.stderr).toContain('2.6');
});

test('unknown process, unknown container', { timeout: 30_000 }, async () => {
  const folder = temporaryFolder();
  const output = path.join(folder, 'out.pb.gz');
  const gone = start('true', []);
  const { pid } = gone;
  await gone.finished;
  await expectFailure('SW_PID_UNKNOWN', recordTo(output, '--pid', String(pid)), folder);
  await expectFailure('SW_CONTAINER_UNKNOWN', recordTo(output, '--container', 'ab'.repeat(32)), folder);
});

test('options that make no sense', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const output = path.join(folder, 'out.pb.gz');
  for (const wrong of [
    ['--pid', 'abc'],
    ['--pid', '-1'],
    ['--host', '--pid', '1'],
    ['--host', '--hz', '0'],
    ['--host', '--hz', '99999'],
    ['--host', '--type', 'memory'],
    ['--host', '--seconds', 'soon'],
    ['--host', '--nonsense'],
    ['--container', '../../etc'],
  ]) {
    const finished = await stackwell('record', '--seconds', '1', '-o', output, ...wrong);
    expect(errorCode(finished), wrong.join(' ')).toMatch(/^SW_(USAGE|CONTAINER_UNKNOWN|CONFIG_INVALID)$/);
    expect(finished.code, wrong.join(' ')).toBeGreaterThan(0);
    expect(finished.stdout).toBe('');
  }
  const odd = await stackwell('record', '--host', '--seconds', '1', '-o', path.join(folder, 'out.txt'));
  expect(errorCode(odd)).toMatch(/^SW_(USAGE|UNSUPPORTED_FORMAT)$/);
  expect(readdirSync(folder)).toEqual([]);
});

test('a place that cannot be written is told before the recording, not after', {
  timeout: 30_000,
}, async () => {
  const folder = temporaryFolder();
  const aFolder = path.join(folder, 'folder.pb.gz');
  mkdirSync(aFolder);
  for (const output of [path.join(folder, 'missing/out.pb.gz'), '/proc/out.pb.gz', aFolder]) {
    const began = performance.now();
    const command = [bin, 'record', '--host', '--seconds', '20', '-o', output];
    const finished = await expectFailure('SW_OUTPUT', command, folder);
    expect(performance.now() - began, finished.stderr).toBeLessThan(10_000);
  }
});

test('disk full while a recording is written', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const disk = path.join(folder, 'disk');
  const saved = path.join(folder, 'saved');
  mkdirSync(disk);
  mkdirSync(saved);
  // One page is left: less than any recording of a host needs.
  const full = inMountNamespace(
    `mount -t tmpfs -o size=64k tmpfs ${disk}; head -c 60k /dev/zero > ${disk}/ballast`,
    ['sh', '-c', `"$@"; code=$?; ls -A ${disk} > ${saved}/listing; exit $code`, 'sh'],
  );
  startHere(program('shares'), ['30']);
  const command = [
    bin,
    'record',
    '--host',
    '--type',
    'cpu,offcpu',
    '--seconds',
    '3',
    '-o',
    `${disk}/out.pb.gz`,
  ];
  const finished = await start(full[0]!, [...full.slice(1), ...command]).finished;
  expect(errorCode(finished)).toMatch(/^SW_(DISK_FULL|OUTPUT)$/);
  expect(finished.code).toBeGreaterThan(0);
  expect(readFileSync(path.join(saved, 'listing'), 'utf8').trim()).toBe('ballast');
});

test('outbox folder not writable', { timeout: 30_000 }, async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  const port = `127.0.0.1:${await freePort()}`;
  const agent = ['agent', '--server', 'http://127.0.0.1:1', '--metrics-listen', port];
  for (const data of ['/proc/stackwell', path.join(file, 'below')]) {
    const finished = await stackwell(...agent, '--data', data);
    expect(errorCode(finished), data).toBe('SW_DATA_DIR');
    expect(finished.code).toBeGreaterThan(0);
  }
});

test('metrics port taken', { timeout: 30_000 }, async () => {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  try {
    const finished = await stackwell(
      'agent',
      ...[
        '--server',
        'http://127.0.0.1:1',
        '--data',
        temporaryFolder(),
        '--metrics-listen',
        `127.0.0.1:${port}`,
      ],
    );
    expect(errorCode(finished)).toBe('SW_PORT_TAKEN');
    expect(finished.code).toBeGreaterThan(0);
  } finally {
    server.close();
  }
});

test('ELF files with damaged headers among the mappings', { timeout: 60_000 }, async () => {
  const damaged = startHere(program('damaged'), ['40', temporaryFolder()]);
  await eventually('it has mapped its files', 10, () => damaged.stdout.includes('ready') || null);
  const { profile } = await recordCpu(damaged.pid!, 5);

  const total = secondsOf(profile, 'cpu');
  const inDamaged = secondsOf(profile, 'cpu', sample => /\/damaged-\d\.so$/.test(sample.frames[0]!.module));
  expect(inDamaged / total).toBeGreaterThan(0.4);
  // They cost their own names and nobody else's.
  const sound = secondsOf(profile, 'cpu', through(/^burn_sound$/));
  expect(sound / total).toBeGreaterThan(0.4);
  for (const kind of [0, 1, 2, 3]) {
    const frames = profile.samples
      .map(sample => sample.frames[0]!)
      .filter(frame => frame.module.endsWith(`/damaged-${kind}.so`));
    expect(frames.length, `damaged-${kind}.so`).toBeGreaterThan(0);
    // The code lies behind the end of what the symbol table covers: any name would be a lie.
    expect(
      frames.every(frame => frame.name === ''),
      `damaged-${kind}.so`,
    ).toBe(true);
  }
  const reasons = Object.entries(profile.comments).filter(([key]) => key.startsWith('unresolved.'));
  const counted = reasons.reduce((sum, [, count]) => sum + Number(count), 0);
  expect(counted * profile.period).toBeGreaterThanOrEqual(inDamaged * 1e9 - 1);
});

test('SIGINT ends a recording early and keeps what there is; a second of it is enough', {
  timeout: 30_000,
}, async () => {
  const shares = startHere(program('shares'), ['30']);
  const output = path.join(temporaryFolder(), 'out.pb.gz');
  const recording = start(bin, [
    'record',
    '--pid',
    String(shares.pid),
    '--hz',
    '99',
    '--seconds',
    '60',
    '-o',
    output,
  ]);
  await eventually('it is attached', 20, () => {
    return bpfProgramsOf(recording.pid).length > 0 || null;
  });
  await sleep(2000);
  recording.child.kill('SIGINT');
  const finished = await recording.finished;
  expect(finished.code).toBe(0);
  expect(existsSync(output)).toBe(true);
  expect(secondsOf(readPprof(output), 'cpu', through(/price_items/))).toBeGreaterThan(0.2);
});
