// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { goRaw, goTop } from '../helpers/go-pprof.js';
import { CPU, OFFCPU, type Service, startUp, type Top } from '../helpers/service.js';
import { eventually, sleep, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program } from '../programs/build.js';

/** Sums by name: two functions of one name in different modules are one row to pprof. */
function named(top: Top): Map<string, { self: number; total: number; rows: number }> {
  const byName = new Map<string, { self: number; total: number; rows: number }>();
  top.functions.name.forEach((name, i) => {
    if (top.functions.reason[i] !== '') return;
    const seen = byName.get(name) ?? { self: 0, total: 0, rows: 0 };
    byName.set(name, {
      self: seen.self + top.self[i]!,
      total: seen.total + top.total[i]!,
      rows: seen.rows + 1,
    });
  });
  return byName;
}

async function expectAgreement(
  service: Service,
  parameters: Record<string, string>,
  file: string,
): Promise<void> {
  const top = await service.top({ ...parameters, limit: '100000' });
  writeFileSync(file, await service.pprof(parameters));
  expect(top.sum).toBeGreaterThan(1e9);
  expect(top.self.reduce((sum, value) => sum + value, 0)).toBe(top.sum);

  const go = goTop(file);
  const raw = goRaw(file);
  expect(go.total).toBe(top.sum);
  expect(raw.total).toBe(top.sum);
  expect(raw.samples).toBeGreaterThan(0);

  const functions = named(top);
  expect(functions.size).toBeGreaterThan(10);
  for (const [name, { self, total, rows }] of functions) {
    expect(go.rows.get(name)?.flat, `flat of ${name}`).toBe(self);
    expect(raw.flat.get(name) ?? 0, `flat of ${name} in -raw`).toBe(self);
    // Rows of one name that call each other count once in pprof and once each here.
    if (rows === 1) expect(go.rows.get(name)?.cum, `cum of ${name}`).toBe(total);
  }
  // And nothing is in the file that is not in the answer.
  for (const name of raw.flat.keys()) if (name !== '') expect(functions.has(name), name).toBe(true);
}

test('go tool pprof reads from the file what the API says', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const folder = temporaryFolder();
  const service = await startUp(path.join(folder, 'data'));
  onTestFinished(async () => {
    await service.process.stop();
  });
  for (const name of ['shares', 'ledger', 'sleeper', 'waiters'] as const) startHere(program(name), ['80']);

  const query = '{service_name=~"shares|ledger|sleeper|waiters"}';
  const recent = (type: string) => service.top({ type, query, from: 'now-5m', until: 'now' });
  await eventually('samples of both types', 50, async () => {
    const [cpu, off] = [await recent(CPU), await recent(OFFCPU)];
    return (cpu.sum > 4e9 && off.sum > 4e9 && cpu.functions.name.includes('main.main')) || null;
  });

  // A range that is over, so that both questions see the same profiles: its last window, of ten seconds, has come.
  const range = { from: String(Date.now() - 300_000), until: String(Date.now()) };
  await sleep(13_000);
  for (const type of [CPU, OFFCPU])
    for (const part of [query, '{}'])
      await expectAgreement(service, { type, query: part, ...range }, path.join(folder, 'out.pb.gz'));
});
