// SPDX-License-Identifier: Apache-2.0
// JavaScript: named from V8's own structures in a process that was started like any other.
import { rmSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Decoded, type Frame, secondsOf, through } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { startHere, temporaryFolder } from '../helpers/stackwell.js';
import { lineOf, sourcePath } from '../programs/build.js';

/**
 * What is asked of every Node.js process: stacks from `inside`, JavaScript, through V8's builtins and C++ to where the
 * process began. Garbage collectors and compilers are threads, which began elsewhere.
 */
function expectWhole(profile: Decoded, inside: RegExp): void {
  const all = secondsOf(profile, 'cpu', through(inside));
  expect(all).toBeGreaterThan(0.5);
  const rooted = secondsOf(
    profile,
    'cpu',
    sample =>
      through(inside)(sample) && through(/^node::Start\(/)(sample) && sample.frames.at(-1)!.name === '_start',
  );
  expect(rooted).toBeGreaterThan(0.99 * all);
  const share = (key: string, of: string) => Number(profile.comments[key]) / Number(profile.comments[of]);
  expect(share('complete', 'samples')).toBeGreaterThan(0.99);
  expect(share('named', 'frames')).toBeGreaterThan(0.99);
}

describe('shares, names and lines of two functions', () => {
  // They are so short that they would be inlined, and inlined calls of JavaScript are not shown.
  for (const [how, option] of [
    ['compiled', '--no-turbo-inlining'],
    ['interpreted', '--jitless'],
  ] as const)
    test(how, { timeout: 60_000 }, async () => {
      const node = startHere(process.execPath, [option, sourcePath('turns.mjs'), '30']);
      const { profile } = await recordCpu(node.pid!, 5);
      expectWhole(profile, /^settle$/);
      const whole = secondsOf(profile, 'cpu', through(/^settle$/));
      for (const [name, share] of [
        ['heavy', 0.75],
        ['light', 0.25],
      ] as const) {
        const line = lineOf('turns.mjs', `function ${name}(`);
        const seconds = secondsOf(profile, 'cpu', ({ frames }) => {
          const at = frames.findIndex(frame => frame.name === name);
          return (
            at >= 0 &&
            frames[at]!.file === sourcePath('turns.mjs') &&
            frames[at]!.line === line &&
            frames[at + 1]!.name === 'settle'
          );
        });
        expect(seconds / whole, name).toBeGreaterThan(share - 0.05);
        expect(seconds / whole, name).toBeLessThan(share + 0.05);
      }
    });
});

test('through builtins that call back', { timeout: 60_000 }, async () => {
  const node = startHere(process.execPath, [sourcePath('sorts.cjs'), '30']);
  const { profile } = await recordCpu(node.pid!, 5);
  const functions = /^(compare|sorted|counted)$/;
  expectWhole(profile, /^counted$/);
  const sorting = secondsOf(profile, 'cpu', through(/^Builtins_ArrayPrototypeSort$/));
  expect(sorting).toBeGreaterThan(0.1 * secondsOf(profile, 'cpu'));
  const called = secondsOf(profile, 'cpu', ({ frames }) => {
    const named = frames.filter(frame => functions.test(frame.name) || /^Builtins_Array/.test(frame.name));
    const names = named.map(frame => frame.name).join(' ');
    return (
      named.every(({ name, file }) => !functions.test(name) || file === sourcePath('sorts.cjs')) &&
      /Builtins_ArrayPrototypeSort (sorted )?counted$/.test(names)
    );
  });
  expect(called).toBeGreaterThan(0.95 * sorting);
  const comparing = secondsOf(profile, 'cpu', ({ frames }) => {
    const names = frames.map(frame => frame.name).join(' ');
    return /compare (\S+ )*Builtins_ArrayTimSort (\S+ )*Builtins_ArrayPrototypeSort /.test(names);
  });
  expect(comparing).toBeGreaterThan(0.02 * secondsOf(profile, 'cpu'));
});

test('functions that a garbage collector moves keep their names', { timeout: 60_000 }, async () => {
  const node = startHere(process.execPath, ['--no-turbo-inlining', sourcePath('closures.mjs'), '30']);
  const { profile } = await recordCpu(node.pid!, 5);
  expectWhole(profile, /^burn$/);
  // Each of them is called by its own maker and by nothing else: a name from the wrong object would show here.
  const maker = /^make(First|Second)$/;
  const seconds = { right: 0, wrong: 0 };
  for (const { frames, values } of profile.samples)
    frames.forEach((frame, at) => {
      const called = /^(first|second)$/.exec(frame.name)?.[1];
      if (called === undefined) return;
      const by = maker.exec(frames[at + 1]!.name)?.[1]?.toLowerCase();
      seconds[by === called ? 'right' : 'wrong'] += values[profile.types.indexOf('cpu/nanoseconds')]! / 1e9;
    });
  expect(seconds.right).toBeGreaterThan(0.5);
  expect(seconds.wrong).toBe(0);
});

describe('scripts that are dropped, whose memory others get', () => {
  const CALLS: Record<string, string> = { a: 'b', b: 'c', c: '' };
  const LINES: Record<string, number> = { a: 12, b: 7, c: 2 };

  /** In what the frames of one stack contradict each other: all of a script carry its number, and call in one order. */
  function contradiction(frames: Frame[]): 'name' | 'place' | null {
    let script = '';
    let callee = '';
    let place = false;
    for (const { name, file, line } of frames) {
      const [, letter, number] = /^([abc])(\d{6})$/.exec(name) ?? [];
      if (letter === undefined || number === undefined) {
        callee = '';
        continue;
      }
      if (script !== '' && number !== script) return 'name';
      if (callee !== '' && callee !== CALLS[letter]) return 'name';
      script = number;
      callee = letter;
      // Its text may have been dropped before its name.
      const first = LINES[letter]! + (Number(number) % 2) * 100;
      if (file !== `/made/${number}.js` || (line !== first && line !== 0)) place = true;
    }
    return place ? 'place' : null;
  }

  test.each([
    { how: 'compiled', flags: ['--no-turbo-inlining', '--no-maglev-inlining'] },
    { how: 'interpreted', flags: ['--jitless'] },
  ])('have no wrong names: $how', { timeout: 60_000 }, async ({ flags }) => {
    const options = [...flags, '--expose-gc', '--no-compilation-cache', '--max-old-space-size=64'];
    const node = startHere(process.execPath, [...options, sourcePath('scripts.mjs'), '30']);
    const { profile } = await recordCpu(node.pid!, 5, 997);
    const named = secondsOf(profile, 'cpu', through(/^[abc]\d{6}$/));
    expect(named).toBeGreaterThan(0.5);
    const wrong = (what: string) =>
      secondsOf(profile, 'cpu', ({ frames }) => contradiction(frames) === what) / named;
    expect(wrong('name')).toBe(0);
    // The name of a file is a string of its own, which may be gone by then, or another one.
    expect(wrong('place')).toBeLessThan(0.3);
  });
});

test('a perf map names code that is no function', { timeout: 60_000 }, async () => {
  // With a perf map V8 also leaves a log in the folder where it runs.
  const search =
    "const until = Date.now() + 30_000; while (Date.now() < until) /(a|aa)+b/.test('a'.repeat(20));";
  const node = startHere(process.execPath, ['--perf-basic-prof', '--eval', search], {
    cwd: temporaryFolder(),
  });
  onTestFinished(() => rmSync(`/tmp/perf-${node.pid}.map`, { force: true }));
  const { profile } = await recordCpu(node.pid!, 3);
  expectWhole(profile, /^RegExp:/);
  const searching = secondsOf(profile, 'cpu', through(/^RegExp:\(a\|aa\)\+b$/));
  expect(searching).toBeGreaterThan(0.8 * secondsOf(profile, 'cpu'));
});
