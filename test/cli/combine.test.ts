// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode, Merger, type ProfileColumns } from '#native/profile';
import { combineTypes } from '../../src/cli/combine.js';

/** A profile of one type whose stacks are lists of function names, leaf first. */
function columnsOf(
  type: string,
  samples: { stack: string[]; value: number; thread: string }[],
): ProfileColumns {
  const strings = [''];
  const text = (value: string) => {
    const known = strings.indexOf(value);
    return known >= 0 ? known : strings.push(value) - 1;
  };
  const names = [...new Set(samples.flatMap(sample => sample.stack))];
  const sampleType = { type: text(type), unit: text('nanoseconds') };
  const offsets = (sizes: number[]) => {
    const out = new Uint32Array(sizes.length + 1);
    for (const [i, size] of sizes.entries()) out[i + 1] = out[i]! + size;
    return out;
  };
  return {
    strings,
    sampleTypes: [sampleType],
    periodType: sampleType,
    period: 1n,
    timeNanos: 5n,
    durationNanos: 7n,
    comments: Uint32Array.of(text(`stackwell.samples ${samples.length}`)),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: BigUint64Array.of(0n),
      limit: BigUint64Array.of(2n ** 63n),
      offset: BigUint64Array.of(0n),
      filename: Uint32Array.of(text(`/${type}`)),
      buildId: Uint32Array.of(0),
      flags: Uint8Array.of(1),
    },
    functions: {
      name: Uint32Array.from(names, text),
      systemName: new Uint32Array(names.length),
      filename: new Uint32Array(names.length),
      startLine: new BigInt64Array(names.length),
    },
    locations: {
      mapping: new Int32Array(names.length),
      address: BigUint64Array.from(names, (_, i) => BigInt(i + 1)),
      isFolded: new Uint8Array(names.length),
      lineOffset: offsets(names.map(() => 1)),
    },
    lines: {
      function: Int32Array.from(names, (_, i) => i),
      line: BigInt64Array.from(names, (_, i) => BigInt(i)),
      column: new BigInt64Array(names.length),
    },
    samples: {
      locationOffset: offsets(samples.map(sample => sample.stack.length)),
      location: Uint32Array.from(samples.flatMap(sample => sample.stack.map(name => names.indexOf(name)))),
      values: BigInt64Array.from(samples, sample => BigInt(sample.value)),
      labelOffset: offsets(samples.map(() => 1)),
    },
    labels: {
      key: Uint32Array.from(samples, () => text('thread_name')),
      str: Uint32Array.from(samples, sample => text(sample.thread)),
      num: new BigInt64Array(samples.length),
      numUnit: new Uint32Array(samples.length),
    },
  };
}

const sample = fc.record({
  stack: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 }),
  value: fc.integer({ min: 1, max: 1_000_000 }),
  thread: fc.constantFrom('x', 'y'),
});

/** Self and total by function of one sample type of a file. */
async function topOf(pprof: Uint8Array, sampleType: string) {
  const merger = new Merger();
  await merger.addPprof(pprof, { sampleType });
  const { functions, self, total, sum } = await merger.top();
  const rows = functions.name.map((name, i) => [name, self[i], total[i]]).sort();
  return { sum, rows };
}

describe('several types in one file', () => {
  test('each type is in it as it was alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sample, { minLength: 1 }),
        fc.array(sample, { minLength: 1 }),
        async (cpu, off) => {
          const apart = [columnsOf('cpu', cpu), columnsOf('offcpu', off)];
          const together = await encode(combineTypes(apart));
          for (const [i, type] of ['cpu', 'offcpu'].entries())
            expect(await topOf(together, type)).toEqual(await topOf(await encode(apart[i]!), type));
          const read = await decode(together);
          expect(read.sampleTypes.map(({ type }) => read.strings[type])).toEqual(['cpu', 'offcpu']);
          expect([...read.comments].map(row => read.strings[row])).toEqual([
            `stackwell.samples ${cpu.length}`,
            `stackwell.samples ${off.length}`,
          ]);
          expect(read.samples.locationOffset.length - 1).toBe(cpu.length + off.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('one profile stays as it is', () => {
    const only = columnsOf('cpu', [{ stack: ['a'], value: 1, thread: 'x' }]);
    expect(combineTypes([only])).toBe(only);
  });
});
