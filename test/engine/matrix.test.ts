// SPDX-License-Identifier: Apache-2.0
// Functions by replicate: what a comparison takes its statistics from.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FunctionMatrix, Merger, SymbolWriter } from '#native/profile';
import { arbitrarySamples, type MadeSample } from './columns.js';
import { merged, written } from './stored.js';

/** Sums of these are exact as doubles, and do not cancel out: what does is in no tree. */
const small = (samples: MadeSample[]) =>
  samples.map(one => ({ ...one, values: one.values.map(v => (v < 0n ? -v : v) % 1_000_000n) }));
const samples = arbitrarySamples.map(small);

type Replicate = { side: 'left' | 'right'; samples: MadeSample[] };

async function matrixOf(replicates: Replicate[], functions = 1000): Promise<FunctionMatrix> {
  const writer = new SymbolWriter();
  const merger = new Merger({ sampleLabels: false });
  for (const [row, { side, samples }] of replicates.entries()) {
    const batch = await written(writer, samples);
    if (batch.segment !== null) await merger.addSegment(batch.segment.id, batch.segment.bytes);
    await merger.addProfiles(batch.profiles.slice(0, 1), { side, replicates: Uint32Array.of(row) });
  }
  return (await merger.diff({ functions })).matrix!;
}

/** Self and total by function, the same way for a matrix and for `top`. */
function byName(
  { name, file, reason }: FunctionMatrix['functions'],
  self: Float64Array,
  total: Float64Array,
): Map<string, string> {
  const sums = new Map<string, string>();
  for (const row of name.keys())
    if (total[row] !== 0) sums.set(`${name[row]} ${file[row]} ${reason[row]}`, `${self[row]} ${total[row]}`);
  return sums;
}

const column = (all: Float64Array, rows: number, columns: number, at: number) =>
  Float64Array.from({ length: rows }, (_, row) => all[row * columns + at]!);

describe('matrix', () => {
  it('has of each replicate what a merge of it alone has', async () => {
    const replicate = fc.record({
      side: fc.constantFrom<'left' | 'right'>('left', 'right'),
      samples,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(replicate, { minLength: 1, maxLength: 5 }), async replicates => {
        const { functions, replicates: found } = await matrixOf(replicates);
        const count = functions.name.length;
        const columns = found.sum.length;
        for (const [at, { samples }] of replicates.entries()) {
          const top = await (await merged([await written(new SymbolWriter(), samples)])).top();
          const want = byName(top.functions, top.self, top.total);
          if (at >= columns) {
            expect(want.size).toBe(0);
            continue;
          }
          expect(found.sum[at]).toBe(Number(top.sum));
          const self = column(found.self, count, columns, at);
          const total = column(found.total, count, columns, at);
          expect(byName(functions, self, total)).toEqual(want);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('adds up to the sides', async () => {
    await fc.assert(
      fc.asyncProperty(samples, samples, async (left, right) => {
        const {
          left: a,
          right: b,
          replicates,
        } = await matrixOf([
          { side: 'left', samples: left },
          { side: 'right', samples: right },
        ]);
        const columns = replicates.sum.length;
        for (const [row, value] of a.self.entries()) {
          const both = (all: Float64Array) => [0, 1].map(at => (at < columns ? all[row * columns + at] : 0));
          expect(both(replicates.self)).toEqual([value, b.self[row]]);
          expect(both(replicates.total)).toEqual([a.total[row], b.total[row]]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('keeps the functions that weigh most on either side', async () => {
    const { functions, omitted } = await matrixOf(
      [
        {
          side: 'left',
          samples: [
            { stack: ['a'], values: [98n] },
            { stack: ['b'], values: [2n] },
          ],
        },
        {
          side: 'right',
          samples: [
            { stack: ['c'], values: [9n] },
            { stack: ['b'], values: [1n] },
          ],
        },
      ],
      2,
    );
    expect(functions.name).toEqual(['a', 'c']);
    expect(omitted).toBe(1);
  });

  it('counts a function that calls itself once', async () => {
    const { functions, replicates } = await matrixOf([
      { side: 'left', samples: [{ stack: ['f', 'g', 'f'], values: [5n] }] },
    ]);
    expect([functions.name, [...replicates.self], [...replicates.total]]).toEqual([
      ['f', 'g'],
      [5, 0],
      [5, 5],
    ]);
  });

  it('refuses replicates that it has no room for', async () => {
    const merger = new Merger({ sampleLabels: false });
    await expect(merger.addProfiles([], { replicates: Uint32Array.of(1) })).rejects.toThrow(
      'one for each profile',
    );
    await expect(
      merger.addProfiles([{ segments: [], rows: new Uint8Array() }], { replicates: Uint32Array.of(4096) }),
    ).rejects.toThrow('below 4096');
  });
});
