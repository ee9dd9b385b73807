// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noCoverage } from '../../src/profile/coverage.js';
import { openEmbeddedStore } from '../../src/store/embedded/embedded-store.js';
import { ALL, collect, profile, type StoreFactory, segment, storeContract } from './contract.js';
import { rollupContract } from './rollups.js';

let contractFolder = '';
const factory: StoreFactory = {
  create: () => {
    contractFolder = mkdtempSync(join(tmpdir(), 'stackwell-store-'));
    return openEmbeddedStore(contractFolder);
  },
  reopen: () => openEmbeddedStore(contractFolder),
  destroy: async () => rmSync(contractFolder, { recursive: true }),
};
storeContract('embedded', factory);
rollupContract('embedded', factory);

describe('embedded store', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stackwell-store-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('makes its folder', async () => {
    const store = await openEmbeddedStore(join(folder, 'a/b'));
    await store.append({ segments: [], profiles: [profile()] });
    await store.close();
    expect(readdirSync(join(folder, 'a/b')).sort()).toEqual(['lock.db', 'stackwell.db']);
  });

  it('reads what a version wrote that counted less', async () => {
    const store = await openEmbeddedStore(folder);
    await store.append({ segments: [], profiles: [profile()] });
    await store.close();
    const db = new Database(join(folder, 'stackwell.db'));
    db.prepare('UPDATE profiles SET stats = ?').run('{"samples":3,"unresolved":{"no_symbols":2}}');
    db.close();
    const again = await openEmbeddedStore(folder);
    const [read] = await collect(again);
    await again.close();
    expect(read!.stats).toEqual({
      ...noCoverage(),
      samples: 3,
      unresolved: { no_symbols: 2 },
      clock: '',
    });
  });

  it('lets one server use a folder', async () => {
    const store = await openEmbeddedStore(folder);
    await expect(openEmbeddedStore(folder)).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    await store.append({ segments: [], profiles: [profile()] });
    await store.close();
    await (await openEmbeddedStore(folder)).close();
  });

  it('says when the folder is not a folder', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(openEmbeddedStore(join(folder, 'file'))).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    await expect(openEmbeddedStore(join(folder, 'file/below'))).rejects.toMatchObject({
      code: 'SW_DATA_DIR',
    });
  });

  it.runIf(process.getuid?.() === 0)('says when the folder cannot be written', async () => {
    // Permissions do not stop root; a read-only mount does.
    const mount = join(folder, 'mount');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', mount]);
    try {
      await expect(openEmbeddedStore(mount)).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
      await expect(openEmbeddedStore(join(mount, 'new'))).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    } finally {
      execFileSync('umount', [mount]);
    }
  });

  it('says when the file is not a database or damaged', async () => {
    writeFileSync(join(folder, 'stackwell.db'), 'x'.repeat(10_000));
    await expect(openEmbeddedStore(folder)).rejects.toMatchObject({ code: 'SW_STORE_DAMAGED' });
    rmSync(join(folder, 'stackwell.db'));

    const store = await openEmbeddedStore(folder);
    const profiles = Array.from({ length: 500 }, (_, index) =>
      profile({ start: index, rows: new Uint8Array(3000) }),
    );
    await store.append({ segments: [], profiles });
    await store.close();
    const file = readFileSync(join(folder, 'stackwell.db'));
    file.fill(0xff, 8192 * 20, file.length);
    writeFileSync(join(folder, 'stackwell.db'), file);
    const damaged = await openEmbeddedStore(folder);
    try {
      let lost = 0;
      const read: string[] = [];
      for await (const batch of damaged.selectProfiles(ALL, () => lost++))
        read.push(...batch.map(({ id }) => id));
      // What is readable is given; the rest is counted.
      expect(lost).toBeGreaterThan(0);
      expect(read.length + lost).toBe(500);
      expect(read.filter(id => !profiles.some(one => one.id === id))).toEqual([]);
      await expect(damaged.append({ segments: [], profiles: [profile()] })).rejects.toMatchObject({
        code: 'SW_STORE_DAMAGED',
      });
    } finally {
      await damaged.close();
    }
  });

  it('refuses a file of a newer version and leaves it alone', async () => {
    await (await openEmbeddedStore(folder)).close();
    const db = new Database(join(folder, 'stackwell.db'));
    db.pragma('user_version = 99');
    db.close();
    await expect(openEmbeddedStore(folder)).rejects.toMatchObject({ code: 'SW_DATA_DIR' });
    const again = new Database(join(folder, 'stackwell.db'));
    expect(again.pragma('user_version', { simple: true })).toBe(99);
    again.close();
  });

  it.runIf(process.getuid?.() === 0)(
    'survives a full disk, and goes on when there is space again',
    async () => {
      const mount = join(folder, 'mount');
      mkdirSync(mount);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', mount]);
      try {
        const store = await openEmbeddedStore(mount);
        const acknowledged: string[] = [];
        let failure: unknown;
        for (let index = 0; index < 40 && failure === undefined; index++) {
          const one = profile({ start: index, rows: new Uint8Array(500_000), segments: [segment('1').id] });
          await store.append({ segments: [segment('1')], profiles: [one] }).then(
            () => acknowledged.push(one.id),
            (error: unknown) => {
              failure = error;
            },
          );
        }
        expect(failure).toMatchObject({ code: 'SW_DISK_FULL', status: 507 });
        expect(acknowledged.length).toBeGreaterThan(0);
        expect((await collect(store)).map(one => one.id)).toEqual(acknowledged);

        execFileSync('mount', ['-o', 'remount,size=32m', mount]);
        const late = profile({ start: 100, rows: new Uint8Array(500_000), segments: [segment('1').id] });
        await store.append({ segments: [], profiles: [late] });
        expect((await collect(store)).map(one => one.id)).toEqual([...acknowledged, late.id]);
        await store.close();
      } finally {
        execFileSync('umount', [mount]);
      }
    },
  );

  it('commits what waits together', async () => {
    const store = await openEmbeddedStore(folder);
    const began = performance.now();
    for (let index = 0; index < 50; index++) await store.append({ segments: [], profiles: [profile()] });
    const oneByOne = performance.now() - began;
    const again = performance.now();
    await Promise.all(
      Array.from({ length: 500 }, () => store.append({ segments: [], profiles: [profile()] })),
    );
    // Ten times as many in less time than one after another: they cannot each have had a sync of their own.
    expect(performance.now() - again).toBeLessThan(oneByOne * 5);
    expect(await collect(store)).toHaveLength(550);
    await store.close();
  });
});
