// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { CPU, OFFCPU, startUp } from '../helpers/service.js';
import { eventually, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { type ProgramName, program } from '../programs/build.js';

test('from start to a named flame graph of the host in 15 s', { timeout: 90_000 }, async ({
  onTestFinished,
}) => {
  // They share one CPU: what is timed is the service, not its fight with two busy programs.
  const pinned = (name: ProgramName) => startHere('taskset', ['-c', '1', program(name), '60']);
  const shares = pinned('shares');
  const ledger = pinned('ledger');
  const sleeper = startHere(program('sleeper'), ['60']);
  const since = performance.now();
  const service = await startUp(temporaryFolder());
  onTestFinished(async () => {
    await service.process.stop();
  });

  const folded = async (type: string, query = '{}') => {
    const parameters = { type, query, from: 'now-5m', until: 'now', format: 'folded' };
    return (await service.get('/api/v1/flamegraph', parameters)).text();
  };
  await eventually('a picture with kernel, C++ and Go names', 30, async () => {
    const [cpu, off] = [await folded(CPU), await folded(OFFCPU)];
    const wanted = [
      /shop::Cart::price_items/,
      /main\.main;main\.settle;main\.reconcile/,
      /(entry_SYSCALL_64|do_syscall_64)/,
    ];
    return (wanted.every(name => name.test(`${cpu}\n${off}`)) && /wait_for_database/.test(off)) || null;
  });
  expect(performance.now() - since).toBeLessThan(15_000);

  // And it can be narrowed to one process.
  expect(await folded(CPU, `{pid="${ledger.pid}"}`)).not.toMatch(/shop::Cart/);
  expect(await folded(CPU, `{pid="${shares.pid}"}`)).toMatch(/shop::Cart::price_items/);
  expect(await folded(OFFCPU, `{pid="${sleeper.pid}"}`)).toMatch(/wait_for_database/);
});
