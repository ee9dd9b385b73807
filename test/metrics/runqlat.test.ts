// SPDX-License-Identifier: Apache-2.0
// Waits for a CPU, against what the kernel itself keeps of each thread (/proc/PID/schedstat).
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { runqlat } from '../../src/agent/metrics/runqlat.js';
import { startContainer } from '../helpers/container.js';
import { eventually, sleep } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';
import { collect, HOST } from './collected.js';

/** Seconds that the threads of a process waited for a CPU, since they began. */
function waited(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map(tid => Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[1]) / 1e9)
    .reduce((sum, one) => sum + one, 0);
}

test('waits of a container, as long as the kernel says', { timeout: 60_000 }, async () => {
  const container = startContainer(program('crowded'), '30', '4');
  onTestFinished(() => container.remove());
  const pid = await eventually('the threads run', 10, () => {
    const found = execFileSync('pgrep', ['-P', String(container.pid)], { encoding: 'utf8' }).trim();
    return readdirSync(`/proc/${found}/task`).length === 5 ? Number(found) : null;
  });
  // On one CPU: what waits is not moved to another queue, and all of it is one wait.
  execFileSync('taskset', ['-acp', '0', String(pid)]);
  const { scrape, warnings } = await collect([runqlat]);
  expect(warnings).toEqual([]);

  const labels = { ...HOST, container: container.id.slice(0, 12) };
  const name = 'stackwell_runqlat_container_latency_seconds';
  const look = async () => ({ earlier: waited(pid), scrape: await scrape(), later: waited(pid) });
  const before = await look();
  await sleep(3000);
  const after = await look();
  const grown = (series: string, more: Record<string, string> = {}) =>
    after.scrape.value(series, { ...labels, ...more }) -
    (before.scrape.value(series, { ...labels, ...more }) || 0);

  const [least, most] = [after.earlier - before.later, after.later - before.earlier];
  expect(least).toBeGreaterThan(5);
  expect(grown(`${name}_sum`)).toBeGreaterThan(0.93 * least);
  expect(grown(`${name}_sum`)).toBeLessThan(1.07 * most);
  // Four threads of which each wants 4 of 5 ms: a wait takes as long as the others' turns.
  expect(grown(`${name}_bucket`, { le: '+Inf' })).toBe(grown(`${name}_count`));
  expect(grown(`${name}_bucket`, { le: '0.05' })).toBeGreaterThan(0.9 * grown(`${name}_count`));
  expect(grown(`${name}_bucket`, { le: '0.001' })).toBeLessThan(0.5 * grown(`${name}_count`));
  const host = 'stackwell_runqlat_latency_seconds_sum';
  const ofHost = after.scrape.value(host) - before.scrape.value(host);
  expect(ofHost).toBeGreaterThan(grown(`${name}_sum`));
});
