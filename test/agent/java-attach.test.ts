// SPDX-License-Identifier: Apache-2.0
// Java virtual machines whose structures cannot be read, as the agent finds them on a host.
import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/agent.js';
import { configSchema } from '../../src/config/config.js';
import { startWithFolders } from '../helpers/container.js';
import { eventually, isRunning, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { unreadableJava } from '../helpers/unreadable-java.js';
import { program } from '../programs/build.js';
import { startSink } from './sink.js';

const silent = { info() {}, warn() {}, error() {} };
const HOLD = 240;

function startHostAgent(server: string, attach: boolean) {
  const { agent } = configSchema.parse({
    agent: {
      server,
      data: temporaryFolder(),
      metricsListen: '127.0.0.1:0',
      hz: 97,
      window: '2s',
      java: { attach },
    },
  });
  return startAgent(agent, { log: silent });
}

async function results(metricsUrl: string): Promise<Record<string, number>> {
  const text = await (await fetch(metricsUrl)).text();
  const lines = text.matchAll(/^stackwell_agent_java_perf_maps_total\{result="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, result, count]) => [result!, Number(count)]));
}

/** What attaching needs, or leaves. */
const names = (pid: number) => [`.attach_pid${pid}`, `.java_pid${pid}`, `perf-${pid}.map`];

/** Which of them are in the /tmp of a process. */
function traces(pid: number, own = pid): string[] {
  return readdirSync(`/proc/${pid}/root/tmp`).filter(name => names(own).includes(name));
}

test('names come by Compiler.perfmap, also from a container; nothing else is touched', {
  timeout: 300_000,
}, async ({ onTestFinished }) => {
  const java17 = unreadableJava('distribution', HOLD);
  const java11 = unreadableJava('11.0.13.1', HOLD);
  const started: number[] = [];
  // Registered first, so done last: what machines leave that are killed.
  onTestFinished(() => {
    for (const pid of started)
      for (const name of names(pid)) rmSync(path.join('/tmp', name), { force: true });
  });
  const run = ([file, ...args]: string[]) => {
    const running = startHere(file!, args, { cwd: temporaryFolder() });
    started.push(running.pid);
    return running;
  };
  const [java, ...options] = java17.command;
  const here = run([java!, '-XX:+PreserveFramePointer', ...options]);
  const old = run(java11.command);
  const closed = run([java!, '-XX:+DisableAttachMechanism', ...options]);
  // Leaves SIGQUIT alone, and listens from the start.
  const open = run([java!, '-Xrs', ...options]);
  const folders = ['/usr', '/lib', '/lib64', '/etc', java17.folder];
  const boxed = (['unprivileged', 'mapped'] as const).map(user => {
    const container = startWithFolders(user, folders, ...java17.command);
    onTestFinished(() => container.remove());
    return container.pid;
  });
  const library = path.join(temporaryFolder(), 'libjvm.so');
  copyFileSync(program('mimic'), library);
  const mimics = ['threads', 'handler'].map(kind => run([program('mimic'), library, String(HOLD), kind]));

  const sink = await startSink();
  onTestFinished(sink.close);
  const off = await startHostAgent(sink.url, false);
  try {
    // Long enough to know that they will not tell.
    await sleep(20_000);
    const all = [here, old, closed, open, ...mimics].map(one => one.pid).concat(boxed);
    await eventually('all are sampled', 60, () => {
      const sampled = sink.received.flatMap(one =>
        one.profile.samples.map(sample => Number(sample.labels.pid)),
      );
      return all.every(pid => sampled.includes(pid)) || null;
    });
    for (const pid of all) {
      expect(traces(pid)).toEqual(pid === open.pid ? [`.java_pid${pid}`] : []);
    }
    for (const pid of boxed) expect(traces(pid, 1)).toEqual([]);
    expect(Object.values(await results(off.metricsUrl)).every(count => count === 0)).toBe(true);
  } finally {
    await off.close();
  }

  sink.received.length = 0;
  const agent = await startHostAgent(sink.url, true);
  onTestFinished(() => agent.close());
  const counts = await eventually('all were asked', 60, async () => {
    const now = await results(agent.metricsUrl);
    if (now.ok! >= 4 && now.unsupported! >= 1 && now.disabled! >= 3) return now;
    throw new Error(JSON.stringify(now));
  });
  expect(counts).toMatchObject({
    unsupported: 1,
    disabled: 3,
    forbidden: 0,
    refused: 0,
    timeout: 0,
    gone: 0,
  });
  for (const pid of [here.pid, open.pid, ...boxed]) {
    const named = await eventually(`names of ${pid}`, 30, () => {
      const of = sink.received.filter(({ profile }) =>
        profile.samples.some(
          sample =>
            sample.labels.pid === String(pid) &&
            sample.frames.some(frame => frame.name === 'long Busy.burn(int)' && frame.module === '[jit]') &&
            // With frame pointers the whole stack is there.
            (pid !== here.pid || sample.frames.some(frame => frame.name === 'JavaMain')),
        ),
      );
      return of[0] ?? null;
    });
    expect(Number(named.profile.comments.perfmap)).toBeGreaterThan(0);
    expect(Number(named.profile.comments.perfmap)).toBeLessThanOrEqual(Number(named.profile.comments.named));
  }
  expect(traces(here.pid).sort()).toEqual([`.java_pid${here.pid}`, `perf-${here.pid}.map`]);
  for (const pid of boxed) expect(traces(pid, 1).sort()).toEqual(['.java_pid1', 'perf-1.map']);
  for (const one of [closed, ...mimics]) expect(traces(one.pid)).toEqual([]);
  expect(traces(old.pid)).toEqual([`.java_pid${old.pid}`]);
  // A thread dump, which a SIGQUIT at the wrong time gives, would be here.
  for (const one of [here, old, closed, open, ...mimics]) {
    expect(isRunning(one.pid)).toBe(true);
    expect(one.stdout + one.stderr).toBe('');
  }
  for (const pid of boxed) {
    expect(isRunning(pid)).toBe(true);
    expect(existsSync(`/tmp/perf-${pid}.map`)).toBe(false);
  }
});
