// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Batch, decode, Merger, SymbolWriter, sumProfiles } from '#native/profile';
import { arbitrarySamples, type MadeSample } from './columns.js';
import { EXPORT, merged, model, written } from './stored.js';

const PREFIX = '20260601-0123456789abcdef-';

/** What a merged pprof says, as the model does. */
async function content(merger: Merger, sampleLabels: boolean): Promise<Map<string, bigint>> {
  const columns = await decode(await merger.pprof({ ...EXPORT, sampleLabels }));
  const { samples, locations, lines, functions, labels, strings } = columns;
  const sums = new Map<string, bigint>();
  for (let i = 0; i + 1 < samples.locationOffset.length; i++) {
    const stack = [
      ...samples.location.subarray(samples.locationOffset[i], samples.locationOffset[i + 1]),
    ].map(row => {
      const line = locations.lineOffset[row]!;
      // What has no name is told by its place.
      if (line === locations.lineOffset[row + 1]) return `at ${locations.address[row]}`;
      return strings[functions.name[lines.function[line]!]!]!;
    });
    const own: [string, string, string][] = [];
    for (let at = samples.labelOffset[i]!; at < samples.labelOffset[i + 1]!; at++) {
      const text = strings[labels.str[at]!]!;
      own.push([
        strings[labels.key[at]!]!,
        text === '' ? 'bigint' : 'string',
        text || String(labels.num[at]),
      ]);
    }
    const key = JSON.stringify([stack, own.sort(([a], [b]) => (a < b ? -1 : 1))]);
    sums.set(key, (sums.get(key) ?? 0n) + samples.values[i]!);
  }
  return sums;
}

/** Merges a rollup with the segments that there are. */
async function mergedRollup(
  rolled: { segments: string[]; rows: Uint8Array },
  batches: Batch[],
): Promise<Merger> {
  const merger = new Merger();
  for (const { segment } of batches) if (segment !== null) await merger.addSegment(segment.id, segment.bytes);
  const { damaged } = await merger.addProfiles([rolled]);
  expect(damaged).toEqual([]);
  return merger;
}

const rows = (batches: Batch[]) => batches.flatMap(batch => batch.profiles.slice(0, 1));

/** Each list of pushes is by a writer of its own: as of several servers, or of one that was started again. */
const arbitraryWriters = fc.array(fc.array(arbitrarySamples, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 3,
});

async function batchesOf(writers: MadeSample[][][]): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (const pushes of writers) {
    const writer = new SymbolWriter({ segmentPrefix: PREFIX });
    for (const push of pushes) batches.push(await written(writer, push));
  }
  return batches;
}

describe('sumProfiles', () => {
  it('says what its profiles say, whoever wrote their symbols', () =>
    fc.assert(
      fc.asyncProperty(arbitraryWriters, async writers => {
        const batches = await batchesOf(writers);
        const rolled = await sumProfiles(rows(batches));
        const samples = writers.flat(2);
        const total = samples.reduce((sum, { values }) => sum + values[0]!, 0n);
        expect(rolled).toMatchObject({ total, damaged: [] });
        expect(new Set(rolled.segments).size).toBe(rolled.segments.length);
        const merger = await mergedRollup(rolled, batches);
        expect(await content(merger, true)).toEqual(await content(await merged(batches), true));
        expect((await merger.flamegraph()).sum).toBe(total);
      }),
      { numRuns: 60 },
    ));

  it('is made of sums as of profiles: in two steps it is the same', async () => {
    const batches = await batchesOf([
      [[{ stack: ['b', 'a'], values: [3n] }], [{ stack: ['b', 'a'], values: [4n] }]],
      [[{ stack: ['c', 'a'], values: [5n], labels: { pid: '1' } }], [{ stack: ['b', 'a'], values: [6n] }]],
    ]);
    const [one, two, three, four] = rows(batches);
    const steps = await sumProfiles([await sumProfiles([one!, two!]), await sumProfiles([three!, four!])]);
    const atOnce = await sumProfiles([one!, two!, three!, four!]);
    expect(steps).toEqual(atOnce);
    // Two writers wrote b in the same segment: it is one row.
    expect(atOnce).toMatchObject({ rowCount: 2, total: 18n });
  });

  it('leaves out what is damaged, and says which', async () => {
    const [batch] = await batchesOf([[[{ stack: ['a'], values: [1n] }]]]);
    const good = batch!.profiles[0]!;
    const bad = { ...good, rows: good.rows.map((byte, at) => (at === 9 ? byte ^ 255 : byte)) };
    const rolled = await sumProfiles([bad, good, { ...good, segments: [] }]);
    expect(rolled).toMatchObject({ total: 1n, damaged: [0, 2] });
  });

  it('is empty for nothing', async () => {
    expect(await sumProfiles([])).toMatchObject({ total: 0n, rowCount: 0, segments: [] });
  });
});

describe('rollUp of a merger', () => {
  /** What was added, with this label only. */
  const withPhases = async (batches: Batch[]) => {
    const merger = new Merger({ sampleLabels: ['phase'] });
    for (const { segment } of batches)
      if (segment !== null) await merger.addSegment(segment.id, segment.bytes);
    await merger.addProfiles(rows(batches));
    return merger;
  };

  it('keeps stacks and the labels that are asked for', () =>
    fc.assert(
      fc.asyncProperty(arbitraryWriters, async writers => {
        const batches = await batchesOf(writers);
        const made = await (await withPhases(batches)).rollUp(new SymbolWriter({ segmentPrefix: PREFIX }));
        const samples = writers.flat(2).map(sample => ({
          ...sample,
          labels: Object.fromEntries(Object.entries(sample.labels ?? {}).filter(([key]) => key === 'phase')),
        }));
        const merger = await mergedRollup(made.profiles[0]!, [made]);
        const expected = model(samples, true);
        const actual = await content(merger, true);
        expect([...actual.values()].reduce((sum, value) => sum + value, 0n)).toBe(
          [...expected.values()].reduce((sum, value) => sum + value, 0n),
        );
        expect(await content(merger, false)).toEqual(await content(await merged(batches), false));
      }),
      { numRuns: 60 },
    ));

  it('names each stack with each kept label set once, and writes what the writer has not', async () => {
    const same: MadeSample[] = [
      { stack: ['b', 'a'], values: [3n], labels: { pid: '1', phase: 'blocked' } },
      { stack: ['b', 'a'], values: [4n], labels: { pid: '2', phase: 'blocked' } },
      { stack: ['b', 'a'], values: [5n], labels: { pid: '2' } },
    ];
    const batches = await batchesOf([[same], [[...same, { stack: ['c', 'a'], values: [1n] }]]]);
    const writer = new SymbolWriter({ segmentPrefix: PREFIX });
    const made = await (await withPhases(batches)).rollUp(writer);
    writer.commit(made.ticket);
    const [rolled] = made.profiles;
    expect(rolled).toMatchObject({ rowCount: 3, total: 25n, segments: [made.segment!.id] });
    expect(made.segment!.id.startsWith(PREFIX)).toBe(true);
    expect(await content(await mergedRollup(rolled!, [made]), true)).toEqual(
      new Map([
        [JSON.stringify([['b', 'a'], [['phase', 'string', 'blocked']]]), 14n],
        [JSON.stringify([['b', 'a'], []]), 10n],
        [JSON.stringify([['c', 'a'], []]), 1n],
      ]),
    );
    const again = await (await withPhases([...batches].reverse())).rollUp(writer);
    expect(again).toMatchObject({ segment: null, profiles: [{ segments: [made.segment!.id] }] });
  });

  it('brings together what is spread over many segments, for the profiles that come next', async () => {
    const writer = new SymbolWriter({ segmentPrefix: PREFIX });
    const batches = [];
    const all: MadeSample[] = [];
    for (let i = 0; i < 40; i++) {
      const sample: MadeSample = { stack: [`f${i}`, 'main'], values: [1n], labels: { phase: `p${i % 2}` } };
      all.push(sample);
      batches.push(await written(writer, [sample]));
    }
    const before = (await written(writer, all)).profiles[0]!.segments.length;
    expect(before).toBe(40);
    const made = await (await withPhases(batches)).rollUp(writer);
    writer.commit(made.ticket);
    expect(made.profiles[0]!.segments).toHaveLength(9);
    expect(made.segment!.id).toBe(made.profiles[0]!.segments.at(-1));
    const after = await written(writer, all);
    expect(after.segment).toBeNull();
    expect(after.profiles[0]!.segments.length).toBeLessThanOrEqual(9);
    expect(await content(await mergedRollup(after.profiles[0]!, [...batches, made]), true)).toEqual(
      model(all, true),
    );
  });

  it('keeps why something has no name', async () => {
    const batches = await batchesOf([
      [
        [
          { stack: ['a', '[lib.so] no_symbols'], values: [3n] },
          { stack: ['[lib.so]'], values: [1n] },
          { stack: ['[other.so] jit_unknown'], values: [2n] },
        ],
      ],
    ]);
    const made = await (await withPhases(batches)).rollUp(new SymbolWriter());
    const { functions } = await (await mergedRollup(made.profiles[0]!, [made])).top();
    expect([...functions.reason].sort()).toEqual(['', '', 'jit_unknown', 'no_symbols']);
  });

  it('is empty for nothing', async () => {
    const made = await new Merger().rollUp(new SymbolWriter());
    expect(made).toMatchObject({ segment: null, profiles: [{ total: 0n, rowCount: 0, segments: [] }] });
  });

  it('is refused where labels were not kept, and without a writer', async () => {
    const writer = new SymbolWriter();
    await expect(new Merger({ sampleLabels: false }).rollUp(writer)).rejects.toThrow(TypeError);
    await expect(new Merger().rollUp({} as SymbolWriter)).rejects.toThrow(TypeError);
  });
});
