// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { monotonicNs, suspendedNs, wallClock } from '../../src/agent/procfs/clock.js';
import { readSmall } from '../../src/agent/procfs/file.js';
import {
  parseCgroups,
  parseStat,
  parseStatus,
  pickVariables,
  processTree,
  readCommandLine,
  readEnvironment,
  readExecutable,
  readStat,
  readStatus,
  splitArguments,
} from '../../src/agent/procfs/process.js';
import { baseName, cleanName } from '../../src/agent/procfs/text.js';

/** No process has it: the kernel's largest possible pid is 2^22. */
const NOBODY = 2 ** 22 + 1;

describe('names that processes choose', () => {
  test.each([
    ['plain name', 'plain name'],
    ['a\u001b[31mred\u0007', 'a[31mred'],
    ['line\nbreak\tand\u0085more', 'linebreakandmore'],
    ['evil\u202egpj.exe', 'evilgpj.exe'],
    ['zero\u200bwidth', 'zerowidth'],
    ['naïve 日本 🦀', 'naïve 日本 🦀'],
    ['half \ud800 pair', 'half  pair'],
  ])('%j becomes %j', (name, clean) => expect(cleanName(name)).toBe(clean));

  test('is cut, and never within a surrogate pair', () => {
    expect(cleanName('x'.repeat(300))).toHaveLength(256);
    expect(cleanName('ab🦀', 3)).toBe('ab');
  });

  test('base names', () => {
    expect(baseName('/usr/bin/node')).toBe('node');
    expect(baseName('/opt/app (deleted)')).toBe('app');
    expect(baseName('')).toBe('');
  });
});

describe('files of /proc', () => {
  test('stat of a process with a hostile name', () => {
    const fields = 'S 7 1 1 0 -1 2097152 0 0 0 0 1 2 0 0 20 0 1 0 1234 0 0';
    expect(parseStat(`42 (a) R 1 (b) ${fields}\n`)).toEqual({
      parent: 7,
      startNs: 12_340_000_000n,
      kernelThread: true,
    });
    expect(parseStat('42 (cut')).toBeNull();
  });

  test('status with pid namespaces', () => {
    const text =
      'Name:\tx\\ny\nTgid:\t42\nPid:\t43\nPPid:\t1\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t43\t7\t1\nSigCgt:\t8000000000000004\n';
    expect(parseStatus(text)).toEqual({
      name: 'x\\ny',
      processId: 42,
      parent: 1,
      namespacePids: [43, 7, 1],
      user: 2,
      group: 6,
      caughtSignals: (1n << 63n) | (1n << 2n),
    });
  });

  test('cgroups of v1, v2 and named hierarchies', () => {
    const text = '4:memory:/a/b\n3:cpu,cpuacct:/c\n1:name=systemd:/d\n0::/e:f (deleted)\nnonsense\n';
    expect([...parseCgroups(text)]).toEqual([
      ['memory', '/a/b'],
      ['cpu', '/c'],
      ['cpuacct', '/c'],
      ['name=systemd', '/d'],
      ['', '/e:f'],
    ]);
  });

  test('arguments and variables', () => {
    expect(splitArguments(Buffer.from('node\0a b\0\0c\0'))).toEqual(['node', 'a b', '', 'c']);
    expect(splitArguments(Buffer.alloc(0))).toEqual([]);
    const environ = Buffer.from('XB=no\0A=1\0B=two=2\0B=later\0C=cut');
    expect([...pickVariables(environ, ['B', 'A', 'C', 'D'])]).toEqual([
      ['B', 'two=2'],
      ['A', '1'],
      ['C', 'cut'],
    ]);
  });

  test('a live process tells all, one that is gone tells null', async () => {
    const child = spawn('sleep', ['60'], { env: { OTEL_SERVICE_NAME: 'nap', SECRET: 'x' } });
    try {
      await once(child, 'spawn');
      const pid = child.pid!;
      const stat = readStat(pid)!;
      expect(stat.parent).toBe(process.pid);
      expect(stat.kernelThread).toBe(false);
      const age = monotonicNs() + suspendedNs() - stat.startNs;
      expect(age).toBeGreaterThan(-30_000_000n);
      expect(age).toBeLessThan(10_000_000_000n);
      expect(readStatus(pid)).toMatchObject({ processId: pid, parent: process.pid });
      expect(readExecutable(pid)).toMatch(/sleep$/);
      expect(await readCommandLine(pid)).toEqual(['sleep', '60']);
      expect([...(await readEnvironment(pid, ['OTEL_SERVICE_NAME']))]).toEqual([
        ['OTEL_SERVICE_NAME', 'nap'],
      ]);
      expect(processTree(process.pid)).toContain(pid);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(readStat(NOBODY)).toBeNull();
    expect(readStatus(NOBODY)).toBeNull();
    expect(readExecutable(NOBODY)).toBeNull();
    expect(await readCommandLine(NOBODY)).toEqual([]);
    expect((await readEnvironment(NOBODY, ['A'])).size).toBe(0);
    expect(processTree(NOBODY)).toEqual([]);
  });

  test('reads are bounded', () => {
    expect(readSmall('/proc/self/status', 10)).toHaveLength(10);
    expect(readSmall('/proc/self/no-such-file')).toBeNull();
  });

  test('kthreadd is a kernel thread', () => {
    // In a pid namespace of its own there is none to see.
    const stat = readStat(2);
    if (readSmall('/proc/2/comm') === 'kthreadd\n') expect(stat?.kernelThread).toBe(true);
    else expect(stat?.kernelThread ?? false).toBe(false);
  });
});

test('monotonic time maps to the wall clock', () => {
  const mapped = wallClock()(monotonicNs());
  const difference = Number(mapped / 1_000_000n) - Date.now();
  expect(Math.abs(difference)).toBeLessThan(50);
});
