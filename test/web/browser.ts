// SPDX-License-Identifier: Apache-2.0
// Debian's chromium under playwright-core, with a profile folder of its own that is removed afterwards.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

export interface Browser {
  context: BrowserContext;
  /** Opens a page that fails the test on any script error or policy violation. */
  open: (url: string) => Promise<{ page: Page; problems: string[] }>;
  close: () => Promise<void>;
}

export async function launch(
  options: { dark?: boolean; width?: number; height?: number; scale?: number } = {},
): Promise<Browser> {
  const folder = await mkdtemp(join(tmpdir(), 'stackwell-browser-'));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    deviceScaleFactor: options.scale ?? 1,
    colorScheme: options.dark === false ? 'light' : 'dark',
    acceptDownloads: true,
  });
  return {
    context,
    async open(url) {
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', error => problems.push(`page error: ${error.message}`));
      page.on('console', message => {
        // A failed request is told on the page; the browser's own line about it is no defect of the page.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
          problems.push(message.text());
      });
      await page.goto(url);
      return { page, problems };
    },
    async close() {
      await context.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const SCREENSHOTS = join(root, 'test/output/screenshots');

/** Bundles the page as it is in the tree: a test of yesterday's build proves nothing. */
export function buildPage(): void {
  execFileSync(join(root, 'script/build-web'), { stdio: ['ignore', 'ignore', 'inherit'] });
}
