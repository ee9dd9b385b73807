// SPDX-License-Identifier: Apache-2.0
// Two services, in C++ and in Java, each released three times: as it was, with one function a fifth slower, and that once
// more. Nobody says that anything was released.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CPU, type Service, startUp } from '../helpers/service.js';
import { eventually, stackwell, start } from '../helpers/stackwell.js';
import { sourcePath } from '../programs/build.js';

/** Of CPU time, each. */
const SECONDS = 30;
const RELEASES = [
  { name: 'first', price: 40 },
  { name: 'slower', price: 48 },
  { name: 'slower-again', price: 48 },
] as const;

let folder: string;
let service: Service;

const orders = (release: string) => path.join(folder, release, 'orders');
const billing = (release: string) => path.join(folder, release, 'billing.jar');

function build({ name, price }: (typeof RELEASES)[number], number: number): void {
  const here = path.join(folder, name);
  mkdirSync(here);
  const flags = [
    '-std=c++20',
    '-O2',
    '-g',
    `-DPRICE=${price}`,
    `-Wl,--build-id=0x${`0${number}`.repeat(20)}`,
  ];
  execFileSync('g++', [...flags, '-o', orders(name), sourcePath('releases/orders.cc')]);
  const source = readFileSync(sourcePath('releases/Billing.java'), 'utf8').replace(
    'PRICE = 40',
    `PRICE = ${price}`,
  );
  writeFileSync(path.join(here, 'Billing.java'), source);
  writeFileSync(path.join(here, 'release'), name);
  execFileSync('javac', ['--release', '8', '-Xlint:-options', 'Billing.java'], { cwd: here, stdio: 'pipe' });
  execFileSync('jar', ['cfe', 'billing.jar', 'Billing', 'Billing.class', 'release'], { cwd: here });
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'stackwell-releases-'));
  for (const [number, release] of RELEASES.entries()) build(release, number + 1);
  const config = path.join(folder, 'stackwell.yaml');
  // Short windows, so that there are many of them in the little time that a test has.
  writeFileSync(config, 'agent:\n  hz: 999\n  window: 2s\n');
  service = await startUp(path.join(folder, 'data'), '--config', config);
  for (const { name } of RELEASES) {
    const running = [
      start(orders(name), [String(SECONDS)]),
      start('java', ['-Xshare:off', '-jar', billing(name), String(SECONDS)]),
    ];
    for (const one of running) expect((await one.finished).code).toBe(0);
  }
  const seen = (name: string) =>
    service.json<{ deploys: unknown[] }>('/api/v1/deploys', { service: name, from: 'now-10m' });
  await eventually('three deploys of both', 30, async () =>
    (await Promise.all(['orders', 'billing'].map(seen))).every(({ deploys }) => deploys.length === 3)
      ? true
      : null,
  );
}, 600_000);

afterAll(async () => {
  await service?.process.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Compared {
  verdict: string;
  regressions: { function: string; change: number; interval: [number, number]; q: number }[];
  improvements: { function: string }[];
}

describe.each([
  ['orders', /^price\b/],
  ['billing', /^Billing\.price$/],
])('%s', (name, price) => {
  /** Deploys, the oldest first. */
  const deploys = async () => {
    const { deploys } = await service.json<{ deploys: { deploy: string }[] }>('/api/v1/deploys', {
      service: name,
      from: 'now-10m',
    });
    return deploys.map(({ deploy }) => deploy).reverse();
  };

  test('the function that got slower is named first, with how much', async () => {
    const [base, head] = await deploys();
    const { verdict, regressions, improvements } = await service.json<Compared>('/api/v1/deploys/compare', {
      service: name,
      base: base!,
      head: head!,
      type: CPU,
    });
    expect(regressions[0]?.function).toMatch(price);
    // The interval holds it in nineteen of twenty runs; twice as wide, in all but one of many thousands.
    const [low, high] = regressions[0]!.interval;
    expect(Math.abs(regressions[0]!.change - 0.2)).toBeLessThan(high - low);
    expect(regressions[0]!.change).toBeGreaterThan(0.1);
    expect(regressions[0]!.change).toBeLessThan(0.3);
    expect(improvements).toEqual([]);
    expect(verdict).toBe('regression');
  });

  test('the gate fails for it, and passes the same once more', async () => {
    const [first, slower, again] = await deploys();
    const gate = (base: string, head: string) =>
      stackwell(
        ...['diff', `${name}@${base}`, `${name}@${head}`, '--server', service.url],
        ...['--fail-on', 'self > 5% and q < 0.01'],
      );
    const failed = await gate(first!, slower!);
    expect([failed.code, failed.stderr]).toEqual([3, expect.stringMatching(/^failed: \S*price/)]);
    const passed = await gate(slower!, again!);
    expect([passed.code, passed.stderr]).toEqual([0, expect.stringMatching(/^passed: /)]);
    // Nothing named: the newest, and the one before it, are just these.
    const newest = await stackwell(
      'diff',
      name,
      '--server',
      service.url,
      '--fail-on',
      'self > 5% and q < 0.01',
    );
    expect([newest.code, newest.stdout.split('\n')[0]]).toEqual([0, `${name}@${slower} → ${name}@${again}`]);
  });
});
