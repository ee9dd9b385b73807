// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { secondsOf, through } from '../helpers/pprof.js';
import { record } from '../helpers/record.js';
import { startHere, temporaryFolder } from '../helpers/stackwell.js';
import { sourcePath } from '../programs/build.js';

test('Node.js with a perf map: shares, and names from JavaScript down to _start', {
  timeout: 60_000,
}, async () => {
  // Both functions are so short that they would be inlined, and a perf map does not tell inlined calls.
  // With a perf map V8 also leaves a log in the folder where it runs.
  const node = startHere(
    process.execPath,
    ['--perf-basic-prof', '--no-turbo-inlining', sourcePath('turns.mjs'), '30'],
    { cwd: temporaryFolder() },
  );
  onTestFinished(() => rmSync(`/tmp/perf-${node.pid}.map`, { force: true }));
  const { profile } = await record(
    '--pid',
    String(node.pid),
    '--type',
    'cpu',
    '--hz',
    '397',
    '--seconds',
    '5',
  );
  const whole = secondsOf(profile, 'cpu', through(/^JS:.?settle /));
  expect(whole).toBeGreaterThan(1);
  for (const [name, share] of [
    ['heavy', 0.75],
    ['light', 0.25],
  ] as const) {
    const seconds = secondsOf(profile, 'cpu', ({ frames }) => {
      const at = frames.findIndex(frame => new RegExp(`^JS:.?${name} .*/turns\\.mjs:`).test(frame.name));
      return at >= 0 && /^JS:.?settle /.test(frames[at + 1]!.name);
    });
    expect(seconds / whole, name).toBeGreaterThan(share - 0.05);
    expect(seconds / whole, name).toBeLessThan(share + 0.05);
  }

  // From code made at run time through V8's builtins and C++ to where the process began.
  const all = secondsOf(profile, 'cpu');
  const rooted = secondsOf(
    profile,
    'cpu',
    sample => sample.frames.at(-1)!.name === '_start' && through(/^node::Start\(/)(sample),
  );
  expect(rooted).toBeGreaterThan(0.99 * all);
  const named = Number(profile.comments['named']) / Number(profile.comments['frames']);
  expect(named).toBeGreaterThan(0.99);
});
