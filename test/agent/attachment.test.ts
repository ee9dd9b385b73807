// SPDX-License-Identifier: Apache-2.0
// The other side of the attach protocol belongs to a process that may do as it likes: here this one plays it.
import { chownSync, existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { readStat } from '../../src/agent/procfs/process.js';
import { type Machine, requestPerfMap } from '../../src/agent/profiling/attach/attachment.js';
import { temporaryFolder } from '../helpers/stackwell.js';

const SOCKET = `/tmp/.java_pid${process.pid}`;
const MAP = `/tmp/perf-${process.pid}.map`;
const TRIGGER = `/tmp/.attach_pid${process.pid}`;
const clean = () => [SOCKET, MAP, TRIGGER].forEach(file => void rmSync(file, { force: true }));
afterEach(clean);

const itself = (): Machine => ({ pid: process.pid, startNs: readStat(process.pid)!.startNs, woken: false });
const request = (machine = itself(), stop = new AbortController().signal) => requestPerfMap(machine, stop);

/** Listens at `at` and gives each connection to `serve` with what it asked. */
async function listen(serve: (socket: Socket, request: string) => void, at = SOCKET): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', data => serve(socket, data.toString()));
  });
  await new Promise<void>(resolve => server.listen(at, resolve));
  onTestFinished(() => void server.close());
}

test('the command as the JDK sends it, and a map that is there', async () => {
  let asked = '';
  await listen((socket, text) => {
    asked = text;
    writeFileSync(MAP, '');
    socket.end('0\n');
  });
  expect(await request()).toBe('ok');
  expect(asked).toBe('1\0jcmd\0Compiler.perfmap\0\0\0');
});

test.each([
  ['no map though it says so', '0\n', 'refused'],
  ['an older one', '1\njava.lang.IllegalArgumentException: Unknown diagnostic command\n', 'unsupported'],
  ['an error', '100\nno\n', 'refused'],
  ['nothing', '', 'refused'],
  ['more than an answer has', 'x'.repeat(10_000_000), 'refused'],
])('%s', async (_, answer, result) => {
  await listen(socket => socket.end(answer));
  expect(await request()).toBe(result);
});

test('one that does not answer: until the agent stops', async () => {
  let connected = false;
  await listen(() => {
    connected = true;
  });
  const stop = new AbortController();
  const answer = request(itself(), stop.signal);
  await sleep(300);
  expect(connected).toBe(true);
  stop.abort();
  expect(await answer).toBe('stopped');
});

test('a socket of another user, and what is no socket', async () => {
  await listen(socket => socket.end('0\n'));
  chownSync(SOCKET, 12_345, 12_345);
  expect(await request()).toBe('forbidden');
  rmSync(SOCKET);
  writeFileSync(SOCKET, '');
  expect(await request()).toBe('forbidden');
});

test('a link does not lead out of its folder', async () => {
  const other = path.join(temporaryFolder(), 'socket');
  let reached = false;
  await listen(socket => {
    reached = true;
    socket.end('0\n');
  }, other);
  symlinkSync(other, SOCKET);
  expect(await request({ ...itself(), woken: true })).toBe('timeout');
  expect(reached).toBe(false);
});

test('another process with the id is not touched', async () => {
  let reached = false;
  await listen(() => {
    reached = true;
  });
  const machine = itself();
  expect(await request({ ...machine, startNs: machine.startNs - 10_000_000n })).toBe('gone');
  expect(await request({ ...machine, pid: 2 ** 22 + 1 })).toBe('gone');
  expect(reached).toBe(false);
});

test('no signal to what is no HotSpot, nor a second one', async () => {
  // It would have this file if it had been about to send one.
  let made = false;
  const signalled = () => {
    made = true;
  };
  process.on('SIGQUIT', signalled);
  onTestFinished(() => void process.off('SIGQUIT', signalled));
  expect(await request()).toBe('disabled');
  expect(await request({ ...itself(), woken: true })).toBe('timeout');
  await sleep(50);
  expect(made).toBe(false);
  expect(existsSync(TRIGGER)).toBe(false);
});
