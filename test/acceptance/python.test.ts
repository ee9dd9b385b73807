// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { secondsOf, through } from '../helpers/pprof.js';
import { record } from '../helpers/record.js';
import { startHere } from '../helpers/stackwell.js';
import { sourcePath } from '../programs/build.js';

test('Python: the interpreter is named as far as frame pointers lead', { timeout: 60_000 }, async () => {
  const python = startHere('/usr/bin/python3', [sourcePath('loop.py'), '40']);
  const { profile } = await record(
    '--pid',
    String(python.pid),
    '--type',
    'cpu',
    '--hz',
    '397',
    '--seconds',
    '5',
  );
  const inPython = (module: string) => /\/python3[.\d]*$/.test(module);

  // Debian's interpreter has no frame pointers: the leaf is sure, what is above it is not.
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
