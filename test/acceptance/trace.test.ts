// SPDX-License-Identifier: Apache-2.0
// Samples of one trace: from the process that publishes it to the picture.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { secondsOf } from '../helpers/pprof.js';
import { publisher } from '../helpers/publishers.js';
import { recordCpu } from '../helpers/record.js';
import { CPU, startUp } from '../helpers/service.js';
import { eventually, root, start, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { sourcePath } from '../programs/build.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const DDTRACE = '4.16.0';

/** A Python with a tracer that publishes its threads' context; made once. */
function pythonWithTracer(): string {
  const folder = path.join(root, `build/test/ddtrace-${DDTRACE}`);
  const python = path.join(folder, 'bin/python');
  if (!existsSync(path.join(folder, 'whole'))) {
    execFileSync('python3', ['-m', 'venv', '--clear', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', `ddtrace==${DDTRACE}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    execFileSync('touch', [path.join(folder, 'whole')]);
  }
  return python;
}

test('ddtrace: half of the samples are in its spans, each in the one that was there', {
  timeout: 300_000,
}, async () => {
  const python = start(pythonWithTracer(), [sourcePath('spans.py')], {
    // It sends nothing anywhere.
    env: {
      ...process.env,
      DD_TRACE_AGENT_URL: 'http://127.0.0.1:1',
      DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
      DD_REMOTE_CONFIGURATION_ENABLED: 'false',
    },
  });
  onTestFinished(async () => {
    await python.stop('SIGKILL');
  });
  await eventually('a first span', 30, () => python.stdout.includes('\n') || null);
  const { profile } = await recordCpu(python.pid, 5);
  const all = secondsOf(profile, 'cpu');
  expect(all).toBeGreaterThan(0.3);
  const traced = secondsOf(profile, 'cpu', ({ labels }) => labels.trace_id !== undefined);
  expect(traced / all).toBeGreaterThan(0.4);
  expect(traced / all).toBeLessThan(0.6);
  const printed = new Set(python.stdout.trim().split('\n'));
  const spans = new Set<string>();
  for (const { labels } of profile.samples)
    if (labels.trace_id !== undefined) spans.add(`${labels.trace_id} ${labels.span_id}`);
  for (const span of spans) expect(printed).toContain(span);
  // A quarter of a second of CPU time each.
  expect(spans.size).toBeGreaterThan(all / 0.5 - 2);
  expect(spans.size).toBeLessThan(all / 0.5 + 3);
  // Their names are still there.
  const named = secondsOf(profile, 'cpu', ({ frames }) => frames.some(({ name }) => /^_?Py[A-Z]/.test(name)));
  expect(named).toBeGreaterThan(0.9 * all);
});

test('a service, and what one of its traces did of it', { timeout: 180_000 }, async () => {
  const { program } = publisher('module', path.join(root, 'build/test/publishers'));
  startHere('nice', ['-n', '5', program, 'half']);
  const service = await startUp(temporaryFolder(), '--hz', '99');
  onTestFinished(async () => {
    await service.process.stop();
  });
  const ask = (query: string) => service.top({ type: CPU, query, from: 'now-10m', until: 'now' });
  const names = (top: Awaited<ReturnType<typeof ask>>) => top.functions.name;
  await eventually('enough of the trace', 60, async () =>
    (await ask(`{trace_id="${TRACE}"}`)).sum > 1e9 ? true : null,
  );
  const [inside, whole] = [await ask(`{trace_id="${TRACE}"}`), await ask('{service_name="module"}')];
  expect(names(inside)).toContain('traced');
  expect(names(inside)).not.toContain('untraced');
  expect(names(whole)).toEqual(expect.arrayContaining(['traced', 'untraced']));
  // The first window began before the place was known.
  expect(inside.sum / whole.sum).toBeGreaterThan(0.25);
  expect(inside.sum / whole.sum).toBeLessThan(0.6);
  const one = await ask('{service_name="module", span_id="b7ad6b7169203331"}');
  const other = await ask('{span_id=~"b7ad6b716920333[2-9]"}');
  expect(one.sum).toBeGreaterThan(0);
  expect(one.sum + other.sum).toBe((await ask(`{trace_id="${TRACE}"}`)).sum);
  expect(await service.labelValues('trace_id', { from: 'now-10m', until: 'now' })).toEqual([TRACE]);
});
