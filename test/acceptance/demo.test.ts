// SPDX-License-Identifier: Apache-2.0
import path from 'node:path';
import { expect, test } from 'vitest';
import { secondsOf, through } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { descendants, eventually, isRunning, root, sleep, start } from '../helpers/stackwell.js';

test('the demo runs three workloads that have names, and leaves nothing behind', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const demo = start(path.join(root, 'demo/run'), []);
  onTestFinished(async () => {
    await demo.stop();
  });
  await eventually('the workloads run', 60, () => /running as (\d+ ?){3}/.test(demo.stderr) || null);
  const parts = descendants(demo.pid);
  const pid = (command: RegExp) => parts.find(one => command.test(one.command))!.pid;
  const java = pid(/^java .*Warehouse/);
  // By then the methods that matter are compiled.
  await sleep(8000);

  for (const [one, name] of [
    [pid(/demo\/checkout/), /^checkout::handle_checkout/],
    [pid(/demo\/catalog/), /^main\.\(\*catalog\)\.handleSearch$/],
    [java, /Warehouse\.\w+$/],
  ] as const) {
    const { profile } = await recordCpu(one, 4);
    const all = secondsOf(profile, 'cpu');
    expect(all / profile.durationSeconds, String(name)).toBeGreaterThan(0.02);
    expect(secondsOf(profile, 'cpu', through(name)), String(name)).toBeGreaterThan(0.3 * all);
  }

  await demo.stop();
  for (const { pid, command } of parts) expect(isRunning(pid), command).toBe(false);
});
