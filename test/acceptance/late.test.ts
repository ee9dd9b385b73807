// SPDX-License-Identifier: Apache-2.0
// A program without symbols is profiled; its debug file comes afterwards.
import { execFileSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { goTop } from '../helpers/go-pprof.js';
import { decodePprof, type Sample, secondsOf, through } from '../helpers/pprof.js';
import { CPU, type Service, startUp } from '../helpers/service.js';
import { errorCode, eventually, stackwell, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { lineOf, program } from '../programs/build.js';

/** The place in the file is all that is known. */
const isUnnamed = (name: string) => /^nameless\+0x[0-9a-f]+$/.test(name);
const method = (name: string) => new RegExp(`^shop::Cart::${name}\\b`);

interface Flame {
  total: number[];
  function: number[];
  functions: { name: string[]; module: string[]; reason: string[] };
  stats: { unresolved: Record<string, number>; named: number; late: Record<string, number> };
}

test('a stripped program has its names as soon as its debug file is uploaded', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const folder = temporaryFolder();
  const [stripped, debug] = [path.join(folder, 'nameless'), path.join(folder, 'kept.debug')];
  execFileSync('objcopy', ['--only-keep-debug', program('shares'), debug]);
  execFileSync('objcopy', ['--strip-all', program('shares'), stripped]);
  let service: Service = await startUp(path.join(folder, 'data'), '--hz', '99');
  onTestFinished(async () => {
    await service.process.stop();
  });
  startHere(stripped, ['100']);
  const query = '{service_name="nameless"}';
  const asked = await eventually('a few seconds of it', 90, async () => {
    // Windows take 10 s: what began before this is there, and the numbers stay as they are.
    const until = Date.now() - 15_000;
    const range = { type: CPU, query, from: String(until - 300_000), until: String(until) };
    return (await service.top(range)).sum > 5e9 ? range : null;
  });
  const flame = () => service.json<Flame>('/api/v1/flamegraph', asked);

  const before = await flame();
  const unnamed = before.functions.name.findIndex(isUnnamed);
  expect(before.functions.reason[unnamed]).toBe('no_symbols');
  expect(before.functions.name.some(name => name.startsWith('shop::'))).toBe(false);
  const missing = before.stats.unresolved.no_symbols!;
  expect(missing).toBeGreaterThan(500);

  const debuginfo = (...args: string[]) => stackwell('debuginfo', ...args, '--server', service.url);
  const other = program('sleeper');
  const wrong = await debuginfo('upload', path.join(folder, 'missing'), '/etc/passwd');
  expect(wrong.code).toBe(1);
  expect(errorCode(wrong)).toBe('SW_DEBUGINFO_INVALID');
  for (const said of ['stored', 'already there']) {
    const sent = await debuginfo('upload', debug, other, '--json');
    expect(sent.stderr).toContain(`kept.debug: ${said} (debug, dwarf,`);
    expect(sent.code).toBe(0);
    expect(JSON.parse(sent.stdout)).toHaveLength(2);
  }
  const listed = JSON.parse((await debuginfo('list', '--json')).stdout);
  expect(listed.files).toHaveLength(2);
  expect(listed.bytes).toBe(statSync(debug).size + statSync(other).size);
  expect((await debuginfo('list')).stdout).toMatch(/^[0-9a-f]{40} +debug +dwarf .* upload /m);

  const named = async (): Promise<void> => {
    const after = await flame();
    expect(after.functions.name.filter(isUnnamed)).toEqual([]);
    const late = after.stats.late.no_symbols!;
    expect(late).toBe(missing - (after.stats.unresolved.no_symbols ?? 0));
    expect(late).toBeGreaterThan(500);
    expect(after.stats.named).toBe(before.stats.named + late);
    expect(after.total[0]).toBe(before.total[0]);

    const pprof = await service.pprof(asked);
    const profile = decodePprof(pprof);
    const total = secondsOf(profile, 'cpu', through(/^main$/));
    for (const [name, share] of Object.entries({ price_items: 0.6, apply_discounts: 0.3, add_tax: 0.1 })) {
      const part = secondsOf(profile, 'cpu', through(method(name))) / total;
      expect(Math.abs(part - share), name).toBeLessThan(0.08);
      // The line of the call, and not the one after it: callers are looked up in front of where they return to.
      const call = lineOf('shares.cc', `// call: ${name}`);
      const leafHere = (sample: Sample) => method(name).test(sample.frames[0]!.name);
      const called = (sample: Sample) => {
        const caller = sample.frames[1]!;
        return leafHere(sample) && method('checkout').test(caller.name) && caller.line === call;
      };
      expect(secondsOf(profile, 'cpu', called), name).toBeGreaterThan(
        0.9 * secondsOf(profile, 'cpu', leafHere),
      );
    }
    const file = path.join(folder, 'out.pb.gz');
    writeFileSync(file, pprof);
    const go = goTop(file);
    const checkout = [...go.rows].find(([name]) => method('checkout').test(name))!;
    expect(checkout[1].cum / go.total).toBeGreaterThan(0.9);
  };
  await named();

  // What was stored is as it was: names are found anew after a restart, and go with the file.
  await service.process.stop();
  service = await startUp(path.join(folder, 'data'));
  await named();
  const { buildId } = listed.files.find((file: { size: number }) => file.size === statSync(debug).size);
  expect((await debuginfo('delete', buildId)).code).toBe(0);
  expect((await flame()).functions.name.filter(isUnnamed).length).toBeGreaterThan(1);
  expect(errorCode(await debuginfo('delete', buildId))).toBe('SW_DEBUGINFO_UNKNOWN');
});
