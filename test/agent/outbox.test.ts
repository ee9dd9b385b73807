// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { entryName, HEAD_BYTES } from '../../src/agent/outbox/entry.js';
import { Outbox } from '../../src/agent/outbox/outbox.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-outbox-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const body = (text: string) => Buffer.from(text);
const open = (options: Partial<Parameters<typeof Outbox.open>[0]> = {}) =>
  Outbox.open({ folder, maxBytes: 1e6, maxAgeMs: 1e6, ...options });
const files = () => readdirSync(folder).filter(name => name.endsWith('.push'));

async function drain(outbox: Outbox): Promise<string[]> {
  const texts: string[] = [];
  for (let entry = await outbox.take(); entry !== null; entry = await outbox.take()) {
    texts.push(entry.body.toString());
    await outbox.done(entry.name);
  }
  return texts;
}

test('first in, first out, also after a restart', async () => {
  const before = await open();
  expect(await Promise.all(['a', 'b', 'c'].map(text => before.add(body(text))))).toEqual([true, true, true]);
  expect(before.size.entries).toBe(3);
  const taken = await before.take();
  expect(taken?.body.toString()).toBe('a');
  await before.done(taken!.name);
  // Not closed: as after a kill.
  const after = await open();
  await after.add(body('d'));
  expect(await drain(after)).toEqual(['b', 'c', 'd']);
  expect(files()).toEqual([]);
  expect(after.size).toEqual({ entries: 0, bytes: 0, oldestAgeMs: 0 });
});

test('what was taken and released is next again', async () => {
  const outbox = await open();
  await outbox.add(body('a'));
  await outbox.add(body('b'));
  const entry = await outbox.take();
  outbox.release(entry!.name);
  expect(await drain(outbox)).toEqual(['a', 'b']);
});

describe('bounds', () => {
  test('by bytes: the oldest goes, is counted, and what is being sent stays', async () => {
    const size = HEAD_BYTES + 100;
    const outbox = await open({ maxBytes: 3 * size });
    const text = (letter: string) => body(letter.repeat(100));
    for (const letter of 'abc') await outbox.add(text(letter));
    const sending = await outbox.take();
    await outbox.add(text('d'));
    expect(outbox.size.bytes).toBe(3 * size);
    expect(outbox.dropped.full).toBe(1);
    await outbox.done(sending!.name);
    expect((await drain(outbox)).map(all => all[0])).toEqual(['c', 'd']);
    expect(await outbox.add(Buffer.alloc(4 * size))).toBe(false);
    expect(outbox.dropped.full).toBe(2);
  });

  test('by age, counted by another name', async () => {
    let now = 1_000_000;
    const outbox = await open({ maxAgeMs: 1000, now: () => now });
    await outbox.add(body('old'));
    now += 900;
    await outbox.add(body('young'));
    expect(outbox.size.oldestAgeMs).toBe(900);
    now += 200;
    expect(await drain(outbox)).toEqual(['young']);
    expect(outbox.dropped).toMatchObject({ too_old: 1, full: 0 });
  });

  test('hold for what an earlier run left', async () => {
    const before = await open();
    for (const letter of 'abcd') await before.add(body(letter));
    const after = await open({ maxBytes: 2 * (HEAD_BYTES + 1) });
    expect(after.dropped.full).toBe(2);
    expect(await drain(after)).toEqual(['c', 'd']);
  });
});

describe('damage', () => {
  test.each([
    ['cut short', (path: string) => truncateSync(path, HEAD_BYTES + 1)],
    ['cut in its head', (path: string) => truncateSync(path, 5)],
    ['empty', (path: string) => truncateSync(path, 0)],
    [
      'with one bit turned over',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 1]! ^= 1;
        writeFileSync(path, bytes);
      },
    ],
    ['of another kind', (path: string) => writeFileSync(path, 'x'.repeat(200))],
  ])('a file %s is set aside and counted, the others go on', async (_, harm) => {
    const before = await open();
    for (const text of ['first', 'second', 'third']) await before.add(body(text));
    harm(join(folder, files()[1]!));
    const outbox = await open();
    expect(await drain(outbox)).toEqual(['first', 'third']);
    expect(outbox.dropped.damaged).toBe(1);
    expect(readdirSync(join(folder, 'damaged'))).toHaveLength(1);
  });

  test('a write that was cut off is removed and counted; foreign files are left alone', async () => {
    writeFileSync(join(folder, `${entryName(1, 1).name}.tmp`), 'half');
    writeFileSync(join(folder, 'README'), 'mine');
    const outbox = await open();
    expect(outbox.dropped.damaged).toBe(1);
    expect(readdirSync(folder)).toEqual(['README']);
    expect(outbox.size.entries).toBe(0);
  });

  test('what is set aside is bounded', async () => {
    const outbox = await open();
    for (let i = 0; i < 25; i++) {
      await outbox.add(body(`window ${i}`));
      await outbox.reject((await outbox.take())!.name);
    }
    expect(outbox.dropped.rejected).toBe(25);
    const kept = readdirSync(join(folder, 'rejected')).sort();
    expect(kept).toHaveLength(20);
    expect(readFileSync(join(folder, 'rejected', kept.at(-1)!), 'latin1')).toContain('window 24');
    expect(outbox.size.entries).toBe(0);
  });

  test('kill -9 at any moment loses nothing that was acknowledged and leaves nothing half written', async () => {
    const built = join(folder, 'outbox.mjs');
    const entry = fileURLToPath(new URL('../../src/agent/outbox/outbox.ts', import.meta.url));
    buildSync({ entryPoints: [entry], outfile: built, bundle: true, platform: 'node', format: 'esm' });
    const inner = join(folder, 'outbox');
    const writer = fileURLToPath(new URL('./outbox-writer.mjs', import.meta.url));
    let said: string[] = [];
    for (const [round, delay] of [150, 220, 310].entries()) {
      rmSync(inner, { recursive: true, force: true });
      const child = spawn(process.execPath, [writer, built, inner], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
      await once(child.stdout, 'data');
      await new Promise(resolve => setTimeout(resolve, delay));
      child.kill('SIGKILL');
      await once(child, 'close');
      said = output.split('\n').slice(0, -1);
      expect(said.length, `round ${round}`).toBeGreaterThan(2);
      const outbox = await open({ folder: inner, maxBytes: 1e9 });
      const found = (await drain(outbox)).map(text => /^window \d+/.exec(text)![0]);
      expect(found.slice(0, said.length)).toEqual(said);
      // At most the one that was on disk but not yet said, and none that is torn under its final name.
      expect(found.length - said.length).toBeLessThanOrEqual(1);
      expect(readdirSync(inner)).toEqual([]);
      expect(outbox.dropped.damaged).toBeLessThanOrEqual(1);
    }
  });
});

describe('a disk that fails', () => {
  test('a full one costs windows, is counted, and is used again when there is room', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]);
    try {
      const outbox = await open();
      const big = Buffer.alloc(100_000, 1);
      const kept = [];
      for (let i = 0; i < 4; i++) kept.push(await outbox.add(big));
      expect(kept).toEqual([true, true, false, false]);
      expect(outbox.dropped.disk_full).toBe(2);
      expect(files()).toHaveLength(2);
      expect(readdirSync(folder)).toHaveLength(2);
      expect(await drain(outbox)).toHaveLength(2);
      expect(await outbox.add(big)).toBe(true);
      // And it opens on a disk that is full already.
      writeFileSync(join(folder, 'filler'), Buffer.alloc(1));
      await outbox.add(big);
      expect((await open()).size.entries).toBe(2);
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  test('a folder that goes away is counted as a failed write', async () => {
    const outbox = await open();
    rmSync(folder, { recursive: true });
    expect(await outbox.add(body('x'))).toBe(false);
    expect(outbox.dropped.write_failed).toBe(1);
    expect(await outbox.take()).toBeNull();
  });

  test('a place that cannot be written is refused', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(open({ folder: join(file, 'below') })).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    await expect(open({ folder: '/proc/stackwell' })).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
  });
});
