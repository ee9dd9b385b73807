// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import {
  memoryFile,
  type Opened,
  openInRoot,
  openMapped,
  openProcess,
  placeInRoot,
  sendDescriptor,
  signalProcess,
  socketPair,
} from '../../native/descriptors/index.js';
import { scratch } from './fixtures.js';

const { folder, remove } = scratch();
afterAll(remove);

function content(opened: Opened | number): string {
  if (typeof opened === 'number') throw new Error(`errno ${-opened}`);
  const buffer = Buffer.alloc(opened.size);
  readSync(opened.descriptor, buffer, 0, buffer.length, 0);
  closeSync(opened.descriptor);
  return buffer.toString('utf8');
}

it('opens inside a root, and no link leads out of it', async () => {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'deep/er'), { recursive: true });
  writeFileSync(join(folder, 'secret'), 'outside');
  writeFileSync(join(root, 'etc/passwd'), 'inside');
  writeFileSync(join(root, 'secret'), 'inside too');
  symlinkSync('/etc/passwd', join(root, 'absolute'));
  symlinkSync('../../../../../../etc/passwd', join(root, 'deep/er/relative'));
  symlinkSync('../secret', join(root, 'up'));
  symlinkSync('/proc/self/root/etc/passwd', join(root, 'magic'));

  expect(content(await openInRoot(root, '/etc/passwd'))).toBe('inside');
  expect(content(await openInRoot(root, 'etc/passwd'))).toBe('inside');
  expect(content(await openInRoot(root, 'absolute'))).toBe('inside');
  expect(content(await openInRoot(root, 'deep/er/relative'))).toBe('inside');
  expect(content(await openInRoot(root, '../secret'))).toBe('inside too');
  expect(content(await openInRoot(root, 'up'))).toBe('inside too');
  expect(await openInRoot(root, 'magic')).toBe(-constants.errno.ENOENT);
  expect(await openInRoot('/', '/proc/self/exe')).toBe(-constants.errno.ELOOP);
  expect(await openInRoot(root, 'nothing')).toBe(-constants.errno.ENOENT);
  expect(await openInRoot(root, 'etc/passwd\0.txt')).toBe(-constants.errno.EINVAL);
  expect(await openInRoot(join(root, 'nothing'), 'etc/passwd')).toBe(-constants.errno.ENOENT);
  expect(content(await openInRoot(`/proc/${process.pid}/root`, join(root, 'etc/passwd')))).toBe('inside');
});

it('opens regular files only', async () => {
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  expect(await openInRoot(folder, 'pipe')).toBe(-constants.errno.EACCES);
  expect(await openInRoot('/', 'dev/null')).toBe(-constants.errno.EACCES);
  expect(await openInRoot('/', 'tmp')).toBe(-constants.errno.EACCES);
});

it('finds places inside a root: folders and sockets too, and nothing outside', async () => {
  const root = join(folder, 'places');
  mkdirSync(join(root, 'tmp'), { recursive: true });
  symlinkSync('/etc', join(root, 'tmp/out'));
  const place = await placeInRoot(root, '/tmp');
  if (typeof place === 'number') throw new Error(`errno ${-place}`);
  expect(place).toMatchObject({ isFolder: true, isSocket: false, uid: process.getuid!() });
  // A place only: nothing can be read through it, and it is part of a path.
  expect(() => readSync(place.descriptor, Buffer.alloc(1), 0, 1, 0)).toThrow(
    expect.objectContaining({ code: 'EBADF' }),
  );
  writeFileSync(`/proc/self/fd/${place.descriptor}/new`, 'x');
  expect(readFileSync(join(root, 'tmp/new'), 'utf8')).toBe('x');
  expect(await placeInRoot(`/proc/self/fd/${place.descriptor}`, 'out')).toBe(-constants.errno.ENOENT);
  closeSync(place.descriptor);
});

it('a process that is held is never another one', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const held = openProcess(child.pid!);
  const ended = new Promise(resolve => child.once('exit', (_code, signal) => resolve(signal)));
  signalProcess(held, 0);
  signalProcess(held, constants.signals.SIGTERM);
  expect(await ended).toBe('SIGTERM');
  expect(() => signalProcess(held, constants.signals.SIGTERM)).toThrow(
    expect.objectContaining({ code: 'ESRCH' }),
  );
  closeSync(held);
  expect(() => openProcess(4_194_305)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
});

it('opens what a process has mapped', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    // Until exec has happened it maps what this process maps.
    let range: RegExpMatchArray | null = null;
    for (let tries = 0; tries < 200 && range === null; tries++) {
      range = readFileSync(`/proc/${child.pid}/maps`, 'utf8').match(
        /^([0-9a-f]+)-([0-9a-f]+) r-xp .*\/sleep$/m,
      );
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    const [start, end] = [BigInt(`0x${range![1]}`), BigInt(`0x${range![2]}`)];
    const opened = (await openMapped(child.pid!, start, end)) as Opened;
    const own = fstatSync(opened.descriptor, { bigint: true });
    expect(opened.inode).toBe(own.ino);
    expect(opened.modifiedNs).toBe(own.mtimeNs);
    expect(opened.size).toBe(Number(own.size));
    closeSync(opened.descriptor);
    expect(await openMapped(child.pid!, start, end + 4096n)).toBe(-constants.errno.ENOENT);
    expect(await openMapped(4_194_305, start, end)).toBe(-constants.errno.ENOENT);
  } finally {
    child.kill('SIGKILL');
  }
});

it('a memory file can be read and not changed', () => {
  const descriptor = memoryFile('test', new TextEncoder().encode('content'));
  const buffer = Buffer.alloc(20);
  expect(readSync(descriptor, buffer, 0, 20, 0)).toBe(7);
  expect(buffer.toString('utf8', 0, 7)).toBe('content');
  expect(() => writeSync(descriptor, 'x', 0)).toThrow(expect.objectContaining({ code: 'EPERM' }));
  closeSync(descriptor);
});

it('sends descriptors until the socket is full, and never waits', () => {
  const [ours, theirs] = socketPair();
  const file = openSync('/dev/null', 'r');
  let sent = 0;
  while (sent < 100_000 && sendDescriptor(ours, sent, file)) sent++;
  expect(sent).toBeGreaterThan(10);
  expect(sent).toBeLessThan(100_000);
  closeSync(theirs);
  expect(() => sendDescriptor(ours, 1, file)).toThrow(/^(ECONNRESET|EPIPE)/);
  expect(() => sendDescriptor(ours, 1, 1_000_000)).toThrow();
  closeSync(ours);
  closeSync(file);
});
