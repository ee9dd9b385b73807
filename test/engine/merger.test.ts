// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, type FlameColumns, Matcher, Merger, SymbolWriter } from '#native/profile';
import { arbitrarySamples, type MadeSample } from './columns.js';
import { EXPORT, merged, pprofOf, written } from './stored.js';

/** Names and totals of a flame graph, indented. */
const drawing = (flame: FlameColumns) =>
  [...flame.depth].map(
    (depth, i) =>
      `${' '.repeat(depth)}${flame.functions.name[flame.function[i]!]} ${flame.total[i]} ${flame.self[i]}`,
  );

const batchesOf = async (pushes: MadeSample[][]) => {
  const writer = new SymbolWriter();
  const batches = [];
  for (const push of pushes) batches.push(await written(writer, push));
  return batches;
};

const stacks: MadeSample[] = [
  { stack: ['c', 'b', 'a'], values: [50n], labels: { pid: '1', phase: 'blocked' } },
  { stack: ['b', 'a'], values: [20n], labels: { pid: '1' } },
  { stack: ['d', 'a'], values: [25n], labels: { pid: '2', phase: 'runqueue' } },
  { stack: ['a', 'b', 'a'], values: [5n], labels: { thread_id: 7n } },
];

describe('flamegraph', () => {
  it('is a preorder with children in the order of their names', async () => {
    const flame = await (await merged(await batchesOf([stacks]))).flamegraph();
    expect(drawing(flame)).toEqual([
      'total 100 0',
      ' a 100 0',
      '  b 75 20',
      '   a 5 5',
      '   c 50 50',
      '  d 25 25',
    ]);
    expect([...flame.start]).toEqual([0, 0, 0, 0, 5, 75]);
    expect(flame.sum).toBe(100n);
    expect(flame.functions.file).toContain('a.c');
  });

  it('folds the smallest into one other child of each parent', async () => {
    const merger = await merged(await batchesOf([stacks]));
    expect(drawing(await merger.flamegraph({ maxNodes: 5 }))).toEqual([
      'total 100 0',
      ' a 100 0',
      '  b 75 20',
      '   other 55 55',
      '  other 25 25',
    ]);
    const least = await merger.flamegraph({ maxNodes: 1 });
    expect(drawing(least)).toEqual(['total 100 0', ' other 100 100']);
    expect(least.omittedNodes).toBe(5);
  });

  it('is empty of everything but its root without profiles', async () => {
    const flame = await new Merger().flamegraph();
    expect(drawing(flame)).toEqual(['total 0 0']);
    expect(flame.sum).toBe(0n);
  });

  it('has room for sums over 64 bits', async () => {
    const most = (1n << 63n) - 1n;
    const merger = await merged(
      await batchesOf([0, 1, 2].map(() => [{ stack: ['a'], values: [most], labels: { pid: '1' } }])),
    );
    expect((await merger.flamegraph()).sum).toBe(3n * most);
    const { samples } = await decode(await merger.pprof(EXPORT));
    expect([...samples.values].reduce((a, b) => a + b, 0n)).toBe(3n * most);
    expect([...(await merger.sumBy('pid')).total]).toEqual([most]);
  });
});

describe('laws', () => {
  const check = (property: (pushes: MadeSample[][], order: number[], maxNodes: number) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(
        fc
          .array(arbitrarySamples, { minLength: 1, maxLength: 5 })
          .chain(pushes =>
            fc.tuple(
              fc.constant(pushes),
              fc.shuffledSubarray([...pushes.keys()], { minLength: pushes.length }),
              fc.integer({ min: 2, max: 12 }),
            ),
          ),
        ([pushes, order, maxNodes]) => property(pushes, order, maxNodes),
      ),
      { numRuns: 150 },
    );

  it('the order of profiles does not matter', () =>
    check(async (pushes, order) => {
      const batches = await batchesOf(pushes);
      const merger = await merged(batches);
      const other = new Merger();
      for (const i of order.toReversed()) {
        const { segment } = batches[i]!;
        if (segment !== null) await other.addSegment(segment.id, segment.bytes);
      }
      for (const i of order) await other.addProfiles([batches[i]!.profiles[0]!]);
      expect(await other.flamegraph()).toEqual(await merger.flamegraph());
      expect(await other.top()).toEqual(await merger.top());
    }));

  it('it does not matter which writers wrote them, or whether any did', () =>
    check(async pushes => {
      const merger = await merged(await batchesOf(pushes));
      const apart = new Merger({ sampleLabels: false });
      const whole = new Merger();
      for (const push of pushes) {
        const batch = await written(new SymbolWriter(), push);
        if (batch.segment !== null) await apart.addSegment(batch.segment.id, batch.segment.bytes);
        await apart.addProfiles([batch.profiles[0]!]);
        await whole.addPprof(await pprofOf(push), { sampleType: 'cpu' });
      }
      expect(await apart.flamegraph()).toEqual(await merger.flamegraph());
      expect(await whole.flamegraph()).toEqual(await merger.flamegraph());
    }));

  it('a merge of a merge is the merge', () =>
    check(async pushes => {
      const merger = await merged(await batchesOf(pushes));
      const again = new Merger();
      await again.addPprof(await merger.pprof({ ...EXPORT, sampleLabels: true }));
      expect(await again.flamegraph()).toEqual(await merger.flamegraph());
      expect(await again.sumBy('pid')).toEqual(await merger.sumBy('pid'));
    }));

  it('the total never changes, and nothing is drawn twice or outside of its parent', () =>
    check(async (pushes, _, maxNodes) => {
      // Doubles must add up exactly here, so values stay small and positive.
      const small = pushes.map(push => push.map(s => ({ ...s, values: [BigInt.asUintN(20, s.values[0]!)] })));
      const merger = await merged(await batchesOf(small));
      const total = small.flat().reduce((sum, s) => sum + s.values[0]!, 0n);
      for (const flame of [await merger.flamegraph(), await merger.flamegraph({ maxNodes })]) {
        expect(flame.sum).toBe(total);
        expect(flame.total[0]).toBe(Number(total));
        expect(flame.self.reduce((a, b) => a + b, 0)).toBe(Number(total));
        const path: number[] = [];
        const inside: number[] = [...flame.self];
        flame.depth.forEach((depth, i) => {
          path.length = depth;
          const parent = path.at(-1);
          expect(i === 0 || parent !== undefined).toBe(true);
          if (parent !== undefined) {
            expect(flame.start[i]).toBeGreaterThanOrEqual(flame.start[parent]!);
            expect(flame.start[i]! + flame.total[i]!).toBeLessThanOrEqual(
              flame.start[parent]! + flame.total[parent]!,
            );
            inside[parent]! += flame.total[i]!;
          }
          path.push(i);
        });
        expect(inside).toEqual([...flame.total]);
      }
      const folded = await merger.flamegraph({ maxNodes });
      expect(folded.depth.length).toBeLessThanOrEqual(maxNodes);
      const whole = await merger.flamegraph();
      const others = [...folded.function].filter(f => folded.functions.name[f] === 'other').length;
      expect(folded.depth.length - others + folded.omittedNodes).toBe(whole.depth.length);
    }));
});

describe('top', () => {
  it('counts a function once in each sample, however often it recurs', async () => {
    const { functions, self, total, sum } = await (await merged(await batchesOf([stacks]))).top();
    expect(sum).toBe(100n);
    expect(functions.name.map((name, i) => [name, self[i], total[i]])).toEqual([
      ['a', 5, 100],
      ['b', 20, 75],
      ['c', 50, 50],
      ['d', 25, 25],
    ]);
  });
});

describe('sample labels', () => {
  const sumOf = async (
    ...matchers: ConstructorParameters<typeof Merger>[0] extends infer O | undefined
      ? O extends { matchers?: infer M }
        ? Exclude<M, undefined>
        : never
      : never
  ) => (await (await merged(await batchesOf([stacks]), { matchers, sampleLabels: false })).top()).sum;

  it('select rows', async () => {
    expect(await sumOf({ name: 'pid', op: '=', value: '1' })).toBe(70n);
    expect(await sumOf({ name: 'pid', op: '!=', value: '1' })).toBe(30n);
    expect(await sumOf({ name: 'pid', op: '=', value: '' })).toBe(5n);
    expect(await sumOf({ name: 'pid', op: '=~', value: '1|2' })).toBe(95n);
    expect(await sumOf({ name: 'phase', op: '!~', value: 'run.*' })).toBe(75n);
    expect(await sumOf({ name: 'thread_id', op: '=', value: '7' })).toBe(5n);
    expect(
      await sumOf({ name: 'pid', op: '=', value: '1' }, { name: 'phase', op: '=', value: 'blocked' }),
    ).toBe(50n);
    expect(await sumOf({ name: 'nothing', op: '=~', value: '.*' })).toBe(100n);
    expect(await sumOf({ name: 'nothing', op: '=~', value: '.+' })).toBe(0n);
  });

  it('are summed by value', async () => {
    const merger = await merged(await batchesOf([stacks, stacks]));
    const { value, total } = await merger.sumBy('pid');
    expect(value).toEqual(['', '1', '2']);
    expect([...total]).toEqual([10n, 140n, 50n]);
  });

  it('cannot be had apart when they were not kept', async () => {
    const merger = new Merger({ sampleLabels: false });
    await expect(merger.pprof({ ...EXPORT, sampleLabels: true })).rejects.toBeInstanceOf(TypeError);
    await expect(merger.pprof(EXPORT)).resolves.toBeDefined();
  });
});

describe('Matcher', () => {
  it.each([
    ['=', 'a.c', ['a.c', 'abc', ''], [1, 0, 0]],
    ['!=', 'a', ['a', 'b', ''], [0, 1, 1]],
    ['=~', 'a.c', ['a.c', 'abc', 'xabc', 'abcx', 'a\nc'], [1, 1, 0, 0, 1]],
    ['!~', 'a|b', ['a', 'b', 'ab', ''], [0, 0, 1, 1]],
    ['=~', '', ['', 'x'], [1, 0]],
    ['=~', 'ü.', ['üß', 'ü'], [1, 0]],
  ] as const)('%s %j', (op, value, values, expected) => {
    expect([...new Matcher(op, value).test([...values])]).toEqual(expected);
  });

  it.each(['(', '[a', 'a{2,1}', '(?=x)', '\\1', '*'])('refuses %s', value => {
    const code = expect.objectContaining({
      code: 'SW_QUERY_INVALID',
      details: { reason: expect.any(String) },
    });
    expect(() => new Matcher('=~', value)).toThrow(code);
    expect(() => new Merger({ matchers: [{ name: 'pid', op: '!~', value }] })).toThrow(code);
  });

  it('cannot be made slow', () => {
    const started = performance.now();
    expect([...new Matcher('=~', '(a*)*b').test(['a'.repeat(100_000)])]).toEqual([0]);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('refuses other operators and values that are no strings', () => {
    expect(() => new Matcher('~' as '=', 'x')).toThrow(expect.objectContaining({ code: 'SW_QUERY_INVALID' }));
    expect(() => new Matcher('=', 'x').test([1 as unknown as string])).toThrow(TypeError);
  });
});

describe('objects', () => {
  it('refuse to be something else', () => {
    const { add } = SymbolWriter.prototype;
    expect(() => add.call(new Merger() as never, new Uint8Array())).toThrow(TypeError);
    expect(() => add.call({} as never, new Uint8Array())).toThrow(TypeError);
    expect(() =>
      Object.getOwnPropertyDescriptor(Merger.prototype, 'size')!.get!.call(new SymbolWriter()),
    ).toThrow(TypeError);
    expect(() => (Merger as unknown as () => void)()).toThrow(TypeError);
    expect(() => new SymbolWriter().commit('1' as never)).toThrow(TypeError);
    class Named extends Merger {}
    expect(new Named().size.stacks).toBe(0);
  });

  it('take many at once as one after another, but for what is damaged', { timeout: 60_000 }, async () => {
    const writer = new SymbolWriter();
    const batches = [];
    // More than is decoded ahead, of segments and of rows.
    for (let i = 0; i < 12; i++)
      batches.push(
        await written(
          writer,
          Array.from({ length: 20_000 }, (_, j) => ({
            stack: [`function ${i} ${(j * 7919) % 10_007}`, `caller ${j % 97}`, 'main'],
            values: [BigInt((j * 104_729) % 1_000_003)],
          })),
        ),
      );
    const segments = batches.map(({ segment }) => segment!);
    const profiles = batches.map(batch => batch.profiles[0]!);
    expect(segments.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeGreaterThan(4 << 16);
    const one = new Merger();
    for (const { id, bytes } of segments) await one.addSegment(id, bytes);
    for (const profile of profiles) await one.addProfiles([profile]);
    const many = new Merger();
    const cut = { ...segments[5]!, bytes: segments[5]!.bytes.subarray(0, 100) };
    const first = await many.addSegments([...segments.slice(0, 5), cut, ...segments.slice(6)]);
    expect(first).toEqual({ damaged: [cut.id] });
    expect([many.hasSegment(cut.id), many.hasSegment(segments[6]!.id)]).toEqual([false, true]);
    expect((await many.addProfiles(profiles)).damaged).toContain(5);
    // What is there is left alone.
    expect(await many.addSegments(segments)).toEqual({ damaged: [] });
    const whole = new Merger();
    expect(await whole.addSegments(segments)).toEqual({ damaged: [] });
    const bad = { ...profiles[3]!, rows: profiles[3]!.rows.subarray(0, 100) };
    expect(await whole.addProfiles([...profiles.slice(0, 3), bad, ...profiles.slice(3)])).toEqual({
      damaged: [3],
    });
    expect(await whole.top()).toEqual(await one.top());
    expect(await whole.addSegments([])).toEqual({ damaged: [] });
    expect(await whole.addProfiles([])).toEqual({ damaged: [] });
  });

  it('answer calls in their order', async () => {
    const [batch] = await batchesOf([stacks]);
    const merger = new Merger();
    const before = merger.top();
    const added = merger.addSegment(batch!.segment!.id, batch!.segment!.bytes);
    expect(merger.hasSegment(batch!.segment!.id)).toBe(false);
    const profiles = merger.addProfiles(batch!.profiles);
    const failed = merger.addPprof(new Uint8Array());
    const after = merger.top();
    expect((await before).sum).toBe(0n);
    await added;
    expect(merger.hasSegment(batch!.segment!.id)).toBe(true);
    expect(await profiles).toEqual({ damaged: [] });
    await expect(failed).rejects.toMatchObject({ code: 'SW_PPROF_INVALID' });
    expect((await after).sum).toBe(100n);
    expect(merger.size).toMatchObject({ rows: 4, stacks: 4, truncated: 0 });
    await expect(merger.addPprof(await pprofOf(stacks), { sampleType: 'heap' })).rejects.toMatchObject({
      code: 'SW_QUERY_INVALID',
    });
  });
});
