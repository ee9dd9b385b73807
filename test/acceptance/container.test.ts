// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { startContainer } from '../helpers/container.js';
import { secondsOf, through } from '../helpers/pprof.js';
import { record } from '../helpers/record.js';
import { CPU, startUp } from '../helpers/service.js';
import { eventually, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

test('a container is selected by its id, the same program outside is not', { timeout: 90_000 }, async ({
  onTestFinished,
}) => {
  const container = startContainer(program('boxed'), '60');
  onTestFinished(() => container.remove());
  const outside = startHere(program('boxed'), ['60']);

  // By its whole id and by the short one that tools print.
  for (const id of [container.id, container.id.slice(0, 12)]) {
    const { profile } = await record('--container', id, '--type', 'cpu', '--hz', '199', '--seconds', '4');
    const unpacked = secondsOf(profile, 'cpu', through(/^unpack_box$/));
    expect(unpacked).toBeGreaterThan(0.9 * secondsOf(profile, 'cpu'));
    // Two busy programs on two CPUs that others use too: a fair share of one is half.
    expect(unpacked).toBeGreaterThan(profile.durationSeconds * 0.2);
    const pids = new Set(profile.samples.map(sample => sample.labels.pid));
    expect(pids.size).toBeGreaterThan(0);
    expect(pids).not.toContain(String(outside.pid));
  }
});

test('a container is seen under its own label in the service', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const service = await startUp(temporaryFolder());
  onTestFinished(async () => {
    await service.process.stop();
  });
  // Both start after the agent, as containers do.
  const container = startContainer(program('boxed'), '90');
  onTestFinished(() => container.remove());
  const outside = startHere(program('boxed'), ['90']);

  await eventually('the container has a label', 40, async () =>
    (await service.labelValues('container_id')).includes(container.id) ? true : null,
  );
  const inContainer = `{container_id="${container.id}"}`;
  const ofOutside = `{pid="${outside.pid}"}`;
  await eventually('both have samples', 40, async () => {
    const sums = await Promise.all(
      [inContainer, ofOutside].map(async query => (await service.top({ type: CPU, query })).sum),
    );
    return sums.every(sum => sum > 1e9) || null;
  });

  const top = await service.top({ type: CPU, query: inContainer });
  const row = top.functions.name.indexOf('unpack_box');
  expect(top.total[row]! / top.sum).toBeGreaterThan(0.9);
  expect(await service.labelValues('pid', { query: inContainer })).not.toContain(String(outside.pid));
  // What runs outside has no container, so no label.
  const both = `{pid="${outside.pid}", container_id="${container.id}"}`;
  expect((await service.top({ type: CPU, query: both })).sum).toBe(0);
});
