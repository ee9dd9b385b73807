// SPDX-License-Identifier: Apache-2.0
// Threads that wait deep in code: their stacks are whole, whether the wait has ended or still goes on.
import { expect, test } from 'vitest';
import { GO_ROOTS, goPrograms } from './go.js';
import { JAVA_MAIN_ROOTS, javaPrograms } from './java.js';
import { follows } from './judge.js';
import { measure, type Sample } from './measure.js';
import { NATIVE_ROOTS, nativePrograms } from './native.js';

const SECONDS = 5;
const DEPTH = 21;

interface Waiting {
  name: string;
  command: string[];
  roots: RegExp;
  /** Chains of calls of the wait that ends and begins again, and of the ones that go on. */
  finished: string[];
  open: string[][];
}

const deep = (deeper: string) => new Array<string>(DEPTH).fill(deeper);

function native(): Waiting[] {
  return nativePrograms()
    .filter(({ name }) => name === 'gcc -O2' || name === 'gcc -O2, stripped, .gnu_debugdata')
    .map(({ name, file }) => ({
      name,
      command: [file],
      roots: NATIVE_ROOTS,
      finished: ['via_sleep', ...deep('deeper'), 'sleeps'],
      open: [['in_waiting_thread', ...deep('deeper'), 'waits']],
    }));
}

function go(): Waiting[] {
  return goPrograms('local')
    .filter(({ name }) => /, (plain|-s -w)$/.test(name))
    .map(({ name, file }) => ({
      name,
      command: [file],
      roots: GO_ROOTS,
      finished: ['main.viaSleep', ...deep('main.deeper'), 'main.sleeps'],
      open: [['main.inWaitingGoroutine', ...deep('main.deeper'), 'main.waits']],
    }));
}

function java(): Waiting[] {
  return javaPrograms('distribution')
    .filter(({ name }) => /(interpreter|tiered)$/.test(name))
    .map(({ name, command }) => ({
      name,
      command,
      roots: JAVA_MAIN_ROOTS,
      finished: ['Kinds.viaSleep', ...deep('Kinds.deeper'), '*', 'Kinds.sleeps'],
      open: ['waits', 'parks'].map(wait => [
        'Kinds.inWaitingThread',
        ...deep('Kinds.deeper'),
        '*',
        `Kinds.${wait}`,
      ]),
    }));
}

test.each([
  { language: 'C', programs: native },
  { language: 'Go', programs: go },
  { language: 'Java', programs: java },
])('$language: waits are whole, finished or not', { timeout: 180_000 }, async ({ programs }) => {
  const subjects = programs();
  const measured = await measure(
    subjects.map(({ name, command }) => ({ name, command: [...command, '600', 'sleep=1', 'wait=1'] })),
    {
      samples: Number.POSITIVE_INFINITY,
      seconds: SECONDS,
      offCpu: {
        minNs: 1e6,
        maxNs: 0,
        stateMask: 0,
        phases: { blocked: true, runqueue: true, preempted: true },
      },
    },
  );
  for (const { name, roots, finished, open } of subjects) {
    const own = measured.samples.filter(sample => sample.subject === name && sample.kind === 'offcpu');
    const seconds = (passes: (sample: Sample) => boolean) =>
      own.reduce((sum, sample) => sum + (passes(sample) ? sample.nanoseconds / 1e9 : 0), 0);
    const complete = (sample: Sample) => sample.end === 'root' && roots.test(sample.frames[0] ?? '');
    const along = (path: string[]) => (sample: Sample) =>
      complete(sample) && sample.frames.some((_, at) => follows(sample.frames, at, path));

    const incomplete = own
      .filter(sample => !complete(sample))
      .map(({ end, frames }) => `${end}: ${frames.join(';')}`);
    expect(
      seconds(complete) / seconds(() => true),
      `${name}: ${incomplete.join('\n')}`,
    ).toBeGreaterThanOrEqual(0.99);
    // The main thread does nothing but sleep; half of its turns, the others return at once.
    expect(seconds(along(finished)), `${name}: ${finished[0]}`).toBeGreaterThan(0.9 * measured.seconds);
    for (const path of open) {
      expect(seconds(along(path)), `${name}: ${path.join(';')}`).toBeGreaterThan(0.95 * measured.seconds);
      expect(seconds(along(path)), `${name}: ${path.join(';')}`).toBeLessThan(1.05 * measured.seconds);
    }
  }
});
