// SPDX-License-Identifier: Apache-2.0
// format=html: one file, opened from the disk, that draws, zooms and searches without anything else.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pprof, type Running, server } from '../server/fixtures.js';
import { type Browser, buildPage, launch } from './browser.js';

let running: Running;
let browser: Browser;
let folder: string;

beforeAll(async () => {
  buildPage();
  folder = mkdtempSync(join(tmpdir(), 'stackwell-standalone-'));
  running = await server();
  const samples = [
    { stack: ['parse', 'handle', 'main'], values: [3_000_000_000] },
    { stack: ['</script><script>document.title="broken"</script>', 'main'], values: [1_000_000_000] },
  ];
  await running.ingest(await pprof({ samples }), { name: 'shop' });
  browser = await launch({ width: 1000, height: 400 });
});
afterAll(async () => {
  await browser?.close();
  await running?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('draws, zooms and searches from a file', async () => {
  const answer = await running.get('/api/v1/flamegraph', { query: '{service_name="shop"}', format: 'html' });
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(answer.headers.get('content-disposition')).toMatch(/\.html"$/);
  const text = await answer.text();
  expect(text.length).toBeLessThan(40_000);
  expect(text).not.toMatch(/\b(?:src|href)=/);
  const file = join(folder, 'flame.html');
  writeFileSync(file, text);
  const { page, problems } = await browser.open(pathToFileURL(file).href);
  expect(await page.title()).toBe('shop process_cpu');
  const line = () => page.locator('#line').textContent();
  await expect.poll(line).toContain('total 4.00 s (100 %)');
  const colours = () =>
    page.evaluate(() => {
      const canvas = document.getElementById('canvas') as HTMLCanvasElement;
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, 90);
      const found = new Set<number>();
      for (let at = 0; at < data.length; at += 4)
        found.add((data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!);
      return found.size;
    });
  await expect.poll(colours).toBeGreaterThan(4);
  // Children are in the order of their names: the strange one is the first quarter, then `handle`.
  const box = (await page.locator('#canvas').boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.6, box.y + 18 * 2 + 9);
  await expect.poll(line).toMatch(/^handle — app · handle\.c — total 3\.00 s \(75\.0 %\), self 0 s/);
  await page.mouse.click(box.x + box.width * 0.6, box.y + 18 * 2 + 9);
  expect(await page.locator('body').getAttribute('data-zoom')).not.toBe('0');
  await page.mouse.move(box.x + 5, box.y + 18 * 3 + 9);
  await expect.poll(line).toContain('parse — ');
  await page.keyboard.press('Escape');
  await expect.poll(() => page.locator('body').getAttribute('data-zoom')).toBe('0');
  await page.locator('#search').fill('parse');
  await expect.poll(() => page.locator('#found').textContent()).toBe('1 frames, 75.0 %');
  await page.locator('#search').fill('/^script|par.e$/');
  await expect.poll(() => page.locator('#found').textContent()).toBe('1 frames, 75.0 %');
  expect(await page.title()).toBe('shop process_cpu');
  expect(problems).toEqual([]);
});
