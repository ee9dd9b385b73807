// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Batch, decode, Merger, type RolledUp, SymbolWriter, sumProfiles } from '#native/profile';
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
async function mergedRollup(rolled: RolledUp, batches: Batch[]): Promise<Merger> {
  const merger = new Merger();
  for (const { segment } of batches) if (segment !== null) await merger.addSegment(segment.id, segment.bytes);
  if (rolled.segment !== null) await merger.addSegment(rolled.segment.id, rolled.segment.bytes);
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
        expect(rolled).toMatchObject({ total, segment: null, damaged: [] });
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
  it('keeps stacks and the labels that are asked for', () =>
    fc.assert(
      fc.asyncProperty(arbitraryWriters, async writers => {
        const batches = await batchesOf(writers);
        const rolled = await (await merged(batches)).rollUp({ labels: ['phase'], segmentPrefix: PREFIX });
        const samples = writers.flat(2).map(sample => ({
          ...sample,
          labels: Object.fromEntries(Object.entries(sample.labels ?? {}).filter(([key]) => key === 'phase')),
        }));
        const merger = await mergedRollup(rolled, batches);
        const expected = model(samples, true);
        const actual = await content(merger, true);
        expect([...actual.values()].reduce((sum, value) => sum + value, 0n)).toBe(
          [...expected.values()].reduce((sum, value) => sum + value, 0n),
        );
        expect(await content(merger, false)).toEqual(await content(await merged(batches), false));
      }),
      { numRuns: 60 },
    ));

  it('names each stack once, in as few segments as there need be', async () => {
    const same: MadeSample[] = [
      { stack: ['b', 'a'], values: [3n], labels: { pid: '1', phase: 'blocked' } },
      { stack: ['b', 'a'], values: [4n], labels: { pid: '2', phase: 'blocked' } },
      { stack: ['b', 'a'], values: [5n], labels: { pid: '2' } },
    ];
    const batches = await batchesOf([[same], [[...same, { stack: ['c', 'a'], values: [1n] }]]]);
    const rolled = await (await merged(batches)).rollUp({ labels: ['phase'], segmentPrefix: PREFIX });
    expect(rolled).toMatchObject({ rowCount: 3, total: 25n });
    expect(rolled.segments).toHaveLength(2);
    expect(rolled.segments[0]).toBe(batches[1]!.segment!.id);
    expect(rolled.segment!.id.startsWith(PREFIX)).toBe(true);
    expect(await content(await mergedRollup(rolled, batches), true)).toEqual(
      new Map([
        [JSON.stringify([['b', 'a'], [['phase', 'string', 'blocked']]]), 14n],
        [JSON.stringify([['b', 'a'], []]), 10n],
        [JSON.stringify([['c', 'a'], []]), 1n],
      ]),
    );
    const without = await (await merged(batches)).rollUp({ labels: [], segmentPrefix: PREFIX });
    expect(without).toMatchObject({ rowCount: 2, total: 25n, segment: null });
    // The same, whatever the order: what is made twice is stored once.
    const turned = await (await merged([...batches].reverse())).rollUp({
      labels: ['phase'],
      segmentPrefix: PREFIX,
    });
    expect(turned.segments.slice(0, 1)).toEqual(rolled.segments.slice(0, 1));
  });

  it('is refused where labels were not kept', async () => {
    await expect(
      new Merger({ sampleLabels: false }).rollUp({ labels: [], segmentPrefix: '' }),
    ).rejects.toThrow(TypeError);
  });
});
