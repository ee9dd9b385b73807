// SPDX-License-Identifier: Apache-2.0
// What every store must do, whatever is behind it. A store's own test file calls this with its factory.

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { noCoverage } from '../../src/profile/coverage.js';
import {
  type Bucket,
  type DebugFile,
  LEVELS,
  type ProfileRecord,
  partitionOf,
  type Segment,
  type Selection,
  type StagedFile,
  type Store,
} from '../../src/store/store.js';

export interface StoreFactory {
  /** An empty store. */
  create(): Promise<Store>;
  /** The same store again, after close. */
  reopen(): Promise<Store>;
  /** Until `stats` tells what is on disk. */
  settle?(): Promise<void>;
  /** Frees whatever create made. */
  destroy(): Promise<void>;
}

const DAY = Date.UTC(2026, 5, 1);
const NOON = Date.UTC(2026, 5, 1, 12);
const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const OFF = 'process_offcpu:offcpu:nanoseconds:offcpu:nanoseconds';

export function segment(id: string, bytes = 100): Segment {
  return {
    id: `20260601-${'0'.repeat(16)}-${id.padStart(32, '0')}`,
    tenant: '',
    service: 'a',
    day: '2026-06-01',
    bytes: new Uint8Array(bytes).fill(id.charCodeAt(0)),
  };
}

let serial = 0;
export function profile(over: Partial<ProfileRecord> = {}): ProfileRecord {
  return {
    id: `profile-${serial++}`,
    tenant: '',
    type: CPU,
    labels: { service_name: 'a', host: 'h1' },
    facets: {},
    facetsOmitted: [],
    start: NOON,
    duration: 10_000,
    period: 10_101_010n,
    total: 1000n,
    level: 0,
    wide: false,
    segments: [],
    rows: new Uint8Array([1, 2, 3]),
    stats: { ...noCoverage(), clock: '' },
    ...over,
  };
}

export function debugFile(over: Partial<DebugFile> = {}): Omit<DebugFile, 'size' | 'sha256'> {
  return {
    buildId: 'aabbccdd00112233',
    role: 'debug',
    kind: 'dwarf',
    origin: 'upload',
    added: NOON,
    used: NOON,
    ...over,
  };
}

export async function* chunks(...parts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

/** What a descriptor reads; it is closed. */
export function contentOf(descriptor: number): string {
  try {
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

export const ALL: Selection = { tenant: '', matchers: [], from: 0, until: Date.UTC(2100, 0) };

export async function collect(store: Store, selection: Partial<Selection> = {}): Promise<ProfileRecord[]> {
  const all: ProfileRecord[] = [];
  for await (const batch of store.selectProfiles({ ...ALL, ...selection })) all.push(...batch);
  return all;
}

/** Stores rollups of the bucket of the first one, which must be stale. */
export async function rollUp(
  store: Store,
  profiles: ProfileRecord[],
  segments: Segment[] = [],
): Promise<boolean> {
  const { tenant, labels, level, start } = profiles[0]!;
  const bucket = {
    level,
    start: start - (start % (level * 1000)),
    partition: partitionOf(tenant, labels.service_name!),
  };
  return store.rollups.finish(await store.rollups.begin(bucket), { segments, profiles });
}

export function storeContract(name: string, factory: StoreFactory): void {
  describe(`${name}: the store contract`, () => {
    let store: Store;
    const open = async () => {
      store = await factory.create();
      return store;
    };
    afterEach(async () => {
      await store.close();
      await factory.destroy();
    });

    it('gives back what was appended, exactly', async () => {
      await open();
      const rows = new Uint8Array(70_000).map((_, index) => index * 7);
      const written = profile({
        segments: [segment('2').id, segment('1').id],
        total: -(2n ** 63n),
        period: 2n ** 62n + 1n,
        rows,
        labels: { b: '2', a: 'ü"\\', service_name: 'x' },
        stats: {
          samples: 12,
          complete: 10,
          incomplete: { no_table: 1, depth: 1 },
          truncated: 1,
          frames: 100,
          named: 97,
          perfmap: 5,
          lost: { map_full: 2 },
          unresolved: { no_symbols: 3 },
          clock: 'cpu-clock',
        },
      });
      await store.append({ segments: [segment('1'), segment('2')], profiles: [written] });
      expect(await collect(store)).toEqual([written]);
      const segments = await store.readSegments([segment('2').id, segment('1').id, segment('9').id]);
      expect([...segments.keys()].sort()).toEqual([segment('1').id, segment('2').id]);
      expect(segments.get(segment('1').id)).toEqual(segment('1').bytes);
    });

    it('keeps everything over a restart', async () => {
      await open();
      const written = profile({ segments: [segment('1').id] });
      await store.append({ segments: [segment('1')], profiles: [written] });
      await store.close();
      store = await factory.reopen();
      expect(await collect(store)).toEqual([written]);
      expect(await store.append({ segments: [], profiles: [written] })).toEqual({ stored: 0, duplicates: 1 });
    });

    it('stores an id once, also when it comes twice at the same time', async () => {
      await open();
      const one = profile();
      const results = await Promise.all(
        Array.from({ length: 20 }, () => store.append({ segments: [], profiles: [one, one] })),
      );
      expect(results.reduce((sum, result) => sum + result.stored, 0)).toBe(1);
      expect(results.reduce((sum, result) => sum + result.duplicates, 0)).toBe(39);
      expect(await collect(store)).toHaveLength(1);
    });

    it('refuses a profile whose segment is nowhere, whole, and leaves the others of the moment alone', async () => {
      await open();
      const good = profile({ segments: [segment('1').id] });
      const bad = store.append({
        segments: [segment('3')],
        profiles: [profile(), profile({ segments: [segment('7').id] })],
      });
      const [badResult, goodResult] = await Promise.allSettled([
        bad,
        store.append({ segments: [segment('1')], profiles: [good] }),
      ]);
      expect(badResult).toMatchObject({ status: 'rejected', reason: { code: 'SW_SEGMENT_UNKNOWN' } });
      expect(goodResult).toMatchObject({ status: 'fulfilled' });
      expect(await collect(store)).toEqual([good]);
      expect((await store.readSegments([segment('3').id])).size).toBe(0);
    });

    it('selects by type, by half-open time and by level, oldest first', async () => {
      await open();
      const at = (start: number, over: Partial<ProfileRecord> = {}) => profile({ start, ...over });
      const profiles = [
        at(NOON + 2),
        at(NOON),
        at(NOON + 1, { labels: { service_name: 'b' } }),
        at(NOON + 3),
      ];
      await store.append({
        segments: [],
        profiles: [...profiles, at(NOON, { type: OFF })],
      });
      await rollUp(store, [at(NOON, { level: 60 })]);
      const starts = async (selection: Partial<Selection>) =>
        (await collect(store, { type: CPU, ...selection })).map(one => one.start - NOON);
      expect(await starts({})).toEqual([0, 1, 2, 3]);
      expect(await starts({ from: NOON + 1, until: NOON + 3 })).toEqual([1, 2]);
      expect(await starts({ from: NOON + 3, until: NOON + 3 })).toEqual([]);
      expect(await collect(store, { type: OFF })).toHaveLength(1);
      expect(await collect(store)).toHaveLength(5);
      expect(await collect(store, { level: 60 })).toHaveLength(1);
    });

    it('selects by matchers as Prometheus does: a label that is not there is empty, expressions are anchored', async () => {
      await open();
      const label = (labels: Record<string, string>) => profile({ id: JSON.stringify(labels), labels });
      const profiles = [
        label({ service_name: 'checkout', deploy: 'v41' }),
        label({ service_name: 'checkout' }),
        label({ service_name: 'cart', deploy: 'v4' }),
      ];
      await store.append({ segments: [], profiles });
      const hits = async (...matchers: Selection['matchers']) =>
        (await collect(store, { matchers })).map(one => profiles.findIndex(({ id }) => id === one.id)).sort();
      expect(await hits({ name: 'service_name', op: '=', value: 'checkout' })).toEqual([0, 1]);
      expect(await hits({ name: 'service_name', op: '!=', value: 'checkout' })).toEqual([2]);
      expect(await hits({ name: 'deploy', op: '=', value: '' })).toEqual([1]);
      expect(await hits({ name: 'deploy', op: '!=', value: '' })).toEqual([0, 2]);
      expect(await hits({ name: 'deploy', op: '=~', value: 'v4' })).toEqual([2]);
      expect(await hits({ name: 'deploy', op: '=~', value: 'v4.*|' })).toEqual([0, 1, 2]);
      expect(await hits({ name: 'deploy', op: '!~', value: 'v4.+' })).toEqual([1, 2]);
      expect(
        await hits(
          { name: 'service_name', op: '=', value: 'checkout' },
          { name: 'deploy', op: '=~', value: '.+' },
        ),
      ).toEqual([0]);
      await expect(hits({ name: 'deploy', op: '=~', value: '(' })).rejects.toMatchObject({
        code: 'SW_QUERY_INVALID',
      });
    });

    it('prunes by facets only where they prove that no row can match', async () => {
      await open();
      const one = profile({ labels: { service_name: 'one' }, facets: { pid: ['1', '2'] } });
      const cut = profile({
        labels: { service_name: 'cut' },
        facets: { pid: ['3'] },
        facetsOmitted: ['pid'],
      });
      const none = profile({ labels: { service_name: 'none' } });
      await store.append({ segments: [], profiles: [one, cut, none] });
      const services = async (...sampleMatchers: Selection['matchers']) =>
        (await collect(store, { sampleMatchers })).map(({ labels }) => labels.service_name).sort();
      expect(await services({ name: 'pid', op: '=', value: '2' })).toEqual(['cut', 'one']);
      expect(await services({ name: 'pid', op: '=', value: '3' })).toEqual(['cut']);
      expect(await services({ name: 'pid', op: '!=', value: '2' })).toEqual(['cut', 'none', 'one']);
      expect(await services({ name: 'pid', op: '=', value: '' })).toEqual(['cut', 'none', 'one']);
      expect(
        await services({ name: 'pid', op: '=', value: '2' }, { name: 'phase', op: '=', value: 'blocked' }),
      ).toEqual([]);
    });

    it('reads more profiles than fit in a batch, and lets go of a selection that nobody reads to its end', async () => {
      await open();
      const labels = [{ service_name: 'a' }, { service_name: 'b' }];
      const profiles = Array.from({ length: 5000 }, (_, index) =>
        profile({ start: NOON + ((index * 7919) % 5000), labels: labels[index % 2]!, total: BigInt(index) }),
      );
      await store.append({ segments: [], profiles });
      const read = await collect(store);
      expect(read.map(one => one.start)).toEqual(Array.from({ length: 5000 }, (_, index) => NOON + index));
      expect(read.reduce((sum, one) => sum + one.total, 0n)).toBe((4999n * 5000n) / 2n);
      for await (const batch of store.selectProfiles(ALL)) {
        expect(batch.length).toBeLessThan(5000);
        break;
      }
      expect(await collect(store)).toHaveLength(5000);
    });

    it('sums a timeline exactly, by groups', async () => {
      await open();
      const big = 2n ** 62n;
      const at = (seconds: number, service_name: string, total: bigint) =>
        profile({ start: NOON + seconds * 1000, labels: { service_name }, total });
      await store.append({
        segments: [],
        profiles: [at(0, 'a', big), at(9, 'a', big), at(5, 'a', big), at(10, 'a', -3n), at(35, 'b', 7n)],
      });
      const range = { ...ALL, type: CPU, from: NOON, until: NOON + 60_000 };
      expect(await store.timeline(range, 10_000, [])).toEqual([
        {
          labels: {},
          times: [NOON, NOON + 10_000, NOON + 30_000],
          totals: [3n * big, -3n, 7n],
          counts: [3, 1, 1],
          profiles: 5,
        },
      ]);
      const byService = await store.timeline(range, 10_000, ['service_name']);
      byService.sort((x, y) => (x.labels.service_name! < y.labels.service_name! ? -1 : 1));
      expect(byService).toEqual([
        {
          labels: { service_name: 'a' },
          times: [NOON, NOON + 10_000],
          totals: [3n * big, -3n],
          counts: [3, 1],
          profiles: 4,
        },
        { labels: { service_name: 'b' }, times: [NOON + 30_000], totals: [7n], counts: [1], profiles: 1 },
      ]);
      expect(await store.timeline({ ...range, until: NOON }, 10_000, [])).toEqual([]);
      // Buckets that start elsewhere, before the origin as after it.
      for (const origin of [NOON + 3001, NOON + 53_001, NOON - 6_999])
        expect(await store.timeline(range, 10_000, [], origin)).toEqual([
          {
            labels: {},
            times: [NOON - 6_999, NOON + 3001, NOON + 33_001],
            totals: [big, 2n * big - 3n, 7n],
            counts: [1, 3, 1],
            profiles: 5,
          },
        ]);
    });

    it('finds types, label names and values of the range only', async () => {
      await open();
      const day = 86_400_000;
      await store.append({
        segments: [],
        profiles: [
          profile({ labels: { service_name: 'a', deploy: 'v1' }, facets: { pid: ['1', '2'] } }),
          profile({
            labels: { service_name: 'a', host: 'h' },
            facets: { phase: ['blocked'] },
            type: OFF,
            start: NOON + day,
          }),
          profile({
            labels: { service_name: 'b', pod: 'p' },
            facets: { pid: ['9'] },
            facetsOmitted: ['pid'],
            start: NOON + day,
          }),
        ],
      });
      const today = { ...ALL, until: NOON + 1 };
      expect(await store.types(ALL)).toEqual([CPU, OFF]);
      expect(await store.types(today)).toEqual([CPU]);
      expect(await store.labelNames(today)).toEqual({ profile: ['deploy', 'service_name'], sample: ['pid'] });
      expect(await store.labelNames(ALL)).toEqual({
        profile: ['deploy', 'host', 'pod', 'service_name'],
        sample: ['phase', 'pid'],
      });
      expect(await store.labelValues('service_name', ALL, 10)).toEqual({
        values: ['a', 'b'],
        omitted: 0,
        complete: true,
      });
      expect(await store.labelValues('service_name', ALL, 1)).toEqual({
        values: ['a'],
        omitted: 1,
        complete: true,
      });
      expect(await store.labelValues('pid', today, 10)).toEqual({
        values: ['1', '2'],
        omitted: 0,
        complete: true,
      });
      expect(await store.labelValues('pid', ALL, 10)).toEqual({
        values: ['1', '2', '9'],
        omitted: 0,
        complete: false,
      });
      expect(await store.labelValues('nothing', ALL, 10)).toEqual({ values: [], omitted: 0, complete: true });
      const a = { ...ALL, matchers: [{ name: 'service_name', op: '=' as const, value: 'a' }] };
      expect(await store.labelValues('pid', a, 10)).toEqual({
        values: ['1', '2'],
        omitted: 0,
        complete: true,
      });
    });

    it('expires by age and level; a segment goes with the last profile that names it', async () => {
      await open();
      const day = 86_400_000;
      const old = profile({
        start: NOON - 40 * day,
        segments: [segment('1').id, segment('2').id],
        facets: { pid: ['1'] },
      });
      const rolled = profile({ start: NOON - 40 * day, segments: [segment('4').id], level: 60 });
      const young = profile({
        start: NOON,
        segments: [segment('2').id, segment('3').id],
        labels: { service_name: 'b' },
      });
      await store.append({
        segments: ['1', '2', '3', '4'].map(id => segment(id)),
        profiles: [old, young],
      });
      await rollUp(store, [rolled]);
      // Segments carry the time of writing until a profile names them: "now" lies after it.
      const kept = { maxAge: { 0: 0, 60: 0 }, maxBytes: 0 };
      expect(await store.expire({ maxAge: { 0: 5 * day }, maxBytes: 0 }, NOON)).toMatchObject({
        profiles: 1,
      });
      expect(await collect(store)).toEqual([young]);
      expect(await collect(store, { level: 60 })).toEqual([rolled]);
      expect((await store.readSegments([segment('2').id, segment('3').id, segment('4').id])).size).toBe(3);
      expect((await store.labelValues('pid', ALL, 10)).values).toEqual([]);
      const gone = await store.expire(kept, Date.UTC(2100, 0));
      expect(gone.profiles).toBe(2);
      expect(await collect(store)).toEqual([]);
      expect(await store.stats()).toMatchObject({ profiles: 0, segments: 0, series: 0, oldest: null });
      await expect(
        store.append({ segments: [], profiles: [{ ...young, id: 'again' }] }),
      ).rejects.toMatchObject({
        code: 'SW_SEGMENT_UNKNOWN',
      });
      await store.append({ segments: [segment('2'), segment('3')], profiles: [young] });
      expect(await collect(store)).toEqual([young]);
    });

    it('shrinks to the size it is given, oldest first', async () => {
      await open();
      const day = 86_400_000;
      const MiB = 1024 * 1024;
      const noise = () => new Uint8Array(randomBytes(MiB / 2));
      for (let index = 0; index < 8; index++) {
        const start = NOON + index * day;
        const on = new Date(start).toISOString().slice(0, 10);
        const own = { ...segment(String(index)), day: on, bytes: noise() };
        own.id = own.id.replace('20260601', on.replaceAll('-', ''));
        await store.append({
          segments: [own],
          profiles: [profile({ start, segments: [own.id], rows: noise() })],
        });
      }
      await factory.settle?.();
      expect((await store.stats()).bytes).toBeGreaterThan(8 * MiB);
      const gone = await store.expire({ maxAge: {}, maxBytes: 5 * MiB }, NOON + 10 * day);
      expect(gone.profiles).toBeGreaterThanOrEqual(3);
      expect(gone.bytes).toBeGreaterThan(3 * MiB);
      const { bytes, profiles } = await store.stats();
      expect(bytes).toBeLessThanOrEqual(5 * MiB);
      expect(profiles).toBe(8 - gone.profiles);
      expect((await collect(store)).map(one => one.start)).toEqual(
        Array.from({ length: profiles }, (_, index) => NOON + (gone.profiles + index) * day),
      );
    });

    it('expires while profiles come in and are read, without losing any of them', async () => {
      await open();
      const old = Array.from({ length: 3000 }, (_, index) =>
        profile({ start: index, segments: [segment('1').id] }),
      );
      await store.append({ segments: [segment('1')], profiles: old });
      const expiry = store.expire({ maxAge: { 0: 1000 }, maxBytes: 0 }, NOON);
      let stored = 0;
      for (let index = 0; index < 20; index++) {
        const fresh = profile({ segments: [segment('1').id] });
        try {
          await store.append({ segments: [], profiles: [fresh] });
        } catch (error) {
          expect(error).toMatchObject({ code: 'SW_SEGMENT_UNKNOWN' });
          await store.append({ segments: [segment('1')], profiles: [fresh] });
        }
        stored++;
        for (const one of await collect(store, { from: NOON }))
          expect((await store.readSegments(one.segments)).size).toBe(1);
      }
      expect((await expiry).profiles).toBe(3000);
      expect(await collect(store)).toHaveLength(stored);
    });

    describe('rollups', () => {
      const minute = 60_000;
      const everything = { from: 0, until: Date.UTC(2100, 0) };
      const stale = async () =>
        (await store.rollups.stale(everything, 1000)).map(({ level, start }) => [level, start - NOON]);
      const bucketOf = (service: string, start = NOON, level = 60): Bucket => ({
        level,
        start,
        partition: partitionOf('', service),
      });

      it('are stale from the first profile on, at every level, once', async () => {
        await open();
        expect(await stale()).toEqual([]);
        await store.append({
          segments: [],
          profiles: [profile({ start: NOON + 61_000 }), profile({ start: NOON + 119_999 }), profile()],
        });
        expect(await stale()).toEqual([
          [86_400, DAY - NOON],
          [60, 0],
          [600, 0],
          [3600, 0],
          [60, minute],
        ]);
        expect(await store.rollups.stale({ from: NOON + minute, until: NOON + minute + 1 }, 10)).toEqual([
          bucketOf('a', DAY, 86_400),
          bucketOf('a', NOON, 600),
          bucketOf('a', NOON, 3600),
          bucketOf('a', NOON + minute),
        ]);
        expect(await store.rollups.stale(everything, 1)).toEqual([bucketOf('a', DAY, 86_400)]);
      });

      it('take the place of those of before, and are found by level and reach', async () => {
        await open();
        await store.append({ segments: [segment('1')], profiles: [profile()] });
        const narrow = profile({ level: 60, segments: [segment('1').id], total: 1n });
        const wide = profile({
          level: 60,
          wide: true,
          labels: { service_name: 'a' },
          segments: [segment('2').id],
        });
        expect(await rollUp(store, [narrow, wide], [segment('2')])).toBe(true);
        expect(await stale()).toEqual([
          [86_400, DAY - NOON],
          [600, 0],
          [3600, 0],
        ]);
        expect(await collect(store, { level: 60 })).toEqual([narrow]);
        expect(await collect(store, { level: 60, wide: true })).toEqual([wide]);
        expect((await store.readSegments(wide.segments)).size).toBe(1);
        // Not stale: nothing to finish.
        expect(await rollUp(store, [narrow])).toBe(false);

        await store.append({ segments: [], profiles: [profile({ start: NOON + 1 })] });
        expect(await stale()).toHaveLength(LEVELS.length);
        const more = { ...narrow, total: 2n };
        expect(await rollUp(store, [more])).toBe(true);
        expect(await collect(store, { level: 60 })).toEqual([more]);
        expect(await store.timeline({ ...ALL, level: 60 }, minute, [])).toEqual([
          { labels: {}, times: [NOON], totals: [2n], counts: [1], profiles: 1 },
        ]);
      });

      it('do not count as whole when a profile came while they were made', async () => {
        await open();
        await store.append({ segments: [], profiles: [profile()] });
        const ticket = await store.rollups.begin(bucketOf('a'));
        // To another bucket: of no concern.
        await store.append({ segments: [], profiles: [profile({ start: NOON + 5 * minute })] });
        const late = await store.rollups.begin(bucketOf('a'));
        expect(await store.rollups.finish(ticket, { segments: [], profiles: [] })).toBe(true);
        expect(await store.rollups.finish(late, { segments: [], profiles: [] })).toBe(false);

        await store.append({ segments: [], profiles: [profile()] });
        const again = await store.rollups.begin(bucketOf('a'));
        await store.append({ segments: [], profiles: [profile()] });
        expect(await store.rollups.finish(again, { segments: [], profiles: [profile({ level: 60 })] })).toBe(
          false,
        );
        expect((await stale()).filter(([level]) => level === 60)).toEqual([
          [60, 0],
          [60, 5 * minute],
        ]);
        expect(await rollUp(store, [profile({ level: 60 })])).toBe(true);
      });

      it('that are past their time are forgotten, and marked again when something comes', async () => {
        await open();
        await store.append({ segments: [], profiles: [profile()] });
        expect(await store.rollups.abandon(60, NOON)).toBe(0);
        expect(await store.rollups.abandon(60, NOON + 1)).toBe(1);
        expect((await stale()).map(([level]) => level).sort()).toEqual([...LEVELS.slice(1)].sort());
        for (const level of LEVELS.slice(1)) expect(await store.rollups.abandon(level, NOON + 1)).toBe(1);
        expect(await stale()).toEqual([]);
        await store.append({ segments: [], profiles: [profile()] });
        expect(await stale()).toHaveLength(LEVELS.length);
      });

      it('are selected by parts of the services', async () => {
        await open();
        const services = Array.from({ length: 40 }, (_, index) => `service-${index}`);
        await store.append({
          segments: [],
          profiles: services.map(service_name => profile({ labels: { service_name } })),
        });
        const wanted = [1, 5, 9];
        const found = await collect(store, { partitions: wanted });
        expect(found.map(({ labels }) => labels.service_name).sort()).toEqual(
          services.filter(service => wanted.includes(partitionOf('', service))).sort(),
        );
        expect(found.length).toBeGreaterThan(0);
      });
    });

    it('leases work to one at a time', async () => {
      await open();
      const { leases } = store;
      const first = await Promise.all(
        ['a', 'b', 'c', 'd'].map(holder => leases.acquire('work', holder, 60_000)),
      );
      expect(first.filter(Boolean)).toHaveLength(1);
      const holder = 'abcd'[first.indexOf(true)]!;
      expect(await leases.acquire('work', 'e', 60_000)).toBe(false);
      expect(await leases.acquire('work', holder, 1)).toBe(true);
      expect(await leases.acquire('other', 'e', 60_000)).toBe(true);
      await new Promise(resolve => setTimeout(resolve, 20));
      expect(await leases.acquire('work', 'e', 60_000)).toBe(true);
      await leases.release('work', holder);
      expect(await leases.acquire('work', holder, 60_000)).toBe(false);
      await leases.release('work', 'e');
      expect(await leases.acquire('work', holder, 60_000)).toBe(true);
    });

    it('keeps tenants apart, and deletes one, or a service of one, with its symbols', async () => {
      await open();
      const of = (tenant: string, service_name: string, id: string) => ({
        segment: { ...segment(id), tenant, service: service_name },
        profile: profile({
          tenant,
          labels: { service_name },
          segments: [segment(id).id],
          facets: { pid: [id] },
        }),
      });
      const all = [of('', 'a', '1'), of('x', 'a', '2'), of('x', 'b', '3'), of('y', 'a', '4')];
      await store.append({ segments: all.map(one => one.segment), profiles: all.map(one => one.profile) });
      const wide = profile({ tenant: 'x', level: 60, wide: true, labels: { service_name: 'a' } });
      await rollUp(store, [wide]);
      const ids = async (tenant: string | null) =>
        (await collect(store, { tenant })).map(({ id }) => id).sort();
      const expected = (...rows: number[]) => rows.map(row => all[row]!.profile.id).sort();
      expect(await ids('')).toEqual(expected(0));
      expect(await ids('x')).toEqual(expected(1, 2));
      expect(await ids(null)).toEqual(expected(0, 1, 2, 3));
      expect(await store.labelValues('service_name', { ...ALL, tenant: 'x' }, 10)).toMatchObject({
        values: ['a', 'b'],
      });
      expect(await store.labelValues('pid', { ...ALL, tenant: 'y' }, 10)).toMatchObject({ values: ['4'] });
      expect(await store.types({ ...ALL, tenant: 'z' })).toEqual([]);

      expect(await store.delete({ tenant: 'x', service: 'a' })).toEqual({ profiles: 2, segments: 1 });
      expect(await ids(null)).toEqual(expected(0, 2, 3));
      expect([...(await store.readSegments(all.map(one => one.segment.id))).keys()].sort()).toEqual(
        [0, 2, 3].map(row => all[row]!.segment.id).sort(),
      );
      expect(await collect(store, { tenant: 'x', level: 60, wide: true })).toEqual([]);
      expect(await store.delete({ tenant: 'x' })).toEqual({ profiles: 1, segments: 1 });
      expect(await store.delete({ tenant: 'x' })).toEqual({ profiles: 0, segments: 0 });
      expect(await ids(null)).toEqual(expected(0, 3));
      // What was known before is not taken for there.
      await expect(
        store.append({ segments: [], profiles: [{ ...all[1]!.profile, id: 'again' }] }),
      ).rejects.toMatchObject({ code: 'SW_SEGMENT_UNKNOWN' });
      await store.append({ segments: [all[1]!.segment], profiles: [all[1]!.profile] });
      expect(await ids('x')).toEqual(expected(1));
    });

    describe('debug files', () => {
      const keep = async (content: string, over: Partial<DebugFile> = {}): Promise<StagedFile> => {
        const staged = await store.debugFiles.stage(chunks(content), 1000);
        await staged.keep(debugFile(over));
        return staged;
      };

      it('are seen when they are kept, whole and with their hash, also after a restart', async () => {
        await open();
        const staged = await store.debugFiles.stage(chunks('one ', '', 'two'), 7);
        expect(staged).toMatchObject({
          size: 7,
          sha256: createHash('sha256').update('one two').digest('hex'),
        });
        expect(contentOf(await staged.open())).toBe('one two');
        expect(await store.debugFiles.list()).toEqual([]);
        await staged.keep(debugFile());
        const kept = { ...debugFile(), size: 7, sha256: staged.sha256 };
        for (const again of [false, true]) {
          if (again) {
            await store.close();
            store = await factory.reopen();
          }
          expect(await store.debugFiles.list()).toEqual([kept]);
          expect(contentOf((await store.debugFiles.open(kept))!)).toBe('one two');
        }
      });

      it('take the place of what had the same build id and role', async () => {
        await open();
        await keep('old');
        await keep('code', { role: 'executable', kind: 'dynsym' });
        const [old] = await store.debugFiles.list();
        await keep('new', { kind: 'symtab', used: NOON + 1 });
        const files = await store.debugFiles.list();
        expect(files.map(({ role, kind, used }) => [role, kind, used])).toEqual([
          ['debug', 'symtab', NOON + 1],
          ['executable', 'dynsym', NOON],
        ]);
        expect(contentOf((await store.debugFiles.open(files[0]!))!)).toBe('new');
        expect(await store.debugFiles.open(old!)).toBeNull();
        // The same content again is there still.
        await keep('new');
        expect(contentOf((await store.debugFiles.open(files[0]!))!)).toBe('new');
      });

      it('are not there when they are too large, broken off, or discarded', async () => {
        await open();
        await expect(store.debugFiles.stage(chunks('12345', '6'), 5)).rejects.toMatchObject({
          code: 'SW_DEBUGINFO_TOO_LARGE',
        });
        await expect(store.debugFiles.stage(chunks('1', new Error('gone')), 5)).rejects.toThrow('gone');
        const staged = await store.debugFiles.stage(chunks('12345'), 5);
        await staged.discard();
        await expect(staged.open()).rejects.toThrow();
        expect(await store.debugFiles.list()).toEqual([]);
      });

      it('are touched and deleted', async () => {
        await open();
        await keep('one');
        await keep('two', { buildId: '0011223344556677', role: 'executable' });
        const files = await store.debugFiles.list();
        expect(files.map(({ buildId }) => buildId)).toEqual(['0011223344556677', 'aabbccdd00112233']);
        await store.debugFiles.touch([files[1]!], NOON + 5);
        expect((await store.debugFiles.list()).map(({ used }) => used)).toEqual([NOON, NOON + 5]);
        // Another file by now: what was meant is gone.
        await store.debugFiles.delete({ ...files[0]!, sha256: '0'.repeat(64) });
        expect(await store.debugFiles.list()).toHaveLength(2);
        await store.debugFiles.delete(files[0]!);
        await store.debugFiles.delete(files[0]!);
        expect((await store.debugFiles.list()).map(({ buildId }) => buildId)).toEqual(['aabbccdd00112233']);
        expect(await store.debugFiles.open(files[0]!)).toBeNull();
      });

      it('have no name that a caller chose', async () => {
        await open();
        for (const buildId of ['../../../../tmp/x', 'AABBCCDD', 'aabbccdd/..', '']) {
          const staged = await store.debugFiles.stage(chunks('x'), 5);
          await expect(staged.keep(debugFile({ buildId }))).rejects.toThrow();
          await staged.discard();
        }
        expect(await store.debugFiles.list()).toEqual([]);
      });
    });
  });
}
