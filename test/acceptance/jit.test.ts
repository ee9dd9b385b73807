// SPDX-License-Identifier: Apache-2.0
// Code that is made at run time, by programs that say what it is.
import { expect, test } from 'vitest';
import { secondsOf, through } from '../helpers/pprof.js';
import { record } from '../helpers/record.js';
import { startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

test('jitdump: names, lines and shares of functions made at run time', { timeout: 60_000 }, async () => {
  const jitted = startHere(program('jitted'), [temporaryFolder(), '30']);
  const { profile } = await record('--pid', String(jitted.pid), '--hz', '397', '--seconds', '5');
  const whole = secondsOf(profile, 'cpu', through(/^main$/));
  expect(whole).toBeGreaterThan(2);
  for (const [name, share, line] of [
    ['script heavy<int>', 0.75, 11],
    ['script light', 0.25, 21],
  ] as const) {
    const seconds = secondsOf(profile, 'cpu', ({ frames }) => {
      const [leaf, caller] = frames;
      return (
        leaf!.name === name &&
        leaf!.file === '/srv/app/turns.script' &&
        leaf!.line === line &&
        caller!.name === 'run'
      );
    });
    expect(seconds / whole, name).toBeGreaterThan(share - 0.05);
    expect(seconds / whole, name).toBeLessThan(share + 0.05);
  }
});
