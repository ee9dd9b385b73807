// SPDX-License-Identifier: Apache-2.0
// `stackwell up` with a job in its configuration, a Go service, and the page: heap profiles are picked and read like the
// others.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bakery, GOROUTINES, MEMORY } from '../agent/scraping.js';
import { startUp } from '../helpers/service.js';
import { eventually, temporaryFolder } from '../helpers/stackwell.js';
import { type Browser, buildPage, launch, SCREENSHOTS } from './browser.js';

let browser: Browser;
beforeAll(async () => {
  buildPage();
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch({ dark: true });
});
afterAll(() => browser?.close());

test('memory of a scraped service in the page', { timeout: 120_000 }, async ({ onTestFinished }) => {
  const folder = temporaryFolder();
  const shop = await bakery();
  const file = join(folder, 'stackwell.yaml');
  writeFileSync(
    file,
    `agent:
  scrape:
    interval: 1s
    timeout: 900ms
    jobs:
      - name: shops
        targets:
          - targets: ['${shop.address}']
            labels: {service_name: cake-shop, deploy: v3}
`,
  );
  const service = await startUp(join(folder, 'data'), '--config', file);
  onTestFinished(async () => {
    await service.process.stop();
  });
  const query = '{service_name="cake-shop",deploy="v3"}';
  interface Answer {
    profiles: number;
  }
  const profiles = async (type: string) =>
    (await service.json<Answer>('/api/v1/top', { type, query })).profiles;
  await eventually('some scrapes', 40, async () => (await profiles(GOROUTINES)) >= 6 || null);

  const { page, problems } = await browser.open(`${service.url}/?${new URLSearchParams({ query })}`);
  const shot = (name: string) => page.screenshot({ path: join(SCREENSHOTS, `scraped-${name}.png`) });
  const pick = async (type: string) => {
    await page.getByLabel('More profile types').selectOption(type);
    await page.locator(`select.on[title="${type}"]`).waitFor();
  };
  const fact = async () => (await page.locator('.facts').textContent()) ?? '';
  const row = async (name: string) =>
    (await page.locator('tr', { hasText: name }).first().locator('td').allTextContents()).join(' ');

  await pick(MEMORY('inuse_space'));
  await page.getByRole('row').filter({ hasText: 'main.stock' }).first().waitFor();
  await eventually('an average', 10, async () => /average of \d+ snapshots/.test(await fact()) || null);
  // 32 MiB are held, however many scrapes are in the range.
  await expect.poll(() => row('main.stock'), { timeout: 15_000 }).toMatch(/32\.0 MiB/);
  await expect.poll(fact).toMatch(/^3[23]\.\d MiB/);
  // However many types there are, the rest of the bar stays on the screen.
  await expect
    .poll(() =>
      page
        .locator('.segments')
        .first()
        .evaluate(bar => bar.getBoundingClientRect().right),
    )
    .toBeLessThan(900);
  expect(await page.locator('.timeline .caption').textContent()).toContain('MiB, average snapshot');
  await shot('inuse');

  await pick(MEMORY('alloc_space'));
  await page.getByRole('row').filter({ hasText: 'main.bake' }).first().waitFor();
  await expect.poll(() => row('main.bake'), { timeout: 15_000 }).toMatch(/\d MiB/);
  await expect.poll(fact).toMatch(/MiB\d+ profiles/);
  expect(await page.locator('.timeline .caption').textContent()).toContain('MiB per second');
  await shot('alloc');

  await pick(GOROUTINES);
  await page.getByRole('row').filter({ hasText: 'main.queue' }).first().waitFor();
  await expect.poll(() => row('main.queue'), { timeout: 15_000 }).toMatch(/\b7\b/);
  await shot('goroutines');
  await pick('mutex:delay:nanoseconds:contentions:count');
  await page.getByRole('row').filter({ hasText: 'main.oven' }).first().waitFor();
  await expect.poll(() => row('main.oven'), { timeout: 15_000 }).toMatch(/\d s\b/);
  await shot('mutex');
  expect(problems).toEqual([]);
});
