// SPDX-License-Identifier: Apache-2.0
// Names that come after profiles were stored: merger.unnamed and merger.name.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decode,
  encode,
  type FlameColumns,
  type LateNames,
  Merger,
  SymbolWriter,
  type UnnamedPlaces,
} from '#native/profile';
import { columnsOfPlaces, type Place, type Stack, type Where } from '../helpers/places.js';
import { EXPORT } from './stored.js';

const BUILD = 'aabbccdd00112233';
const at = (offset: number): Place => ({ offset, reason: 'no_symbols' });
const named = (name: string): Place => ({ name });
const columns = (stacks: Stack[], mapping?: Where & { buildId?: string; file?: string }) =>
  columnsOfPlaces(stacks, { buildId: BUILD, file: '/srv/app', ...mapping });

async function merger(stacks: Stack[], options?: ConstructorParameters<typeof Merger>[0]): Promise<Merger> {
  const { segment, profiles } = await new SymbolWriter().add(await encode(columns(stacks)));
  const made = new Merger(options);
  await made.addSegment(segment!.id, segment!.bytes);
  expect((await made.addProfiles(profiles)).damaged).toEqual([]);
  return made;
}

/** What `of` says about each place: frames, innermost first, as `function:line`. */
function names(places: UnnamedPlaces, of: (offset: number, isLeaf: boolean) => string[]): LateNames {
  const strings = [''];
  const columns = {
    name: [] as number[],
    systemName: [] as number[],
    file: [] as number[],
    line: [] as number[],
    startLine: [] as number[],
  };
  const frameOffset = [0];
  places.location.forEach((_, i) => {
    for (const frame of of(places.offset[i]!, places.isLeaf[i] === 1)) {
      const [name, line] = frame.split(':');
      columns.name.push(strings.push(name!) - 1);
      columns.systemName.push(strings.push(`_${name}`) - 1);
      columns.file.push(strings.push(`${name}.cc`) - 1);
      columns.line.push(Number(line));
      columns.startLine.push(1);
    }
    frameOffset.push(columns.name.length);
  });
  const frames = Object.fromEntries(
    Object.entries(columns).map(([key, column]) => [key, Uint32Array.from(column)]),
  ) as unknown as LateNames['frames'];
  const { location, isLeaf } = places;
  return { location, isLeaf, strings, frameOffset: Uint32Array.from(frameOffset), frames };
}

const drawing = (flame: FlameColumns) =>
  [...flame.depth].map(
    (depth, i) =>
      `${' '.repeat(depth)}${flame.functions.name[flame.function[i]!]} ${flame.total[i]} ${flame.self[i]}`,
  );

const rowsOf = ({ buildId, buildIds, offset, isLeaf }: UnnamedPlaces) =>
  [...offset]
    .map((o, i) => [buildIds[buildId[i]!], o, isLeaf[i]])
    .sort((a, b) => Number(a[1]) - Number(b[1]));

describe('a frame without a name', () => {
  it('is its place in the file, apart for each build and reason', async () => {
    const writer = new SymbolWriter();
    const made = new Merger();
    const stacks = [{ places: [at(0x10)], value: 3n }];
    const gone = [{ places: [{ offset: 0x10, reason: 'file_gone' }], value: 1n }];
    for (const pprof of [
      columns(stacks),
      columns(stacks),
      columns(gone),
      columns(stacks, { buildId: 'ff00', start: 0x400000n, offset: 0x1000n }),
      columns(stacks, { buildId: '', file: '' }),
      columns(stacks, { buildId: '', file: '[vdso]' }),
    ]) {
      const { segment, profiles } = await writer.add(await encode(pprof));
      if (segment !== null) await made.addSegment(segment.id, segment.bytes);
      await made.addProfiles(profiles);
    }
    const { functions, self } = await made.top();
    const rows = functions.name.map((name, i) => [name, functions.reason[i], functions.buildId[i], self[i]]);
    expect(rows).toEqual([
      ['[unknown]', 'no_symbols', '', 3],
      ['[vdso]', 'no_symbols', '', 3],
      ['app+0x10', 'file_gone', BUILD, 1],
      ['app+0x10', 'no_symbols', BUILD, 6],
      ['app+0x1010', 'no_symbols', 'ff00', 3],
    ]);
  });
});

describe('unnamed', () => {
  it('tells where in which file, and whether stacks end there', async () => {
    const made = await merger([
      { places: [at(0x10), at(0x20), named('main')], value: 3n },
      { places: [at(0x20), named('main')], value: 2n },
    ]);
    expect(rowsOf(await made.unnamed())).toEqual([
      [BUILD, 0x10, 1],
      [BUILD, 0x20, 0],
      [BUILD, 0x20, 1],
    ]);
  });

  it('leaves out what has a name, and what no row of the selection goes through', async () => {
    const stacks = [
      { places: [at(0x10), named('main')], value: 3n, pid: '1' },
      { places: [at(0x30), named('main')], value: 2n, pid: '2' },
    ];
    const made = await merger(stacks, { matchers: [{ name: 'pid', op: '=', value: '2' }] });
    expect(rowsOf(await made.unnamed())).toEqual([[BUILD, 0x30, 1]]);
    expect((await new Merger().unnamed()).buildIds).toEqual([]);
  });

  it('counts from the start of the file, wherever it was mapped', async () => {
    for (const mapping of [
      { start: 0x7f00_0000_0000n, limit: 0x7f00_0001_0000n, offset: 0x1000n },
      { start: 0x40_1000n, limit: 0x50_0000n, offset: 0x1000n },
    ]) {
      const made = new Merger();
      await made.addPprof(await encode(columns([{ places: [at(0x10)], value: 1n }], mapping)));
      expect(rowsOf(await made.unnamed())).toEqual([[BUILD, 0x1010, 1]]);
    }
    const outside = new Merger();
    const mapping = { start: 0x40_1000n, limit: 0x40_1008n, offset: 0n };
    await outside.addPprof(await encode(columns([{ places: [at(0x10)], value: 1n }], mapping)));
    expect((await outside.unnamed()).buildIds).toEqual([]);
  });
});

describe('name', () => {
  it('puts names and inlined calls into stacks, of leaf and caller each its own', async () => {
    const stacks = [
      { places: [at(0x10), at(0x20), named('main')], value: 3n, pid: '1' },
      { places: [at(0x20), named('main')], value: 2n, pid: '1' },
      { places: [at(0x99), named('main')], value: 1n, pid: '2' },
    ];
    for (const sampleLabels of [true, false]) {
      const made = await merger(stacks, { sampleLabels });
      const places = await made.unnamed();
      const of = (offset: number, isLeaf: boolean) =>
        offset === 0x10 ? ['inlined:1', 'work:2'] : offset === 0x20 ? [isLeaf ? 'after:3' : 'call:4'] : [];
      expect(await made.name(names(places, of))).toEqual({
        reason: ['no_symbols'],
        named: Float64Array.of(3 + 3 + 2),
        all: Float64Array.of(3 + 3 + 2 + 1),
      });
      expect(drawing(await made.flamegraph())).toEqual([
        'total 6 0',
        ' main 6 0',
        '  after 2 2',
        '  app+0x99 1 1',
        '  call 3 0',
        '   work 3 0',
        '    inlined 3 3',
      ]);
      expect(made.size.stacks).toBe(3);
      // What is left is what it was.
      expect(rowsOf(await made.unnamed())).toEqual([[BUILD, 0x99, 1]]);

      const pprof = await decode(await made.pprof({ ...EXPORT, sampleLabels }));
      expect(pprof.strings).toContain('_inlined');
      expect(pprof.strings).toContain('inlined.cc');
      expect([...pprof.mappings.flags]).toEqual([0b1111]);
      expect([...pprof.samples.values].sort()).toEqual([1n, 2n, 3n]);
      const comments = [...pprof.comments].map(row => pprof.strings[row]!);
      expect(comments.filter(comment => comment.startsWith('stackwell.reason'))).toHaveLength(1);
      const addresses = [...pprof.locations.address].filter(address => address === 0x20n);
      expect(addresses).toHaveLength(2);
    }
  });

  it('gives what would have been drawn if the names had been known', async () => {
    const place = fc.oneof(
      fc.integer({ min: 1, max: 6 }).map(offset => at(offset)),
      fc.constantFrom('a', 'b').map(named),
    );
    const stack = fc.record({
      places: fc.array(place, { minLength: 1, maxLength: 6 }),
      value: fc.bigInt({ min: -3n, max: 9n }),
      pid: fc.constantFrom('1', '2'),
    });
    // Offset 6 has no name at all, 5 none as a leaf.
    const of = (offset: number, isLeaf: boolean) =>
      offset === 6 || (isLeaf && offset === 5)
        ? []
        : [...(offset > 2 ? [`in${offset % 2}:1`] : []), `f${isLeaf ? offset % 3 : offset % 2}:1`];
    await fc.assert(
      fc.asyncProperty(
        fc.array(stack, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        async (stacks, sampleLabels) => {
          const late = await merger(stacks, { sampleLabels });
          await late.name(names(await late.unnamed(), of));
          const known = stacks.map(({ places, ...rest }) => ({
            ...rest,
            places: places.flatMap((one, depth) => {
              const frames = one.offset === undefined ? [] : of(one.offset, depth === 0);
              return frames.length === 0 ? [one] : frames.map(frame => named(frame.split(':')[0]!));
            }),
          }));
          const early = await merger(known, { sampleLabels });
          expect(drawing(await late.flamegraph())).toEqual(drawing(await early.flamegraph()));
          expect(await late.sumBy('pid')).toEqual(await early.sumBy('pid'));
        },
      ),
      {
        numRuns: 300,
        // Two places of one function, which cancel out.
        examples: [
          [
            [3, 5].map(offset => ({
              places: [named('b'), named('a'), at(offset)],
              value: BigInt(offset) - 4n,
              pid: '1',
            })),
            false,
          ],
        ],
      },
    );
  });

  it('joins what another profile could name', async () => {
    const writer = new SymbolWriter();
    const made = new Merger();
    for (const stacks of [
      [{ places: [at(0x10), named('main')], value: 3n }],
      [{ places: [named('work'), named('main')], value: 2n }],
    ]) {
      const { segment, profiles } = await writer.add(await encode(columns(stacks)));
      await made.addSegment(segment!.id, segment!.bytes);
      await made.addProfiles(profiles);
    }
    const late = names(await made.unnamed(), () => ['work:7']);
    // The one that was named before knows no file.
    late.strings = late.strings.map(text => (text === 'work.cc' ? '' : text));
    await made.name(late);
    expect(drawing(await made.flamegraph())).toEqual(['total 5 0', ' main 5 0', '  work 5 5']);
  });

  it('keeps sums exact, and rows apart by their labels', async () => {
    const most = (1n << 63n) - 1n;
    const made = await merger([
      { places: [at(0x10)], value: most, pid: '1' },
      { places: [at(0x11)], value: most, pid: '2' },
      { places: [at(0x11)], value: -5n, pid: '1' },
    ]);
    await made.name(names(await made.unnamed(), () => ['same:1']));
    const flame = await made.flamegraph();
    expect(flame.sum).toBe(2n * most - 5n);
    expect(made.size.rows).toBe(3);
    const by = await made.sumBy('pid');
    expect(by.value).toEqual(['1', '2']);
    expect([...by.total]).toEqual([most - 5n, most]);
  });

  it('takes more profiles afterwards', async () => {
    const stacks = [{ places: [at(0x10), named('main')], value: 3n }];
    const made = await merger(stacks);
    await made.name(names(await made.unnamed(), () => ['work:1']));
    await made.addPprof(await encode(columns(stacks)));
    expect(drawing(await made.flamegraph())).toEqual([
      'total 6 0',
      ' main 6 0',
      '  app+0x10 3 3',
      '  work 3 3',
    ]);
    await made.name(names(await made.unnamed(), () => ['work:1']));
    expect(drawing(await made.flamegraph())).toEqual(['total 6 0', ' main 6 0', '  work 6 6']);
  });

  it('does not make stacks deeper than they may be', async () => {
    const deep = Array.from({ length: 1000 }, (_, i) => at(0x1000 + i));
    const made = await merger([{ places: deep, value: 1n }]);
    const inlines = Array.from({ length: 100 }, (_, i) => `inlined${i}:1`);
    const { named: part, all } = await made.name(names(await made.unnamed(), () => inlines));
    expect(all[0]).toBe(1000);
    // 32,768 frames: the rest is left as it was.
    expect(part[0]).toBe(Math.floor((32_768 - 1000) / 99));
    const flame = await made.flamegraph({ maxNodes: 1 << 20 });
    expect(Math.max(...flame.depth)).toBeLessThanOrEqual(32_768);
  });

  it('refuses what does not fit', async () => {
    const made = await merger([{ places: [at(0x10)], value: 1n }]);
    const late = names(await made.unnamed(), () => ['work:1']);
    for (const bad of [
      { ...late, location: Uint32Array.of(99) },
      { ...late, frameOffset: Uint32Array.of(0, 2) },
      { ...late, frameOffset: Uint32Array.of(1) },
      { ...late, isLeaf: new Uint8Array(0) },
      { ...late, strings: [''] },
      { ...late, frames: { ...late.frames, line: new Uint32Array(0) } },
      { ...late, frames: { ...late.frames, startLine: new Uint32Array(0) } },
    ])
      await expect(made.name(bad)).rejects.toMatchObject({ code: 'SW_INTERNAL' });
    await expect(made.name({} as LateNames)).rejects.toThrow(TypeError);
    expect(drawing(await made.flamegraph())).toEqual(['total 1 0', ' app+0x10 1 1']);
  });
});
