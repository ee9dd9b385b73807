// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes: an answer or an error of ours, in bounded time and memory. script/test-asan runs this, too.
import { createGzip, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decode, encode, Merger, SymbolWriter } from '#native/profile';
import { columnsOf } from './columns.js';
import { number, packed, parts, small, varint } from './message.js';
import { EXPORT, merged, pprofOf, written } from './stored.js';

const CODES = ['SW_PPROF_INVALID', 'SW_PPROF_LIMIT'];

/** Fails unless it resolves, or rejects with one of ours. */
async function survives(answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer;
    return true;
  } catch (error) {
    expect(CODES).toContain((error as { code?: string }).code);
    return false;
  }
}

/** A sequence that is the same in every run (Numerical Recipes' generator). */
function* random(seed: number): Generator<number, never> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

function mutate(data: Uint8Array, rng: Generator<number, never>): Uint8Array {
  const bytes = [...data];
  const pick = (n: number) => Math.floor(rng.next().value * n);
  for (let n = 1 + pick(4); n > 0 && bytes.length > 0; n--) {
    const at = pick(bytes.length);
    const kind = pick(5);
    if (kind === 0) bytes[at] = pick(256);
    if (kind === 1) bytes[at]! ^= 1 << pick(8);
    if (kind === 2) bytes.splice(at, 1 + pick(8));
    if (kind === 3) bytes.splice(at, 0, ...bytes.slice(pick(bytes.length), pick(bytes.length)));
    if (kind === 4) bytes.splice(at, 0, 0xff, 0xff, 0xff, 0xff, pick(256));
  }
  return Uint8Array.from(bytes);
}

const rich = () =>
  columnsOf(
    [
      { stack: ['a', 'b', '[lib.so] no_symbols'], values: [1n, -2n], labels: { pid: '1', thread_id: 5n } },
      { stack: ['c', 'b'], values: [1n << 40n, 3n], labels: { pid: '2' } },
      { stack: [], values: [5n, 6n] },
    ],
    ['x', 'y'],
  );

describe('pprof', () => {
  it('cut at every byte', async () => {
    const message = await encode(rich(), { gzipLevel: 0 });
    const compressed = await encode(rich(), { gzipLevel: 9 });
    for (let n = 0; n < message.length; n++) await survives(decode(message.subarray(0, n)));
    for (let n = 0; n < compressed.length; n++)
      expect(await survives(decode(compressed.subarray(0, n)))).toBe(false);
  });

  it('mutated thousands of times', async () => {
    const rng = random(1);
    const message = await encode(rich(), { gzipLevel: 0 });
    let read = 0;
    for (let i = 0; i < 5000; i++) {
      const bytes = mutate(message, rng);
      const writer = new SymbolWriter();
      const merger = new Merger();
      const answers = await Promise.all([
        survives(decode(bytes).then(columns => encode(columns))),
        survives(writer.add(bytes)),
        survives(merger.addPprof(bytes).then(() => merger.flamegraph())),
      ]);
      if (answers[0]) read++;
    }
    // Some are still profiles, most are not: else this tests nothing.
    expect(read).toBeGreaterThan(50);
    expect(read).toBeLessThan(4950);
  });

  it('a gzip bomb is refused with little memory', async () => {
    const parts: Buffer[] = [];
    const gzip = createGzip({ level: 9 });
    gzip.on('data', part => parts.push(part as Buffer));
    const zeros = Buffer.alloc(1 << 20);
    for (let i = 0; i < 1024; i++)
      if (!gzip.write(zeros)) await new Promise(resolve => gzip.once('drain', resolve));
    await new Promise<void>(resolve => gzip.end(resolve));
    const bomb = Buffer.concat(parts);
    expect(bomb.length).toBeLessThan(2 << 20);
    const before = process.memoryUsage().rss;
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 1);
    await expect(decode(bomb)).rejects.toMatchObject({
      code: 'SW_PPROF_LIMIT',
      details: { limit: 'bytes', max: 64 << 20 },
    });
    clearInterval(timer);
    // Twice the bound: growing a buffer holds the old one for a moment.
    expect(peak - before).toBeLessThan(160 << 20);
  }, 120_000);

  it('a string of 10 MB', async () => {
    const data = await encode(columnsOf([{ stack: ['x'.repeat(10 << 20)], values: [1n] }]));
    await expect(decode(data)).rejects.toMatchObject({
      code: 'SW_PPROF_LIMIT',
      details: { limit: 'bytes of a string' },
    });
    const read = await decode(data, { maxStringBytes: 11 << 20 });
    expect(read.strings.some(s => s.length === 10 << 20)).toBe(true);
  });

  it('a hundred thousand labels', async () => {
    const labels = Array.from({ length: 100_000 }, () => number(1, 1));
    const data = Uint8Array.from([
      ...parts.strings('k'),
      ...parts.sampleType(0, 0),
      ...parts.sample([], [1], ...labels),
    ]);
    await expect(decode(data)).rejects.toMatchObject({
      code: 'SW_PPROF_LIMIT',
      details: { limit: 'labels of a sample' },
    });
    expect((await decode(data, { maxLabels: 100_000 })).labels.key.length).toBe(100_000);
  });

  it('ten million labels of one sample', async () => {
    const labels = Buffer.alloc(20_000_000, Buffer.from([0x1a, 0x00]));
    const body = Buffer.concat([Buffer.from(packed(2, [1])), labels]);
    const head = [...parts.strings('k'), ...parts.sampleType(0, 0)];
    const data = Buffer.concat([Buffer.from([...head, 0x12, ...varint(body.length)]), body]);
    const started = performance.now();
    await expect(new SymbolWriter().add(gzipSync(data))).rejects.toMatchObject({
      code: 'SW_PPROF_LIMIT',
      details: { limit: 'labels of a sample', max: 64 },
    });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('empty messages by the million make no more columns than their limits', async () => {
    const many = (fields: number[]) => Buffer.alloc(20 << 20, Buffer.from(fields));
    const head = Buffer.from(parts.strings('k'));
    for (const [fields, limit] of [
      [[0x0a, 0x00], 'sampleTypes'],
      [[0x12, 0x00], 'samples'],
      [[0x32, 0x00], 'strings'],
      [[0x6a, 0x02, 0x00, 0x00], 'comments'],
    ] as const) {
      const answer = decode(Buffer.concat([head, many([...fields])]));
      // Not the answer itself: to print it when this fails would take minutes.
      await expect(answer.then(() => limit)).rejects.toMatchObject({ code: 'SW_PPROF_LIMIT' });
    }
  });

  it('a stack of a million frames is cut', async () => {
    const ids = packed(1, new Array(1_000_000).fill(1));
    const data = Uint8Array.from([...parts.strings(), ...parts.sampleType(0, 0), ...parts.location(1)]);
    const sample = Buffer.from(ids);
    const body = Buffer.concat([sample, Buffer.from(packed(2, [9]))]);
    const field = Buffer.concat([
      Buffer.from([0x12, 0x80 | (body.length & 0x7f), 0x80 | ((body.length >> 7) & 0x7f), body.length >> 14]),
      body,
    ]);
    const merger = new Merger();
    await merger.addPprof(gzipSync(Buffer.concat([data, field])));
    expect(merger.size).toMatchObject({ truncated: 1, stacks: 1 });
    const flame = await merger.flamegraph();
    expect(flame.depth.length).toBe(1025);
    expect(flame.total.at(-1)).toBe(9);
  });

  it('many at once', async () => {
    const answers = Array.from({ length: 200 }, (_, i) =>
      survives(decode(i % 2 ? small() : small().subarray(0, i % 70))),
    );
    expect((await Promise.all(answers)).filter(Boolean).length).toBeGreaterThanOrEqual(100);
  });
});

describe('what is stored', () => {
  const sources = async () => {
    const batch = await written(new SymbolWriter(), [
      { stack: ['a', 'b', '[lib.so] no_symbols'], values: [1n], labels: { pid: '1', thread_id: 5n } },
      { stack: ['c', 'b'], values: [1n << 40n], labels: { pid: '2' } },
    ]);
    return { segment: batch.segment!, profile: batch.profiles[0]! };
  };

  it('a segment with any byte changed, cut or under another id is refused and changes nothing', async () => {
    const { segment, profile } = await sources();
    const merger = new Merger();
    const refuse = async (id: string, bytes: Uint8Array) =>
      expect(merger.addSegment(id, bytes)).rejects.toMatchObject({
        code: 'SW_SEGMENT_DAMAGED',
        details: { id: expect.stringContaining(id) },
      });
    for (let i = 0; i < segment.bytes.length; i++) {
      await refuse(segment.id, segment.bytes.subarray(0, i));
      await refuse(
        segment.id,
        segment.bytes.map((byte, j) => (i === j ? byte ^ 0x41 : byte)),
      );
    }
    await refuse('0'.repeat(32), segment.bytes);
    await refuse(segment.id, profile.rows);
    expect(merger.hasSegment(segment.id)).toBe(false);
    expect(await merger.addProfiles([profile])).toEqual({ damaged: [0] });
    await merger.addSegment(segment.id, segment.bytes);
    expect(await merger.addProfiles([profile])).toEqual({ damaged: [] });
    expect(merger.size).toMatchObject({ stacks: 2 });
  });

  it('damaged rows are left out, the others are not', async () => {
    const { segment, profile } = await sources();
    const merger = new Merger();
    await merger.addSegment(segment.id, segment.bytes);
    const damaged = [...profile.rows.keys()].flatMap(i => [
      { ...profile, rows: profile.rows.subarray(0, i) },
      { ...profile, rows: profile.rows.map((byte, j) => (i === j ? byte ^ 0x41 : byte)) },
    ]);
    const answer = await merger.addProfiles([
      profile,
      ...damaged,
      { ...profile, segments: [] },
      { ...profile, segments: ['x'] },
      profile,
    ]);
    expect(answer.damaged).toEqual(Array.from({ length: damaged.length + 2 }, (_, i) => i + 1));
    expect((await merger.top()).sum).toBe(2n * profile.total);
  });

  it('rows that point past the end of another segment are damaged', async () => {
    const { profile } = await sources();
    const other = await written(new SymbolWriter(), [{ stack: ['x'], values: [1n] }]);
    const merger = await merged([other]);
    expect(await merger.addProfiles([{ ...profile, segments: [other.segment!.id] }])).toEqual({
      damaged: [0],
    });
    expect((await merger.top()).sum).toBe(1n);
  });

  it('arguments of the wrong kind', async () => {
    const merger = new Merger();
    for (const wrong of [
      undefined,
      {},
      [1],
      [{ segments: 'x', rows: new Uint8Array() }],
      [{ segments: [], rows: [] }],
    ])
      await expect(merger.addProfiles(wrong as never)).rejects.toBeInstanceOf(TypeError);
    await expect(merger.pprof({ ...EXPORT, period: 1 as never })).rejects.toBeInstanceOf(TypeError);
    await expect(merger.pprof({ ...EXPORT, period: 1n << 63n })).rejects.toBeInstanceOf(TypeError);
    await expect(merger.addPprof(await pprofOf([]), 5 as never)).rejects.toBeInstanceOf(TypeError);
  });
});
