// SPDX-License-Identifier: Apache-2.0
// `stackwell diff` and `stackwell deploys`: of files by itself, of selections and deploys before a server of this process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { random } from '../../bench/statistics/simulate.mjs';
import { stackwell } from '../helpers/stackwell.js';
import { pprof, type Running, server } from '../server/fixtures.js';

const PERIOD = 10_000_000n;
const NOW = Math.floor(Date.now() / 10_000) * 10_000;
const next = random(11);

/** `samples` at random, from costs. */
function profile(cost: Record<string, number>, samples: number, time = NOW): Promise<Uint8Array> {
  const names = Object.keys(cost);
  const whole = Object.values(cost).reduce((sum, one) => sum + one, 0);
  const counts = new Map<string, number>();
  for (let i = 0; i < samples; i++) {
    let at = next() * whole;
    let row = 0;
    while (row < names.length - 1 && at >= cost[names[row]!]!) at -= cost[names[row++]!]!;
    counts.set(names[row]!, (counts.get(names[row]!) ?? 0) + 1);
  }
  return pprof({
    samples: [...counts].map(([name, count]) => ({
      stack: [name, 'main'],
      values: [BigInt(count) * PERIOD],
    })),
    time,
  });
}

const COST = { parse: 30, render: 30, query: 40 };
const SLOWER = { ...COST, parse: 40 };

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-diff-'));
  const many = 20_000;
  writeFileSync(path('a.pb.gz'), await profile(COST, many));
  writeFileSync(path('again.pb.gz'), await profile(COST, many));
  writeFileSync(path('slower.pb.gz'), await profile(SLOWER, many));
  writeFileSync(path('few.pb.gz'), await profile(COST, 30));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('of files', () => {
  test('says what got dearer, by how much, and how sure that is', async () => {
    const { code, stdout } = await stackwell('diff', path('a.pb.gz'), path('slower.pb.gz'));
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[2]).toBe('DEARER');
    expect(lines[4]).toMatch(
      /^\+3\d\.\d % +\+\d\d\.\d % … \+\d\d\.\d % +\d\d\.\d\d% .* <0\.0001 +parse +parse\.c$/,
    );
    expect(stdout).toContain('It got dearer.');
    expect(stdout).not.toContain('CHEAPER');
  });

  test('has the other sign the other way round', async () => {
    const { stdout } = await stackwell('diff', '--json', path('slower.pb.gz'), path('a.pb.gz'));
    const { regressions, improvements, verdict } = JSON.parse(stdout);
    expect([verdict, regressions]).toEqual(['improvement', []]);
    expect(improvements[0]).toMatchObject({ function: 'parse', file: 'parse.c' });
    expect(improvements[0].change).toBeCloseTo(30 / 40 - 1, 1);
  });

  test('of a file with itself nothing differs', async () => {
    const { stdout } = await stackwell('diff', '--json', path('a.pb.gz'), path('a.pb.gz'));
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'no_change', regressions: [], improvements: [] });
  });

  test('is a gate: 0 when nothing happened, 3 for a regression, 4 for too little data', async () => {
    const gate = (before: string, after: string, condition: string) =>
      stackwell('diff', path(before), path(after), '--fail-on', condition);
    const condition = 'self > 5% and q < 0.01';
    const failed = await gate('a.pb.gz', 'slower.pb.gz', condition);
    expect([failed.code, failed.stderr]).toEqual([3, expect.stringMatching(/^failed: parse is .*\(\+3\d/)]);
    const passed = await gate('a.pb.gz', 'again.pb.gz', condition);
    expect([passed.code, passed.stderr]).toEqual([
      0,
      expect.stringMatching(/^passed: nothing is .* with (39|40|41) % of all, a change of \d/),
    ]);
    const strict = await stackwell(
      'diff',
      path('a.pb.gz'),
      path('again.pb.gz'),
      '--fail-on',
      condition,
      '--must-see',
      '2%',
    );
    expect(strict.code).toBe(4);
    expect((await gate('slower.pb.gz', 'a.pb.gz', condition)).code).toBe(0);
    const unsure = await gate('few.pb.gz', 'few.pb.gz', condition);
    expect([unsure.code, unsure.stderr]).toEqual([4, expect.stringContaining('too little data')]);
    expect((await gate('a.pb.gz', 'slower.pb.gz', 'self > 60% and q < 0.01')).code).toBe(0);
    expect((await gate('a.pb.gz', 'slower.pb.gz', 'work > 5% and q < 0.01')).code).toBe(3);
    expect((await gate('a.pb.gz', 'again.pb.gz', 'work > 5% and q < 0.01')).code).toBe(0);
    expect((await gate('few.pb.gz', 'few.pb.gz', 'work > 5%')).code).toBe(4);
    // Without what did not change there is no work to compare; what was used in all, is.
    const parts = ['--normalization', 'total'];
    const files = [path('a.pb.gz'), path('slower.pb.gz')];
    expect((await stackwell('diff', ...files, ...parts, '--fail-on', 'work > 1%')).code).toBe(4);
    expect((await stackwell('diff', ...files, ...parts, '--fail-on', 'whole > 5% and q < 0.01')).code).toBe(
      0,
    );
    expect((await gate('a.pb.gz', 'slower.pb.gz', 'total > 5% and share > 90% and q < 0.05')).code).toBe(3);
  });

  test('draws: dearer is red, what may be chance is grey', async () => {
    const svg = path('diff.svg');
    const { code } = await stackwell(
      'diff',
      path('a.pb.gz'),
      path('slower.pb.gz'),
      '--format',
      'svg',
      '-o',
      svg,
    );
    expect(code).toBe(0);
    const frames = readFileSync(svg, 'utf8').split('<g>').slice(1);
    const fill = (name: string) =>
      /fill="([^"]+)"/.exec(frames.find(one => one.startsWith(`<title>${name}\n`))!)![1];
    expect(fill('parse')).toMatch(/^hsl\(8,/);
    expect(fill('render')).toBe('hsl(0,0%,88%)');
    await stackwell('diff', path('slower.pb.gz'), path('a.pb.gz'), '--format', 'svg', '-o', svg);
    expect(/<title>parse\n[\s\S]*?fill="([^"]+)"/.exec(readFileSync(svg, 'utf8'))![1]).toMatch(/^hsl\(215,/);
  });

  test('refuses what it cannot compare', async () => {
    const usage = async (...args: string[]) => {
      const { code, stderr } = await stackwell('diff', ...args);
      expect(stderr).toMatch(/^SW_USAGE: /);
      return code;
    };
    const [a, b] = [path('a.pb.gz'), path('again.pb.gz')];
    expect(await usage(a, 'checkout@v1')).toBe(1);
    expect(await usage(a, b, '--fail-on', 'self is 5%')).toBe(1);
    expect(await usage(a, b, '--fail-on', 'self > 5% and total > 5%')).toBe(1);
    expect(await usage(a, b, '--fail-on', 'work > 5% and whole > 5%')).toBe(1);
    expect(await usage(a, b, '--normalization', 'magic')).toBe(1);
    expect(await usage(a, b, '--fail-on', 'q < 1%', '--must-see', 'all')).toBe(1);
    expect(await usage(a, b, '--sample-type', 'space')).toBe(1);
    expect(await usage('checkout', '{}')).toBe(1);
    writeFileSync(path('bad.pb.gz'), 'no profile');
    const { code, stderr } = await stackwell('diff', path('bad.pb.gz'), a);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^SW_PPROF_INVALID/)]);
  });
});

describe('of a server', () => {
  let running: Running;
  beforeAll(async () => {
    running = await server();
    for (const [deploy, cost, from] of [
      ['v1', COST, NOW - 1_200_000],
      ['v2', SLOWER, NOW - 600_000],
    ] as const)
      for (const host of ['h1', 'h2'])
        for (let window = 0; window < 60; window++)
          await running.ingest(await profile(cost, 190, from + window * 10_000), {
            name: `api{deploy=${deploy},host=${host}}`,
          });
  });
  afterAll(() => running.stop());
  const diff = (...args: string[]) => stackwell('diff', '--server', running.url, ...args);

  test('compares the newest deploy of a service with the one before, or those that are named', async () => {
    const newest = await diff('api', '--fail-on', 'self > 10% and q < 0.01');
    expect([newest.code, newest.stdout.split('\n')[0]]).toEqual([3, 'api@v1 → api@v2']);
    const named = await diff('api@v2', 'api@v1', '--fail-on', 'self > 10% and q < 0.01');
    expect([named.code, named.stdout.split('\n')[0]]).toEqual([0, 'api@v2 → api@v1']);
    const unknown = await diff('api@v2', 'api@v3');
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringMatching(/^SW_DEPLOY_UNKNOWN: /)]);
  });

  test('compares selections, of other labels or of other times', async () => {
    const from = ['--from', 'now-1h'];
    const labels = await diff('{deploy="v1"}', '{deploy="v2"}', ...from, '--json');
    expect(JSON.parse(labels.stdout).regressions[0].function).toBe('parse');
    const times = await diff(
      ...['{service_name="api"}', '{service_name="api"}', '--json'],
      ...['--base-from', String(NOW - 1_200_000), '--base-until', String(NOW - 600_000)],
      ...['--head-from', String(NOW - 600_000), '--head-until', String(NOW)],
    );
    const [a, b] = [JSON.parse(labels.stdout), JSON.parse(times.stdout)];
    expect([b.before.sum, b.after.sum]).toEqual([a.before.sum, a.after.sum]);
    const same = ['--from', String(NOW - 600_000), '--until', String(NOW)];
    const hosts = await diff('{host="h1"}', '{host="h2"}', ...same, '--fail-on', 'self > 20% and q < 0.01');
    expect(hosts.code).toBe(0);
  });

  test('lists deploys', async () => {
    const { stdout } = await stackwell('deploys', 'api', '--server', running.url);
    expect(stdout.split('\n').map(line => line.split(/ +/).slice(0, 2))).toEqual([
      ['SERVICE', 'DEPLOY'],
      ['api', 'v2'],
      ['api', 'v1'],
      [''],
    ]);
    const { stdout: json } = await stackwell('deploys', '--server', running.url, '--json');
    expect(JSON.parse(json).deploys[0]).toMatchObject({
      service: 'api',
      deploy: 'v2',
      hosts: 2,
      instances: 2,
    });
  });
});
