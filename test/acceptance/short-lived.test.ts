// SPDX-License-Identifier: Apache-2.0
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Sample, secondsOf, through } from '../helpers/pprof.js';
import { finishRecord, startRecord } from '../helpers/record.js';
import { startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

const COUNT = 200;

for (const scope of ['host', 'parent'] as const)
  test(`${COUNT} processes of 20 ms, by ${scope}: named though they are gone`, {
    timeout: 120_000,
  }, async () => {
    const blinks = startHere(program('blinks'), [String(COUNT), program('blink'), '20']);
    const output = path.join(temporaryFolder(), 'out.pb.gz');
    const selected = scope === 'host' ? ['--host'] : ['--pid', String(blinks.pid)];
    // Names are asked for at the end of the recording, long after the processes are gone.
    const recording = await startRecord(
      output,
      ...selected,
      '--type',
      'cpu',
      '--hz',
      '397',
      '--seconds',
      '15',
    );
    blinks.child.stdin!.end('go\n');
    expect((await blinks.finished).code).toBe(0);
    const { profile } = await finishRecord(recording, output);

    const blink = (sample: Sample) => sample.labels.process_name === 'blink';
    const all = secondsOf(profile, 'cpu', blink);
    // Each burns 20 ms of CPU of its own; starting and ending come on top.
    expect(all).toBeGreaterThan(COUNT * 0.02 * 0.9);
    expect(new Set(profile.samples.filter(blink).map(sample => sample.labels.pid)).size).toBeGreaterThan(
      COUNT * 0.95,
    );

    const named = secondsOf(profile, 'cpu', sample => blink(sample) && sample.frames[0]!.name !== '');
    expect(named / all).toBeGreaterThan(0.95);
    // The part that is in user space and not in the loader is in the one function there is.
    const own = (sample: Sample) =>
      blink(sample) && sample.frames.some(frame => frame.module.endsWith('/blink'));
    expect(
      secondsOf(profile, 'cpu', sample => own(sample) && through(/^blink_burn$/)(sample)),
    ).toBeGreaterThan(0.95 * secondsOf(profile, 'cpu', own));
    expect(secondsOf(profile, 'cpu', own)).toBeGreaterThan(COUNT * 0.02 * 0.9);
  });
