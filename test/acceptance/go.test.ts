// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { type Sample, secondsOf, through } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { startHere } from '../helpers/stackwell.js';
import { lineOf, program } from '../programs/build.js';

test('Go: shares, lines, and names down to main.main', { timeout: 90_000 }, async () => {
  const ledger = startHere(program('ledger'), ['40']);
  const { profile } = await recordCpu(ledger.pid!, 8);
  const inMain = secondsOf(profile, 'cpu', through(/^main\.main$/));
  expect(inMain).toBeGreaterThan(1);
  for (const [name, share] of [
    ['reconcile', 0.7],
    ['audit', 0.3],
  ] as const) {
    const here = through(new RegExp(`^main\\.${name}$`));
    const part = secondsOf(profile, 'cpu', here) / inMain;
    expect(part, name).toBeGreaterThan(share - 0.05);
    expect(part, name).toBeLessThan(share + 0.05);

    const burn = lineOf('go/main.go', `// burn: ${name}`);
    const whole = (sample: Sample) => {
      const at = sample.frames.findIndex(frame => frame.name === `main.${name}`);
      const names = sample.frames.slice(at, at + 4).map(frame => frame.name);
      const { file, line } = sample.frames[at]!;
      // The runtime calls main.main from runtime.main; below that a goroutine starts in runtime.goexit.
      return (
        names[1] === 'main.settle' &&
        names[2] === 'main.main' &&
        names[3] === 'runtime.main' &&
        file.endsWith('test/programs/go/main.go') &&
        (line === burn || line === burn - 1)
      );
    };
    const wholeSeconds = secondsOf(profile, 'cpu', sample => here(sample) && whole(sample));
    expect(wholeSeconds, name).toBeGreaterThan(0.97 * part * inMain);
  }
});
