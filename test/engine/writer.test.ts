// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode, SymbolWriter } from '#native/profile';
import { arbitrarySamples, columnsOf } from './columns.js';
import { goProfiles } from './go-profiles.js';
import { EXPORT, merged, model, pprofOf, written } from './stored.js';

const both = ['cpu', 'count'];
const samples = [
  { stack: ['leaf', 'main'], values: [30n, 3n], labels: { pid: '1', thread_name: 'x' } },
  { stack: ['leaf', 'main'], values: [20n, 2n], labels: { pid: '1', thread_name: 'x' } },
  { stack: ['other', 'main'], values: [10n, 0n], labels: { pid: '2' } },
];

describe('SymbolWriter', () => {
  it('gives one stored profile for each sample type', async () => {
    const { segment, profiles, truncated } = await written(new SymbolWriter(), samples, both);
    expect(segment?.id).toMatch(/^[0-9a-f]{32}$/);
    expect(truncated).toBe(0);
    expect(profiles).toMatchObject([
      {
        sampleType: 'cpu',
        sampleUnit: 'nanoseconds',
        total: 60n,
        rowCount: 2,
        facets: { pid: ['1', '2'], thread_name: ['x'] },
      },
      {
        sampleType: 'count',
        total: 5n,
        rowCount: 1,
        facets: { pid: ['1'], thread_name: ['x'] },
        facetsOmitted: {},
      },
    ]);
    for (const profile of profiles)
      expect(profile).toMatchObject({
        segments: [segment?.id],
        period: 10_000_000n,
        periodType: 'cpu',
        timeNanos: 1_700_000_000_000_000_000n,
        durationNanos: 10_000_000_000n,
      });
  });

  it('writes symbols again until they are acknowledged, and not after', async () => {
    const writer = new SymbolWriter();
    const pprof = await pprofOf(samples, both);
    const first = await writer.add(pprof);
    const second = await writer.add(pprof);
    expect(second.segment).toEqual(first.segment);
    writer.rollback(first.ticket);
    expect((await writer.add(pprof)).segment).not.toBeNull();
    expect(writer.size.stacks).toBe(0);
    writer.commit(second.ticket);
    const third = await writer.add(pprof);
    expect(third.segment).toBeNull();
    expect(third.profiles).toEqual(second.profiles);
    expect(writer.size).toMatchObject({ stacks: 2 });
    writer.commit(999_999); // an unknown ticket means nothing
  });

  it('writes only what is new', async () => {
    const writer = new SymbolWriter();
    const first = await written(writer, samples.slice(0, 1), both);
    const second = await written(writer, samples, both);
    expect(second.segment).not.toBeNull();
    expect(second.profiles[0]?.segments).toEqual([first.segment?.id, second.segment?.id]);
    const merger = await merged([first, second]);
    expect((await merger.top()).sum).toBe(90n);
  });

  it('gives the same segment for the same content', async () => {
    const [a, b] = [
      await written(new SymbolWriter(), samples, both),
      await written(new SymbolWriter(), samples, both),
    ];
    expect(a.segment).toEqual(b.segment);
    const c = await written(new SymbolWriter(), [{ ...samples[0]!, stack: ['leaf2', 'main'] }], both);
    expect(c.segment?.id).not.toBe(a.segment?.id);
  });

  it('bounds what it remembers', async () => {
    const writer = new SymbolWriter({ maxStacks: 100 });
    for (let i = 0; i < 50; i++)
      await written(
        writer,
        Array.from({ length: 20 }, (_, j) => ({ stack: [`f${i}_${j}`], values: [1n] })),
      );
    expect(writer.size.stacks).toBeLessThanOrEqual(122); // one batch may wait to be taken in
    expect((await written(writer, [{ stack: ['f49_3'], values: [1n] }])).segment).toBeNull();
    expect((await written(writer, [{ stack: ['f0_3'], values: [1n] }])).segment).not.toBeNull();
  });

  it('names few segments, however many the stacks came in', async () => {
    const writer = new SymbolWriter();
    const batches = [];
    for (let i = 0; i < 160; i++)
      batches.push(
        await written(
          writer,
          Array.from({ length: i + 1 }, (_, j) => ({ stack: [`f${j}`, 'main'], values: [1n] })),
        ),
      );
    const most = Math.max(...batches.map(b => b.profiles[0]!.segments.length));
    expect(most).toBeGreaterThan(60);
    expect(most).toBeLessThanOrEqual(65);
    expect((await (await merged(batches)).top()).sum).toBe(BigInt((160 * 161) / 2));
  });

  it('bounds facets and says what it left out', async () => {
    const many = Array.from({ length: 10 }, (_, i) => ({
      stack: ['f'],
      values: [BigInt(i + 1)],
      labels: { thread_name: `t${i}`, pid: BigInt(i + 1), bytes: BigInt(i) },
    }));
    const { profiles } = await written(new SymbolWriter({ maxFacetValues: 3 }), many);
    const { facets, facetsOmitted } = profiles[0]!;
    expect(facets.thread_name).toEqual(['t9', 't8', 't7']);
    expect(facets.pid).toEqual(['10', '9', '8']);
    expect(Object.keys(facets).sort()).toEqual(['pid', 'thread_name']);
    expect(facetsOmitted).toEqual({ pid: 7, thread_name: 7 });
  });

  it('takes a label of any name for a property of its own', async () => {
    const columns = columnsOf([{ stack: ['f'], values: [1n], labels: { key: 'v' } }]);
    columns.strings[columns.strings.indexOf('key')] = '__proto__';
    const { profiles } = await new SymbolWriter().add(await encode(columns));
    expect(Object.getOwnPropertyNames(profiles[0]!.facets)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(profiles[0]!.facets)).toBe(Object.prototype);
  });

  it('cuts stacks that are too deep at the root end, and counts them', async () => {
    const deep = Array.from({ length: 50 }, (_, i) => `f${i}`);
    const pprof = await pprofOf([
      { stack: deep, values: [5n] },
      { stack: deep.slice(0, 10), values: [2n] },
    ]);
    const batch = await new SymbolWriter().add(pprof, { maxDepth: 10 });
    expect(batch.truncated).toBe(1);
    expect(batch.profiles[0]).toMatchObject({ rowCount: 1, total: 7n });
    const flame = await (await merged([batch])).flamegraph();
    expect(flame.functions.name.at(-1)).toBe('f0');
    expect(Math.max(...flame.depth)).toBe(10);
  });

  it('counts addresses of position-independent files from their start, so processes meet', async () => {
    const at = async (start: bigint) => {
      const columns = columnsOf([{ stack: ['[lib.so]'], values: [1n] }]);
      columns.mappings.start[0] = start;
      columns.mappings.limit[0] = start + 0x10000n;
      columns.mappings.offset[0] = 0x2000n;
      columns.locations.address[0] = start + 0x1234n;
      return (await new SymbolWriter().add(await encode(columns))).segment?.id;
    };
    expect(await at(0x7f00_1000_0000n)).toBe(await at(0x7e00_5000_0000n));
    // An executable that is linked to one address stays there.
    expect(await at(0x400000n)).not.toBe(await at(0x600000n));
  });

  it('keeps comments but for reasons, which become part of locations', async () => {
    const columns = columnsOf([{ stack: ['[lib.so] no_symbols'], values: [1n] }]);
    columns.strings.push('stackwell.clock cpu-clock');
    columns.comments = Uint32Array.of(...columns.comments, columns.strings.length - 1);
    const batch = await new SymbolWriter().add(await encode(columns));
    expect(batch.profiles[0]?.comments).toEqual(['stackwell.clock cpu-clock']);
    const merger = await merged([batch]);
    const { functions } = await merger.top();
    expect(functions).toMatchObject({ name: ['[lib.so]'], module: ['lib.so'], reason: ['no_symbols'] });
    const again = await decode(await merger.pprof(EXPORT));
    expect([...again.comments].map(i => again.strings[i])).toEqual(['stackwell.reason no_symbols 1']);
    expect([...(await decode(await merger.pprof({ ...EXPORT, reasons: false }))).comments]).toEqual([]);
  });

  it('refuses what decode refuses and remembers nothing of it', async () => {
    const writer = new SymbolWriter();
    await expect(writer.add(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({ code: 'SW_PPROF_INVALID' });
    const pprof = await pprofOf(samples, both);
    await expect(writer.add(pprof, { maxSamples: 2 })).rejects.toMatchObject({ code: 'SW_PPROF_LIMIT' });
    await expect(writer.add('x' as unknown as Uint8Array)).rejects.toBeInstanceOf(TypeError);
    expect(writer.size.stacks).toBe(0);
  });

  it('lets calls overlap', async () => {
    const writer = new SymbolWriter();
    const pprof = await pprofOf(samples, both);
    const batches = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const batch = await writer.add(pprof);
        writer.commit(batch.ticket);
        return batch;
      }),
    );
    expect(new Set(batches.map(b => b.ticket)).size).toBe(40);
    expect((await (await merged(batches)).top()).sum).toBe(40n * 60n);
  });

  it('stores rows so that they come back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitrarySamples, { maxLength: 4 }), async pushes => {
        const writer = new SymbolWriter();
        const batches = [];
        for (const push of pushes) batches.push(await written(writer, push));
        const merger = await merged(batches);
        const all = pushes.flat();
        const total = all.reduce((sum, s) => sum + s.values[0]!, 0n);
        expect(batches.reduce((sum, b) => sum + b.profiles[0]!.total, 0n)).toBe(total);
        expect((await merger.top()).sum).toBe(total);
        for (const sampleLabels of [false, true]) {
          const p = await decode(await merger.pprof({ ...EXPORT, sampleLabels }));
          const reasons = new Map<number, string>();
          for (const c of p.comments) {
            const [, reason, ids] = p.strings[c]!.split(' ');
            for (const id of ids!.split(',')) reasons.set(Number(id) - 1, reason!);
          }
          const nameOf = (location: number) => {
            const line = p.locations.lineOffset[location]!;
            if (line < p.locations.lineOffset[location + 1]!)
              return p.strings[p.functions.name[p.lines.function[line]!]!]!;
            const file = p.strings[p.mappings.filename[p.locations.mapping[location]!]!]!.split('/').pop();
            return `[${file}]${reasons.has(location) ? ` ${reasons.get(location)}` : ''}`;
          };
          const back = Array.from(p.samples.values, (value, i) => ({
            stack: [
              ...p.samples.location.slice(p.samples.locationOffset[i], p.samples.locationOffset[i + 1]),
            ].map(nameOf),
            values: [value],
            labels: Object.fromEntries(
              [...p.labels.key.slice(p.samples.labelOffset[i], p.samples.labelOffset[i + 1])].map(
                (key, j) => {
                  const at = p.samples.labelOffset[i]! + j;
                  return [
                    p.strings[key]!,
                    p.labels.str[at] === 0 ? p.labels.num[at]! : p.strings[p.labels.str[at]!]!,
                  ];
                },
              ),
            ),
          }));
          expect(model(back, sampleLabels)).toEqual(model(all, sampleLabels));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is small: a real profile whose symbols are known', async () => {
    const { cpu } = goProfiles();
    const writer = new SymbolWriter();
    writer.commit((await writer.add(cpu)).ticket);
    const { segment, profiles } = await writer.add(cpu);
    expect(segment).toBeNull();
    // Rows of both sample types together, beside the gzipped pprof.
    const bytes = profiles.reduce((sum, p) => sum + p.rows.length, 0);
    expect(bytes).toBeLessThan(cpu.length / 10);
  });
});
