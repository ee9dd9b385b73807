// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { secondsOf } from '../helpers/pprof.js';
import { record } from '../helpers/record.js';
import { startHere } from '../helpers/stackwell.js';
import { sourcePath } from '../programs/build.js';

test('JavaScript: stacks go through compiled code and builtins to the root', {
  timeout: 60_000,
}, async () => {
  // With a perf map it writes a log as well.
  const options = ['--perf-basic-prof', '--no-logfile-per-isolate', '--logfile=/dev/null'];
  const node = startHere(process.execPath, [...options, sourcePath('turns.cjs'), '40']);
  const { profile } = await record('--pid', String(node.pid), '--hz', '397', '--seconds', '8');
  const [samples, complete] = [profile.comments.samples, profile.comments.complete].map(Number);
  expect(samples).toBeGreaterThan(500);
  // All but the first moments, when the tables are made.
  expect(complete! / samples!).toBeGreaterThan(0.9);

  /** Whether frames with these names follow each other, not always directly, up to the outermost. */
  const chain = (names: RegExp[]) => (sample: { frames: { name: string }[] }) => {
    let next = 0;
    for (const { name } of sample.frames) if (next < names.length && names[next]!.test(name)) next++;
    return next === names.length && sample.frames.at(-1)!.name === '_start';
  };
  const sort = chain([/compare .*turns\.cjs/, /^Builtins_ArrayTimSort$/, /^Builtins_ArrayPrototypeSort$/]);
  const seconds = secondsOf(profile, 'cpu', sort);
  expect(seconds).toBeGreaterThan(0.02 * secondsOf(profile, 'cpu'));
  const whole = [
    /^Builtins_ArrayPrototypeSort$/,
    /counted .*turns\.cjs/,
    /^Builtins_JSEntry$/,
    /^node::Start\(/,
  ];
  expect(secondsOf(profile, 'cpu', chain(whole))).toBeGreaterThan(0.9 * seconds);
});
