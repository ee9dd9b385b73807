// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Delta, decode, encode, Merger } from '#native/profile';
import { decodePprof } from '../helpers/pprof.js';
import { arbitraryColumns, arbitrarySamples, type MadeSample } from './columns.js';
import { goProfiles } from './go-profiles.js';
import { pprofOf } from './stored.js';

const TYPES = ['alloc', 'inuse'];
const COUNTERS = ['alloc'];
const WINDOW = { timeNanos: 1_800_000_000_000_000_000n, durationNanos: 15_000_000_000n };

const profile = (...samples: [stack: string, alloc: number, inuse: number][]) =>
  pprofOf(
    samples.map(([stack, ...values]) => ({ stack: stack.split(' '), values: values.map(BigInt) })),
    TYPES,
  );
const rows = ({ pprof }: { pprof: Uint8Array }) =>
  decodePprof(pprof)
    .samples.map(({ frames, values }) => [frames.map(({ name }) => name).join(' '), ...values])
    .sort();

describe('what a profile adds to the one before', () => {
  it('is the growth of counters by stack; the rest is a snapshot; the first tells nothing of its counters', async () => {
    const delta = new Delta({ counters: COUNTERS });
    const first = await delta.add(await profile(['b a', 100, 7], ['c a', 50, 0]), WINDOW);
    expect(first).toMatchObject({ first: true, restarted: false, samples: 1 });
    expect(rows(first)).toEqual([['b a', 7]]);
    expect(decodePprof(first.pprof).types).toEqual(['inuse/nanoseconds']);
    const second = await delta.add(await profile(['c a', 50, 0], ['b a', 130, 5], ['d', 8, 8]), WINDOW);
    expect(second).toMatchObject({ first: false, restarted: false, samples: 2 });
    expect(rows(second)).toEqual([
      ['b a', 30, 5],
      ['d', 8, 8],
    ]);
    expect(delta.size.stacks).toBe(3);
    const columns = await decode(second.pprof);
    expect(columns).toMatchObject(WINDOW);
    // Of c there is nothing left, not even its name.
    expect(columns.strings).not.toContain('c');
    expect(columns.functions.name.length).toBe(3);
  });

  it('takes a process that started again whole, and rounding for what it is', async () => {
    const delta = new Delta({ counters: COUNTERS });
    await delta.add(await profile(['a', 1_000_000, 1], ['b', 400_000, 1]));
    const noise = await delta.add(await profile(['a', 1_200_000, 1], ['b', 399_999, 1]));
    expect(noise.restarted).toBe(false);
    expect(rows(noise)).toEqual([
      ['a', 200_000, 1],
      ['b', 0, 1],
    ]);
    const restarted = await delta.add(await profile(['a', 2_000_000, 1], ['b', 3, 1]));
    expect(restarted).toMatchObject({ restarted: true, first: false });
    expect(rows(restarted)).toEqual([
      ['a', 2_000_000, 1],
      ['b', 3, 1],
    ]);
    // A stack that is missing is one that has fallen to nothing.
    expect(await delta.add(await profile(['b', 3, 1]))).toMatchObject({ restarted: true });
  });

  it('keeps samples apart by labels, and sums those that are alike', async () => {
    const delta = new Delta({ counters: COUNTERS });
    const sample = (alloc: bigint, size: bigint): MadeSample => ({
      stack: ['a'],
      values: [alloc, 0n],
      labels: { bytes: size },
    });
    await delta.add(await pprofOf([sample(5n, 16n), sample(6n, 32n), sample(4n, 16n)], TYPES));
    const next = await delta.add(await pprofOf([sample(20n, 16n), sample(7n, 32n)], TYPES));
    expect((await decode(next.pprof)).labels.num).toEqual(BigInt64Array.of(16n, 32n));
    expect(decodePprof(next.pprof).samples.map(({ values }) => values)).toEqual([
      [11, 0],
      [1, 0],
    ]);
  });

  it('goes on after what is no profile, and forgets when told to', async () => {
    const delta = new Delta({ counters: COUNTERS, limits: { maxSamples: 2 } });
    await delta.add(await profile(['a', 10, 0]));
    await expect(delta.add(Buffer.from('<html>'))).rejects.toMatchObject({ code: 'SW_PPROF_INVALID' });
    await expect(delta.add(await profile(['a', 1, 0], ['b', 1, 0], ['c', 1, 0]))).rejects.toMatchObject({
      code: 'SW_PPROF_LIMIT',
    });
    expect(rows(await delta.add(await profile(['a', 12, 0])))).toEqual([['a', 2, 0]]);
    await delta.forget();
    expect(delta.size).toEqual({ stacks: 0, bytes: 0 });
    expect(await delta.add(await profile(['a', 15, 0]))).toMatchObject({ first: true, samples: 0 });
    expect(() => new Delta({} as { counters: string[] })).toThrow(TypeError);
  });

  it('drops comments that would be taken for an agent’s', async () => {
    const delta = new Delta({ counters: [] });
    const { pprof } = await delta.add(await pprofOf([{ stack: ['[lib.so] no_symbols'], values: [1n] }]));
    expect(Object.keys(decodePprof(pprof).comments)).toEqual([]);
  });
});

describe('laws', () => {
  it('what counters grow by adds up to how far they got', async () => {
    const count = fc.bigInt({ min: 0n, max: 1n << 40n });
    // Reasons of unnamed frames are an agent's comments, which are dropped.
    const named = arbitrarySamples.map(samples =>
      samples.map(sample => ({
        ...sample,
        stack: sample.stack.filter(name => !name.startsWith('[lib.so] ')),
      })),
    );
    const steps = named.chain(samples =>
      fc
        .array(fc.array(count, { minLength: samples.length, maxLength: samples.length }), {
          minLength: 1,
          maxLength: 5,
        })
        .map(growth => ({ samples, growth })),
    );
    await fc.assert(
      fc.asyncProperty(steps, async ({ samples, growth }) => {
        const delta = new Delta({ counters: ['cpu'] });
        const sum = samples.map(() => 0n);
        const now = () => pprofOf(samples.map((sample, i) => ({ ...sample, values: [sum[i]!] })));
        await delta.add(await now());
        const all = new Merger();
        for (const step of growth) {
          for (const [i, more] of step.entries()) sum[i]! += more;
          const grown = await delta.add(await now());
          expect(grown.restarted).toBe(false);
          if (grown.samples > 0) await all.addPprof(grown.pprof);
        }
        const whole = new Merger();
        await whole.addPprof(await now());
        const tree = async (merger: Merger) => {
          const { depth, self, functions, function: row } = await merger.flamegraph();
          return [...depth].map((d, i) => [d, functions.name[row[i]!], self[i]]);
        };
        expect(await tree(all)).toEqual(await tree(whole));
      }),
      { numRuns: 100 },
    );
  });

  it('whatever a profile holds, what comes out is one', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryColumns, arbitraryColumns, async (a, b) => {
        const delta = new Delta({
          counters: [...new Set(a.sampleTypes.map(({ type }) => a.strings[type]!))],
        });
        for (const columns of [a, b, a]) {
          const grown = await delta.add(await encode(columns)).catch(error => {
            expect(error.code).toMatch(/^SW_PPROF_/);
            return null;
          });
          if (grown !== null)
            expect((await decode(grown.pprof)).samples.labelOffset.length).toBe(grown.samples + 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a heap profile of Go is its own successor, with nothing allocated', async () => {
    const { heap } = goProfiles();
    const delta = new Delta({ counters: ['alloc_objects', 'alloc_space'] });
    const first = await delta.add(heap);
    expect(first.program).toMatch(/workload$/);
    const { restarted, samples, pprof } = await delta.add(heap);
    expect({ restarted, samples }).toEqual({ restarted: false, samples: first.samples });
    const decoded = decodePprof(pprof);
    const sum = (profile: typeof decoded) =>
      profile.types.map((_, t) => profile.samples.reduce((total, { values }) => total + values[t]!, 0));
    const [objects, space, ...inuse] = sum(decoded);
    expect([objects, space]).toEqual([0, 0]);
    expect(inuse).toEqual(sum(decodePprof(heap)).slice(2));
    expect(pprof.length).toBeLessThan(heap.length * 10);
  });
});
