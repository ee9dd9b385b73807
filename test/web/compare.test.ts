// SPDX-License-Identifier: Apache-2.0
// The second mode of the page in a real browser before a real server, over services whose truth is known: what is shown is
// what the API says, what is dearer is red, and every state is a link.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DiffAnswer, PairAnswer } from '../../web/lib/api.js';
import { formatValue } from '../../web/lib/format.js';
import { rankingOf } from '../../web/lib/ranking.js';
import { formatChange, formatInterval } from '../../web/lib/verdict.js';
import { comparedOf } from '../../web/state/compared.js';
import { type Running, server as startServer } from '../server/fixtures.js';
import { type Browser, buildPage, launch, SCREENSHOTS } from './browser.js';
import { CHEAPER, DEARER, NEW, pushDeploys } from './deploys-data.js';

let server: Running;
let browser: Browser;
let truth: { now: number };
const open: Page[] = [];

beforeAll(async () => {
  buildPage();
  mkdirSync(SCREENSHOTS, { recursive: true });
  server = await startServer();
  truth = await pushDeploys(server);
  browser = await launch({ dark: true, width: 1280, height: 860 });
}, 300_000);

afterEach(async () => {
  for (const page of open.splice(0)) await page.close();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

async function visit(path: string, wanted = '.verdict'): Promise<{ page: Page; problems: string[] }> {
  const opened = await browser.open(server.url + path);
  open.push(opened.page);
  await opened.page.locator(wanted).first().waitFor();
  return opened;
}

/** The machine may have other work. */
const eventually = <T>(found: () => T | Promise<T>) => expect.poll(found, { timeout: 15_000, interval: 100 });
const parameter = (page: Page, name: string) => new URL(page.url()).searchParams.get(name);
const verdict = async (page: Page) =>
  (await page.locator('.sentence').allTextContents()).map(text => text.trim());
const drawn = (page: Page) => page.locator('.flame canvas[data-draw-ms]').first().waitFor();
const pairOf = (more: Record<string, string> = {}): Promise<PairAnswer> =>
  server.json('/api/v1/deploys/compare', { service: 'checkout', ...more });

async function diffOfPair(pair: PairAnswer, more: Record<string, string> = {}): Promise<DiffAnswer> {
  const side = (name: 'left' | 'right', { deploy, from, until }: PairAnswer['base']) => ({
    [`${name}_query`]: `{service_name="checkout",deploy="${deploy}"}`,
    [`${name}_from`]: String(from),
    [`${name}_until`]: String(until),
  });
  return server.json('/api/v1/diff', {
    ...side('left', pair.base),
    ...side('right', pair.head),
    normalization: 'stable',
    max_nodes: '32768',
    ...more,
  });
}

/** Colour in the middle of a frame, below its name; of a graph that is shown whole. */
async function colourAt(
  page: Page,
  which: number,
  from: number,
  until: number,
  level: number,
): Promise<number[]> {
  return page.evaluate(
    ([nth, a, b, depth]) => {
      const canvas = document.querySelectorAll<HTMLCanvasElement>('.flame canvas')[nth!]!;
      const x = ((a! + b!) / 2) * canvas.width;
      const y = (depth! * 18 + 15) * (canvas.height / canvas.clientHeight);
      return [...canvas.getContext('2d')!.getImageData(Math.round(x), Math.round(y), 1, 1).data.slice(0, 3)];
    },
    [which, from, until, level] as const,
  );
}

describe('two deploys', () => {
  test('are found from the top bar, and what changed is said as the API says it', async () => {
    const { page, problems } = await visit('/', 'header');
    await page.getByRole('button', { name: 'Compare', exact: true }).click();
    await page.getByRole('heading', { name: 'Recent deploys' }).waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, '20-recent-deploys.png') });
    // The oldest of a service has none before it.
    expect(await page.locator('.recent tbody tr').filter({ hasText: 'v40' }).last().textContent()).toContain(
      'none before it',
    );
    await page.getByRole('button', { name: 'compare with v41' }).click();
    await drawn(page);
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({
      mode: 'compare',
      service: 'checkout',
      base: 'v41',
      head: 'v42',
    });
    const pair = await pairOf();
    const diff = await diffOfPair(pair);
    const [first] = pair.regressions;
    expect(first!.function).toBe(DEARER.name);
    const said = await verdict(page);
    expect(said[0]).toMatch(
      /^▲json::decode got \d+ % dearer \(\d+ % to \d+ %\), which costs 0\.0\d+ cores an instance/,
    );
    expect(said[1]).toMatch(/^▼html::escape got \d+ % cheaper \(\d+ % to \d+ %\), which saves/);
    expect(said[0]).toContain(` ${Math.round(first!.change! * 100)} % dearer`);
    // The truth lies within what is said.
    expect(first!.interval[0]).toBeLessThan(DEARER.by);
    expect(first!.interval[1]).toBeGreaterThan(DEARER.by);

    // Totals of both sides, as the API has them.
    for (const [side, sum] of [
      ['Base', diff.left.sum],
      ['Head', diff.right.sum],
    ] as const) {
      const facts = page.getByRole('region', { name: side }).locator('.facts');
      expect(await facts.locator('.fact').first().textContent()).toBe(formatValue(sum, 'nanoseconds'));
      expect(await facts.textContent()).toContain('3 instances, 16 blocks of time');
    }
    expect([diff.left.sum, diff.right.sum]).toEqual([pair.base.sum, pair.head.sum]);
    await page.mouse.move(0, 0);
    const canvas = (await page.locator('.flame canvas').boundingBox())!;
    await page.mouse.move(canvas.x + canvas.width / 2, canvas.y + 9);
    const cells = page.locator('.tooltip tbody tr').nth(1).locator('td');
    expect((await cells.allTextContents()).slice(0, 2)).toEqual([
      formatValue(diff.left.total[0]!, 'nanoseconds'),
      formatValue(diff.right.total[0]!, 'nanoseconds'),
    ]);

    // The list, row by row.
    const rows = page.locator('.ranking tbody tr:not(.group)');
    expect(await rows.locator('.fn-name').allTextContents()).toEqual(
      [...pair.regressions, ...pair.improvements].map(one => one.function),
    );
    expect(await rows.locator('.change').allTextContents()).toEqual(
      [...pair.regressions, ...pair.improvements].map(
        one => `${formatChange(one.change)}${formatInterval(one.interval)}`,
      ),
    );
    expect(pair.regressions.map(one => one.function)).toContain(NEW);
    expect(pair.improvements.map(one => one.function)).toEqual([CHEAPER.name]);
    await page.screenshot({ path: join(SCREENSHOTS, '21-compare.png') });
    expect(problems).toEqual([]);
  });

  test('are ranked alike by the page and by the server', async () => {
    for (const by of ['self', 'total'] as const) {
      const pair = await pairOf({ by });
      const own = rankingOf(await diffOfPair(pair), by);
      expect(own.verdict).toBe(pair.verdict);
      for (const list of ['regressions', 'improvements'] as const) {
        expect(own[list].map(one => one.function)).toEqual(pair[list].map(one => one.function));
        own[list].forEach((one, i) => {
          const there = pair[list][i]!;
          for (const key of ['base', 'head', 'baseCost', 'headCost', 'cost', 'q'] as const)
            expect(Math.abs(one[key] - there[key])).toBeLessThanOrEqual(
              1e-9 * Math.max(1, Math.abs(there[key])),
            );
          expect([one.change, ...one.interval].map(n => n?.toFixed(9))).toEqual(
            [there.change, ...there.interval].map(n => n?.toFixed(9)),
          );
        });
      }
      expect(own.work!.change).toBeCloseTo(pair.work!.change!, 9);
      expect(own.whole!.head).toBeCloseTo(pair.whole.head, 9);
    }
  });

  test.each([
    ['dark', true],
    ['light', false],
  ])('are red where they got dearer and blue where cheaper (%s)', async (_, dark) => {
    const other = dark ? null : await launch({ dark, width: 1280, height: 860 });
    try {
      const opened = await (other ?? browser).open(
        `${server.url}/?mode=compare&service=checkout&base=v41&head=v42`,
      );
      const { page } = opened;
      open.push(page);
      await drawn(page);
      await page.mouse.move(0, 0);
      const { merged, answer } = comparedOf(await diffOfPair(await pairOf()));
      const whole = merged.total[0]!;
      const at = async (name: string) => {
        const row = answer.function.findIndex(fn => answer.functions.name[fn] === name);
        expect(row).toBeGreaterThan(0);
        const from = merged.start[row]! / whole;
        return colourAt(page, 0, from, from + merged.total[row]! / whole, merged.depth[row]!);
      };
      const [r, g, b] = (await at(DEARER.name)) as [number, number, number];
      expect(r - Math.max(g, b)).toBeGreaterThan(25);
      const blue = (await at(CHEAPER.name)) as [number, number, number];
      expect(blue[2] - blue[0]).toBeGreaterThan(25);
      const fresh = (await at(NEW)) as [number, number, number];
      expect(fresh[0] - fresh[2]).toBeGreaterThan(25);
      // What did not change is grey, whatever its numbers say.
      for (const name of ['rank::score', 'tls::write', 'cache::get']) {
        const grey = await at(name);
        expect(Math.max(...grey) - Math.min(...grey)).toBeLessThan(12);
      }
      expect(opened.problems).toEqual([]);
    } finally {
      for (const page of open.splice(0)) await page.close();
      await other?.close();
    }
  });

  test('swap sides, and with them every sign', async () => {
    const { page } = await visit('/?mode=compare&service=checkout');
    await page.getByRole('button', { name: 'Swap sides' }).click();
    await eventually(() => parameter(page, 'base')).toBe('v42');
    await eventually(async () => (await verdict(page))[0]).toMatch(/^▲html::escape got \d+ % dearer/);
    expect((await verdict(page))[1]).toMatch(/^▼json::decode got \d+ % cheaper/);
    await page.goBack();
    await eventually(async () => (await verdict(page))[0]).toMatch(/^▲json::decode got \d+ % dearer/);
  });

  test('every choice is a step back, and a link brings it again', async () => {
    const { page } = await visit('/?mode=compare&service=checkout');
    await drawn(page);
    await page.getByRole('button', { name: 'Total', exact: true }).click();
    await page.getByRole('button', { name: 'Side by side' }).click();
    await page.getByRole('button', { name: 'cores', exact: true }).click();
    await page.getByLabel('all', { exact: true }).check();
    await page.getByRole('button', { name: 'Change, 95 %' }).click();
    await page.getByLabel('Normalization').selectOption('duration');
    await page.getByRole('button', { name: /^Base/ }).click();
    await page.getByRole('option', { name: /^v40/ }).click();
    await page.locator('.ranking').getByRole('button', { name: DEARER.name }).click();
    await eventually(() => page.locator('main').getAttribute('aria-busy')).toBe('false');
    const link = page.url();
    expect(Object.fromEntries(new URL(link).searchParams)).toEqual({
      mode: 'compare',
      service: 'checkout',
      base: 'v40',
      norm: 'duration',
      rank: 'total',
      graph: 'beside',
      amounts: 'cost',
      order: 'change',
      all: '1',
      find: DEARER.name,
    });
    const shownText = async (at: Page) => [
      await verdict(at),
      await at.locator('.ranking table').textContent(),
      await at.locator('.side .facts').allTextContents(),
      await at.locator('.matched').textContent(),
    ];
    const here = await shownText(page);
    expect(here[3]).toMatch(/% of all in \d+ frames/);
    const other = await visit(new URL(link).search.replace(/^/, '/'));
    await drawn(other.page);
    await eventually(() => other.page.locator('main').getAttribute('aria-busy')).toBe('false');
    expect(await shownText(other.page)).toEqual(here);
    expect(other.problems).toEqual([]);
    for (const [name, before] of [
      ['find', null],
      ['base', null],
      ['norm', null],
      ['order', null],
      ['all', null],
      ['amounts', null],
      ['graph', null],
      ['rank', null],
    ] as const) {
      await page.goBack();
      await eventually(() => parameter(page, name)).toBe(before);
    }
    await eventually(async () => (await verdict(page))[0]).toMatch(/^▲json::decode got/);
    expect(await page.locator('.flame canvas').count()).toBe(1);
  });

  test('stand side by side, zoom together and point at the same frame', async () => {
    const { page, problems } = await visit('/?mode=compare&service=checkout&graph=beside');
    await drawn(page);
    const panes = page.locator('.beside-side');
    expect(await panes.locator('.beside-name').allTextContents()).toEqual(['v41', 'v42']);
    const { left, answer } = comparedOf(await diffOfPair(await pairOf()));
    const row = answer.function.findIndex(fn => answer.functions.name[fn] === 'search::handle');
    const box = (await panes.nth(0).locator('canvas').boundingBox())!;
    const x = box.x + ((left.start[row]! + left.total[row]! / 2) / left.total[0]!) * box.width;
    await page.mouse.click(x, box.y + left.depth[row]! * 18 + 9);
    await eventually(() => parameter(page, 'zoom')).toMatch(/^[0-9a-f]{16}$/);
    await page.waitForTimeout(400);
    // Zoomed in on, it is as wide as the other side, too.
    const second = (await panes.nth(1).locator('canvas').boundingBox())!;
    for (const part of [0.02, 0.98]) {
      await page.mouse.move(second.x + second.width * part, second.y + left.depth[row]! * 18 + 9);
      await eventually(() => page.locator('.tooltip-name').textContent()).toBe('search::handle');
    }
    // Both outline what was clicked.
    const outlined = (nth: number) =>
      page.evaluate(
        ([n, y]) => {
          const canvas = document.querySelectorAll<HTMLCanvasElement>('.flame canvas')[n!]!;
          const data = canvas.getContext('2d')!.getImageData(Math.round(canvas.width / 2), y!, 1, 1).data;
          return [...data.slice(0, 3)];
        },
        [nth, left.depth[row]! * 18] as const,
      );
    const focus = [255, 210, 87];
    expect([await outlined(0), await outlined(1)]).toEqual([focus, focus]);
    await page.screenshot({ path: join(SCREENSHOTS, '22-side-by-side.png') });
    // A wheel on one side moves the other.
    const before = parameter(page, 'span');
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -300);
    await page.keyboard.up('Control');
    await eventually(() => parameter(page, 'span')).not.toBe(before);
    await page.getByRole('button', { name: 'Reset zoom' }).click();
    await eventually(() => parameter(page, 'zoom')).toBeNull();
    // A frame of one side alone has no place on the other.
    const link = new URL(page.url());
    const fresh = comparedOf(await diffOfPair(await pairOf()));
    const added = fresh.answer.function.findIndex(fn => fresh.answer.functions.name[fn] === NEW);
    link.searchParams.set('zoom', fresh.paths.of(added));
    await page.goto(link.href);
    await page.locator('.absent').waitFor();
    expect(await page.locator('.absent').allTextContents()).toEqual([
      'Nothing of the zoomed frame is in v41.',
    ]);
    expect(problems).toEqual([]);
  });

  test('matching rules are listed and switched', async () => {
    const { page } = await visit('/?mode=compare&service=checkout');
    await page.getByRole('button', { name: 'Matching: all rules' }).click();
    const boxes = page.locator('.rule input');
    const { matching } = await diffOfPair(await pairOf());
    await eventually(() => boxes.count()).toBe(matching.length);
    await page.getByLabel(/^Folders of source files/).uncheck();
    await eventually(() => parameter(page, 'without')).toBe('files');
    await page.getByRole('button', { name: `Matching: ${matching.length - 1} rules` }).waitFor();
    const other = await visit(new URL(page.url()).search.replace(/^/, '/'));
    await other.page.getByRole('button', { name: `Matching: ${matching.length - 1} rules` }).click();
    // All of them are there to be switched on again, though the answer used fewer.
    expect(await other.page.locator('.rule input').count()).toBe(matching.length);
    await other.page.getByLabel(/^Folders of source files/).check();
    await eventually(() => parameter(other.page, 'without')).toBeNull();
  });

  test('what is the same is said to be, with what would have been found', async () => {
    const { page } = await visit('/?mode=compare&service=catalog');
    expect((await verdict(page))[0]).toMatch(
      /^=Nothing changed: a change of [\d.]+ % in a function with a fifth of the CPU time would have been found$/,
    );
    expect(await page.locator('.basis').textContent()).toContain('both ran at the same time');
    const canvas = (await page.locator('.flame canvas').boundingBox())!;
    expect(canvas.height).toBeGreaterThan(200);
    await page.goto(`${server.url}/?mode=compare&service=young`);
    await page.locator('.verdict.tone-unknown').waitFor();
    expect((await verdict(page))[0]).toMatch(/^\?Too little data to tell/);
  });

  test('what is not there is told, with a way on', async () => {
    const { page, problems } = await visit('/?mode=compare&service=checkout&base=v1', '[role=alert]');
    expect(await page.getByRole('alert').textContent()).toContain('SW_DEPLOY_UNKNOWN');
    await page.getByRole('button', { name: /^Base/ }).click();
    await page.getByRole('option', { name: 'The one before the head' }).click();
    await page.locator('.verdict').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.goto(`${server.url}/?mode=compare&service=checkout&since=now-1m`);
    await page.getByRole('alert').first().waitFor();
    await page.goto(
      `${server.url}/?mode=compare&sides=selections&left={service_name="nobody"}&right={service_name="checkout"}&from=now-1h`,
    );
    await page.getByRole('heading', { name: 'Nothing was recorded on the left' }).waitFor();
    await page.goto(`${server.url}/?mode=compare&sides=selections&left_from=now&left_until=now-1h`);
    await page.getByRole('heading', { name: 'This is no time range' }).waitFor();
    expect(problems).toEqual([]);
  });
});

test('a side has another time when one is dragged over, and the one that was chosen back again', async () => {
  const { page } = await visit('/?mode=compare&service=checkout');
  const plot = page.locator('.side.right .u-over');
  await eventually(() => plot.count()).toBe(1);
  const box = (await plot.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.7, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 30, { steps: 5 });
  await page.mouse.up();
  await eventually(() => parameter(page, 'right_from')).toMatch(/^\d{13}$/);
  await eventually(() => page.locator('main').getAttribute('aria-busy')).toBe('false');
  const own = { head_from: parameter(page, 'right_from')!, head_until: parameter(page, 'right_until')! };
  const pair = await pairOf(own);
  expect([pair.head.from, pair.head.until]).toEqual([Number(own.head_from), Number(own.head_until)]);
  const sum = () => page.getByRole('region', { name: 'Head' }).locator('.fact').first().textContent();
  await eventually(sum).toBe(formatValue(pair.head.sum, 'nanoseconds'));
  await page.locator('.side.right .when button').first().click();
  await page.getByRole('button', { name: 'As chosen for the deploy' }).click();
  await eventually(() => parameter(page, 'right_from')).toBeNull();
  await eventually(sum).toBe(formatValue((await pairOf()).head.sum, 'nanoseconds'));
});

describe('two selections', () => {
  test('start from a range on the timeline', async () => {
    const { page } = await visit(
      '/?query={service_name="checkout"}&from=now-1h',
      '.flame canvas[data-draw-ms]',
    );
    const from = truth.now - 600_000;
    await page.goto(`${server.url}/?query={service_name="checkout"}&from=${from}&until=${truth.now}`);
    await page.getByRole('button', { name: 'Compare this range with the one before' }).click();
    await page.locator('.verdict').waitFor();
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toMatchObject({
      mode: 'compare',
      sides: 'selections',
      left: '{service_name="checkout"}',
      right: '{service_name="checkout"}',
      left_from: String(from - 600_000),
      left_until: String(from),
      right_from: String(from),
      right_until: String(truth.now),
    });
    // Those are v41 and v42, though nobody said so.
    expect((await verdict(page))[0]).toMatch(/^▲json::decode got \d+ % dearer/);
    await page.goBack();
    await page.locator('.timeline').waitFor();
    await page.locator('.flame canvas[data-draw-ms]').waitFor();
  });

  test('have the same range and other labels, with totals as the API has them', async () => {
    const { page, problems } = await visit(
      '/?mode=compare&sides=selections&left={service_name="checkout"}&right={service_name="checkout"}&from=now-1h',
    );
    await page.getByRole('region', { name: 'Right' }).getByRole('button', { name: 'Narrow' }).click();
    await page.getByLabel('Label').selectOption('deploy');
    await page.getByRole('option', { name: /^v42/ }).click();
    await eventually(() => parameter(page, 'right')).toBe('{service_name="checkout", deploy="v42"}');
    await page.getByLabel('Query of the left').fill('service_name="checkout",deploy="v41"');
    await page.getByLabel('Query of the left').press('Enter');
    await eventually(() => parameter(page, 'left')).toBe('{service_name="checkout", deploy="v41"}');
    for (const [side, deploy] of [
      ['Left', 'v41'],
      ['Right', 'v42'],
    ]) {
      const { sum } = await server.json('/api/v1/flamegraph', {
        query: `{service_name="checkout",deploy="${deploy}"}`,
        from: 'now-1h',
      });
      await eventually(() =>
        page.getByRole('region', { name: side! }).locator('.fact').first().textContent(),
      ).toBe(formatValue(sum, 'nanoseconds'));
    }
    expect((await verdict(page))[0]).toMatch(/^▲json::decode/);
    // One range for both: the picker above changes it.
    await page.getByRole('button', { name: 'Last hour' }).first().click();
    await page.getByRole('button', { name: 'Last 6 hours' }).click();
    await eventually(() =>
      page.getByRole('region', { name: 'Left' }).locator('.when').textContent(),
    ).toContain('Last 6 hours');
    // And a side may have its own.
    await page.getByRole('region', { name: 'Right' }).locator('.when button').first().click();
    await page.getByRole('button', { name: 'Just before the other' }).click();
    await eventually(() => parameter(page, 'right_until')).toMatch(/^\d{13}$/);
    await page.getByRole('heading', { name: 'Nothing was recorded on the right' }).waitFor();
    await page.goBack();
    await page.locator('.verdict').waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, '23-selections.png') });
    expect(problems).toEqual([]);
  });
});

describe('deploys on the timeline', () => {
  test('are marked where one service is chosen, say what they are, and compare with the one before', async () => {
    const { page, problems } = await visit('/?query={service_name="checkout"}&from=now-1h', '.mark');
    const { deploys } = await server.json('/api/v1/deploys', { service: 'checkout', from: 'now-1h' });
    expect(await page.locator('.mark-name').allTextContents()).toEqual(['v40', 'v41', 'v42']);
    // Each at the moment when it was seen first.
    const plot = (await page.locator('.timeline .u-over').boundingBox())!;
    const until = Math.ceil(Date.now() / 10_000) * 10_000;
    for (const { deploy, first } of deploys) {
      const box = (await page.getByRole('button', { name: new RegExp(`^Deploy ${deploy}:`) }).boundingBox())!;
      const wanted = plot.x + plot.width * (1 - (until - first) / 3_600_000);
      expect(Math.abs(box.x - wanted)).toBeLessThan(4);
    }
    await page.getByRole('button', { name: /^Deploy v42/ }).hover();
    const card = page.locator('.mark-card:visible');
    expect(await card.textContent()).toContain('3 hosts, 3 instances');
    expect(await card.textContent()).toContain('compare with v41');
    await page.screenshot({ path: join(SCREENSHOTS, '24-deploys-on-the-timeline.png') });
    expect(
      await page
        .getByRole('button', {
          name: /^Deploy v40: none before it is known\. Since .*, 3 hosts, 3 instances$/,
        })
        .isDisabled(),
    ).toBe(true);
    await page.getByRole('button', { name: /^Deploy v42/ }).click();
    await page.locator('.verdict').waitFor();
    expect([parameter(page, 'base'), parameter(page, 'head')]).toEqual(['v41', 'v42']);
    // Both sides have them, too.
    expect(await page.locator('.side.left .mark-name').allTextContents()).toEqual(['v41', 'v42']);
    expect(await page.locator('.side.right .mark-name').allTextContents()).toEqual(['v41', 'v42']);
    expect(problems).toEqual([]);
  });

  test('are not asked for where no service is chosen', async () => {
    const { page } = await visit('/?from=now-1h', '.flame canvas[data-draw-ms]');
    expect(await page.locator('.mark').count()).toBe(0);
  });

  test('a profile that does not tell how many samples it is made of says nothing of them', async () => {
    const { page } = await visit(
      '/?query={service_name="checkout"}&from=now-1h',
      '.flame canvas[data-draw-ms]',
    );
    const facts = (await page.locator('.coverage .facts').textContent())!;
    expect(facts).not.toMatch(/samples|lost/);
  });
});
