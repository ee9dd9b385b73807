// SPDX-License-Identifier: Apache-2.0
// The page in a real browser before a real server: profiles are pushed as an agent would, stored, asked for, drawn,
// searched, narrowed and downloaded. Screenshots are kept in test/output/screenshots.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configSchema } from '../../src/config/config.js';
import { ON_CPU } from '../../src/profile/types.js';
import { type RunningServer, startServer } from '../../src/server/server.js';
import { type Browser, buildPage, launch, SCREENSHOTS } from './browser.js';
import { type Sample, windowOf } from './fixture-data.js';
import { pushesOf } from './pprof-of.js';

const WINDOWS = 24;
let folder: string;
let server: RunningServer;
let browser: Browser;
let samples: Sample[];

beforeAll(async () => {
  buildPage();
  mkdirSync(SCREENSHOTS, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), 'stackwell-page-'));
  server = await startServer(configSchema.parse({ server: { listen: '127.0.0.1:0', data: folder } }).server, {
    log: { info() {}, warn() {}, error() {}, debug() {} } as never,
  });
  browser = await launch({ dark: true });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function push(): Promise<Sample[]> {
  const last = Math.floor((Date.now() - 20_000) / 10_000) * 10_000;
  const all: Sample[] = [];
  for (let i = 0; i < WINDOWS; i++) {
    const start = last - i * 10_000;
    const window = windowOf(start);
    all.push(...window);
    for (const { name, body } of pushesOf(window, start)) {
      const response = await fetch(`${server.url}/ingest?${new URLSearchParams({ name, format: 'pprof' })}`, {
        method: 'POST',
        body: new Uint8Array(body),
      });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    }
  }
  return all;
}

test('a visitor comes before the first profile, and then narrows, searches, zooms and downloads', async () => {
  const { page, problems } = await browser.open(server.url);
  const shot = (name: string) => page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });

  await page.getByRole('heading', { name: 'Waiting for the first profile' }).waitFor();
  await shot('01-waiting');
  samples = await push();
  const sum = (wanted: (sample: Sample) => boolean) =>
    samples.filter(wanted).reduce((total, sample) => total + sample.value, 0) / 1e9;
  const cpu = (sample: Sample) => sample.type === ON_CPU;

  // It appears without being asked for.
  const drawn = page.locator('.flame canvas[data-draw-ms]');
  await drawn.waitFor({ timeout: 15_000 });
  const total = page.locator('.facts .fact').first();
  const seconds = async () => Number(((await total.textContent()) ?? '').replace(/[^\d.]/g, ''));
  await expect.poll(seconds, { timeout: 20_000 }).toBeCloseTo(sum(cpu), -1);
  await expect.poll(() => page.locator('.legend-row').count()).toBe(5);
  expect(await page.locator('.facts').textContent()).toMatch(/lost \(ring full \d+\)/);
  await shot('02-host');
  const detail = page.locator('.coverage-detail');
  expect(await detail.textContent()).toMatch(/^[\d.]+ % of stacks whole[\d.]+ % of frames named$/);
  await detail.getByRole('button').click();
  // Which of the reasons comes first depends on the moment that the windows are of.
  const causes = await detail.locator('dt').allTextContents();
  expect(causes.toSorted()).toEqual(['depth', 'jit unknown', 'no symbols']);
  await shot('02-host-coverage');
  await page.keyboard.press('Escape');

  // One container: two clicks. Its share stands beside it.
  await page.getByRole('button', { name: 'Container all' }).click();
  const choice = page.getByRole('option', { name: /^checkout/ });
  await choice.waitFor();
  const share = (sum(s => cpu(s) && s.labels.container === 'checkout') / sum(cpu)) * 100;
  expect(Number.parseFloat((await choice.locator('.choice-share').textContent()) ?? '')).toBeCloseTo(
    share,
    0,
  );
  await shot('03-containers');
  await choice.click();
  await expect.poll(seconds).toBeCloseTo(
    sum(s => cpu(s) && s.labels.container === 'checkout'),
    -1,
  );
  expect(page.url()).toContain('container_id');
  await shot('04-container');
  await page.goBack();
  await expect.poll(seconds).toBeCloseTo(sum(cpu), -1);

  // One process: two clicks.
  await page.getByRole('button', { name: 'Process all' }).click();
  await page.getByRole('option', { name: 'pid 911' }).click();
  await expect.poll(seconds).toBeCloseTo(
    sum(s => cpu(s) && s.labels.pid === '911'),
    -1,
  );
  await page.getByRole('button', { name: 'All processes' }).click();
  await expect.poll(seconds).toBeCloseTo(sum(cpu), -1);

  // Search: the share of the samples that have it anywhere on their stack.
  await page.keyboard.press('/');
  await page.keyboard.type('encoding/json');
  const hasJson = new Set(
    (await import('./fixture-data.js')).FRAMES.flatMap((frame, i) =>
      frame.name.includes('encoding/json') ? [i] : [],
    ),
  );
  const wanted = (sum(s => cpu(s) && s.stack.some(i => hasJson.has(i))) / sum(cpu)) * 100;
  await expect
    .poll(async () => Number(/([\d.]+) %/.exec((await page.locator('.matched').textContent()) ?? '')?.[1]))
    .toBeCloseTo(wanted, 0);
  await shot('05-search');

  // Zoom with the mouse on the widest child of the root; the table follows.
  await page.locator('.search input').fill('');
  const canvas = (await page.locator('.flame canvas').boundingBox())!;
  await page.mouse.click(canvas.x + 20, canvas.y + 18 + 9);
  await page.getByText('of the zoomed frame').waitFor();
  expect(page.url()).toContain('zoom=');
  await page.mouse.move(canvas.x + canvas.width / 3, canvas.y + 18 * 3 + 9);
  await page.locator('.tooltip').waitFor();
  expect(await page.locator('.tooltip').textContent()).toMatch(/total[\s\S]*s[\s\S]*%[\s\S]*self/);
  await page.waitForTimeout(300);
  await shot('06-zoom');
  // The link shows another visitor the same.
  const other = await browser.open(page.url());
  await other.page.getByText('of the zoomed frame').waitFor();
  expect(other.problems).toEqual([]);
  await other.page.close();
  await page.getByRole('button', { name: 'Reset zoom' }).click();

  // pprof, as it is on the screen.
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'pprof' }).click();
  const file = join(folder, 'downloaded.pb.gz');
  await (await download).saveAs(file);
  const profile = Profile.decode(gunzipSync(readFileSync(file)));
  const inFile = profile.sample.reduce((total, sample) => total + Number(sample.value[0]), 0) / 1e9;
  expect(inFile).toBeCloseTo(sum(cpu), 0);

  // Off-CPU, one phase.
  await page.getByRole('button', { name: 'Off-CPU' }).click();
  await page.getByRole('button', { name: 'runqueue' }).click();
  await expect.poll(seconds).toBeCloseTo(
    sum(s => s.labels.phase === 'runqueue'),
    -1,
  );
  await shot('07-off-cpu');

  // A query by hand that nothing matches says so, and offers a way out.
  await page.getByLabel('Query').fill('service_name="nobody"');
  await page.getByLabel('Query').press('Enter');
  await page.getByRole('heading', { name: 'No Off-CPU samples here' }).waitFor();
  await shot('08-no-match');
  await page.getByRole('button', { name: 'Everything' }).click();
  await expect.poll(seconds).toBeCloseTo(
    sum(s => !cpu(s)),
    -1,
  );

  // What only the server can refuse is told with what to do.
  await page.getByLabel('Query').fill('{service_name=~"("}');
  await page.getByLabel('Query').press('Enter');
  await page.getByText('SW_QUERY_INVALID').first().waitFor();
  await shot('09-refused');
  expect(problems).toEqual([]);
  await page.close();
}, 120_000);

test('in light colours on a narrow screen nothing sticks out', async () => {
  const light = await launch({ dark: false, width: 900, height: 1000, scale: 2 });
  try {
    const { page, problems } = await light.open(server.url);
    await page.locator('.flame canvas[data-draw-ms]').waitFor();
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(SCREENSHOTS, '10-light-narrow.png') });
    const over = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(await over()).toBeLessThanOrEqual(0);
    await page.locator('.coverage-detail button').click();
    await page.screenshot({ path: join(SCREENSHOTS, '11-light-narrow-coverage.png') });
    expect(await over()).toBeLessThanOrEqual(0);
    expect(problems).toEqual([]);
  } finally {
    await light.close();
  }
});
