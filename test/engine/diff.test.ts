// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Batch, type DiffColumns, Merger, SymbolWriter } from '#native/profile';
import { arbitrarySamples, type MadeSample } from './columns.js';
import { merged, written } from './stored.js';

async function sides(left: MadeSample[], right: MadeSample[]) {
  const batches: Batch[] = [];
  for (const samples of [left, right]) batches.push(await written(new SymbolWriter(), samples));
  const merger = new Merger();
  for (const { segment } of batches) if (segment !== null) await merger.addSegment(segment.id, segment.bytes);
  await merger.addProfiles(batches[0]!.profiles.slice(0, 1), { side: 'left' });
  await merger.addProfiles(batches[1]!.profiles.slice(0, 1), { side: 'right' });
  return { merger, left: await merged([batches[0]!]), right: await merged([batches[1]!]) };
}

const drawing = (diff: DiffColumns) =>
  [...diff.depth].map(
    (depth, row) =>
      `${' '.repeat(depth)}${diff.functions.name[diff.function[row]!]} ` +
      `${diff.left.total[row]}/${diff.left.self[row]} ${diff.right.total[row]}/${diff.right.self[row]}`,
  );

/** Sum of the values of each path, of one side. */
function paths(
  { depth, function: of, functions }: Pick<DiffColumns, 'depth' | 'function' | 'functions'>,
  self: Float64Array,
): Map<string, number> {
  const path: string[] = [];
  const sums = new Map<string, number>();
  for (const [row, at] of depth.entries()) {
    path.length = at;
    path.push(functions.name[of[row]!]!);
    const key = path.join(';');
    if (self[row] !== 0) sums.set(key, (sums.get(key) ?? 0) + self[row]!);
  }
  return sums;
}

describe('diff', () => {
  it('has both sides in one tree, as they are', async () => {
    const { merger } = await sides(
      [
        { stack: ['b', 'a'], values: [10n] },
        { stack: ['c', 'a'], values: [5n] },
      ],
      [
        { stack: ['b', 'a'], values: [30n] },
        { stack: ['d'], values: [2n] },
      ],
    );
    const diff = await merger.diff();
    expect(drawing(diff)).toEqual([
      'total 15/0 32/0',
      ' a 15/0 30/0',
      '  b 10/10 30/30',
      '  c 5/5 0/0',
      ' d 0/0 2/2',
    ]);
    expect([diff.left.sum, diff.right.sum]).toEqual([15n, 32n]);
    expect([...diff.left.start]).toEqual([0, 0, 0, 10, 15]);
    expect([...diff.right.start]).toEqual([0, 0, 0, 30, 30]);
  });

  it('keeps what is a large part of its own side, however small the side', async () => {
    const { merger } = await sides(
      [
        { stack: ['x', 'a'], values: [1000n] },
        { stack: ['y', 'a'], values: [900n] },
        { stack: ['z', 'a'], values: [10n] },
      ],
      [{ stack: ['z', 'a'], values: [3n] }],
    );
    const diff = await merger.diff({ maxNodes: 4 });
    expect(drawing(diff)).toEqual([
      'total 1910/0 3/0',
      ' a 1910/0 3/0',
      '  z 10/10 3/3',
      '  other 1900/1900 0/0',
    ]);
    expect(diff.omittedNodes).toBe(2);
  });

  it('of a profile with itself shows no difference', () =>
    fc.assert(
      fc.asyncProperty(arbitrarySamples, fc.integer({ min: 2, max: 40 }), async (samples, maxNodes) => {
        const { left, right } = await (await sides(samples, samples)).merger.diff({ maxNodes });
        expect(left).toEqual(right);
      }),
      { numRuns: 60 },
    ));

  it('says of each side what its flame graph says, and folding changes no total', () =>
    fc.assert(
      fc.asyncProperty(
        arbitrarySamples,
        arbitrarySamples,
        fc.integer({ min: 2, max: 30 }),
        async (a, b, maxNodes) => {
          const { merger, left, right } = await sides(a, b);
          const diff = await merger.diff();
          for (const [side, alone] of [
            [diff.left, left],
            [diff.right, right],
          ] as const) {
            const flame = await alone.flamegraph();
            expect(paths(diff, side.self)).toEqual(paths(flame, flame.self));
            expect(side.sum).toBe(flame.sum);
          }
          const folded = await merger.diff({ maxNodes });
          expect(folded.depth.length).toBeLessThanOrEqual(maxNodes);
          for (const side of [folded.left, folded.right]) {
            const sum = side.self.reduce((total, one) => total + one, 0);
            const size = side.self.reduce((total, one) => total + Math.abs(one), 0);
            // Doubles that are added here, not by the engine.
            expect(Math.abs(sum - Number(side.sum))).toBeLessThanOrEqual(size * 1e-12);
            expect(side.total[0]).toBe(Number(side.sum));
          }
          // What is on the right is not in what the left is asked for.
          expect((await merger.flamegraph()).sum).toBe(diff.left.sum);
          expect((await merger.top()).sum).toBe(diff.left.sum);
        },
      ),
      { numRuns: 60 },
    ));

  it('refuses a side that is none', async () => {
    const none = 'middle' as 'left';
    await expect(new Merger().addProfiles([], { side: none })).rejects.toThrow(TypeError);
  });
});
