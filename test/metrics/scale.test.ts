// SPDX-License-Identifier: Apache-2.0
// All collectors at once, over many containers: what a scrape costs, and whether Prometheus likes its text.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, onTestFinished, test } from 'vitest';
import { detectLayout, parseMounts } from '../../src/agent/containers/layout.js';
import { COLLECTORS } from '../../src/agent/metrics/collectors.js';
import { collect } from './collected.js';

const MANY = 500;

/** Makes cgroups as Docker calls them, in every hierarchy, in each of which a process has run. */
function manyContainers(): void {
  const { hierarchy } = detectLayout();
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const used = hierarchy === 'v2' ? ['v2'] : ['memory', 'cpu', 'cpuacct'];
  const folders = [...new Set(used.map(name => mounts.get(name)).filter(Boolean))];
  const ids = Array.from({ length: MANY }, () => randomBytes(32).toString('hex'));
  const parent = `stackwell-${process.pid}/docker`;
  for (const folder of folders)
    for (const id of ids) mkdirSync(`${folder}/${parent}/${id}`, { recursive: true });
  onTestFinished(() => {
    for (const folder of folders) {
      for (const id of ids) rmdirSync(`${folder}/${parent}/${id}`);
      rmdirSync(`${folder}/${parent}`);
      rmdirSync(`${folder}/${parent.split('/')[0]}`);
    }
  });
  const enter = folders.map(folder => `echo $$ > ${folder}/${parent}/$id/cgroup.procs`).join('; ');
  execFileSync('sh', ['-s'], {
    input: `for id in ${ids.join(' ')}; do sh -c '${enter.replaceAll('$id', "'$id'")}; /bin/true; :'; done`,
  });
}

test(`${MANY} containers: a scrape in 200 ms and 2 MB, in turns`, { timeout: 120_000 }, async () => {
  const running = await collect(COLLECTORS, {}, { maxContainers: 1000 });
  expect(running.warnings).toEqual([]);
  manyContainers();
  await running.containers.refresh();
  await running.scrape();
  const times: number[] = [];
  const delays = monitorEventLoopDelay({ resolution: 1 });
  let text = '';
  for (let i = 0; i < 5; i++) {
    delays.enable();
    const began = performance.now();
    text = (await running.scrape()).text;
    times.push(performance.now() - began);
    delays.disable();
  }
  const containers = new Set(
    [...text.matchAll(/^stackwell_\w+\{.*container="([0-9a-f]{12})"/gm)].map(([, id]) => id),
  );
  expect(containers.size).toBeGreaterThanOrEqual(MANY);
  const waited = new Set(
    [...text.matchAll(/^stackwell_runqlat_container_\w+\{.*container="([0-9a-f]{12})"/gm)].map(
      ([, id]) => id,
    ),
  );
  expect(waited.size).toBeGreaterThanOrEqual(MANY);
  // The machine has others to serve, too.
  const fastest = Math.min(...times);
  console.log(
    `scrape of ${containers.size} containers: ${fastest.toFixed(0)} ms, ${(text.length / 1e6).toFixed(2)} MB, longest turn ${(delays.max / 1e6).toFixed(0)} ms`,
  );
  expect(fastest).toBeLessThan(200);
  expect(text.length).toBeLessThan(2_000_000);
});

describe('the text of a scrape', () => {
  test('is what Prometheus wants', async () => {
    const { text } = await (await collect(COLLECTORS)).scrape();
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect([checked.status, checked.stdout + checked.stderr]).toEqual([0, '']);
  });

  test('has every metric that a collector promises', async () => {
    const { text } = await (await collect(COLLECTORS)).scrape();
    for (const { name, families } of COLLECTORS)
      for (const family of families) {
        expect(text).toContain(`# HELP stackwell_${name}_${family.name} ${family.help}\n`);
        expect(text).toContain(`# TYPE stackwell_${name}_${family.name} ${family.type}\n`);
      }
  });
});
