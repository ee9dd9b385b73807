// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Decoded, secondsOf, through } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { startHere } from '../helpers/stackwell.js';
import { sourcePath } from '../programs/build.js';

/** A CPython that can tell perf of its functions (3.12); PATH first, then where pyenv has them. */
function pythonWithPerf(): string | null {
  const inPath = ['python3', 'python3.12', 'python3.13', 'python3.14'].flatMap(name =>
    (process.env.PATH ?? '').split(':').map(folder => path.join(folder, name)),
  );
  const versions = path.join(homedir(), '.pyenv/versions');
  const built = existsSync(versions)
    ? readdirSync(versions).map(version => path.join(versions, version, 'bin/python3'))
    : [];
  const candidates = [...inPath, ...built];
  for (const candidate of candidates.filter(file => existsSync(file))) {
    try {
      execFileSync(candidate, ['-c', 'import sys; sys.activate_stack_trampoline'], { stdio: 'ignore' });
      return candidate;
    } catch {
      // An older one.
    }
  }
  return null;
}

async function recordOf(pid: number): Promise<Decoded> {
  const { profile } = await recordCpu(pid, 5);
  expect(Number(profile.comments.complete) / Number(profile.comments.samples)).toBeGreaterThan(0.99);
  return profile;
}

test('Python: the interpreter, from the leaf to _start', { timeout: 60_000 }, async () => {
  const python = startHere('/usr/bin/python3', [sourcePath('loop.py'), '40']);
  const profile = await recordOf(python.pid);
  const inPython = (module: string) => /\/python3[.\d]*$/.test(module);
  const leaves = secondsOf(profile, 'cpu', sample => inPython(sample.frames[0]!.module));
  expect(leaves).toBeGreaterThan(0.8 * secondsOf(profile, 'cpu'));
  const loop = secondsOf(profile, 'cpu', sample => sample.frames[0]!.name === '_PyEval_EvalFrameDefault');
  expect(loop).toBeGreaterThan(0.1 * leaves);
  expect(secondsOf(profile, 'cpu', through(/^_?Py[A-Z]/))).toBeGreaterThan(0.5 * leaves);

  // Every leaf has a name or is among those counted by reason.
  const unnamed = secondsOf(profile, 'cpu', sample => sample.frames[0]!.name === '');
  const counted = Object.entries(profile.comments)
    .filter(([key]) => key.startsWith('unresolved.'))
    .reduce((sum, [, count]) => sum + Number(count), 0);
  expect(counted * profile.period).toBeGreaterThanOrEqual(unnamed * 1e9 - 1);
});

const withPerf = pythonWithPerf();
test.skipIf(withPerf === null)(
  'Python 3.12 and later with -X perf: its functions',
  {
    timeout: 60_000,
  },
  async () => {
    const python = startHere(withPerf!, ['-X', 'perf', sourcePath('loop.py'), '40']);
    onTestFinished(() => rmSync(`/tmp/perf-${python.pid}.map`, { force: true }));
    const profile = await recordOf(python.pid);
    const all = secondsOf(profile, 'cpu');
    expect(all).toBeGreaterThan(0.5);
    // Where the functions' trampolines keep no frame pointer, the stack would end at the first of them.
    const whole = secondsOf(profile, 'cpu', ({ frames }) => {
      const own = frames.filter(({ file }) => file === sourcePath('loop.py'));
      return own.map(frame => frame.name).join(' ') === 'busy <module>' && frames.at(-1)!.name === '_start';
    });
    expect(whole).toBeGreaterThan(0.95 * all);
  },
);
