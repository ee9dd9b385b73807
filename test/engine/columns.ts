// SPDX-License-Identifier: Apache-2.0
// Profiles as columns: from a list of samples, and arbitrary ones for properties.
import fc from 'fast-check';
import type { ProfileColumns } from '#native/profile';

export interface MadeSample {
  /** Function names, leaf first; `[lib]` is a frame of that file without a name, `[lib] reason` one with a reason. */
  stack: string[];
  /** One for each sample type. */
  values: bigint[];
  /** A number becomes a numeric label. */
  labels?: Record<string, string | bigint>;
}

/** Each name is one function, one location and, for `[lib]`, one mapping. */
export function columnsOf(samples: MadeSample[], types: string[] = ['cpu']): ProfileColumns {
  const strings = new Map([['', 0]]);
  const text = (s: string) => {
    if (!strings.has(s)) strings.set(s, strings.size);
    return strings.get(s)!;
  };
  const sampleTypes = types.map(type => ({ type: text(type), unit: text('nanoseconds') }));
  const names = [...new Set(samples.flatMap(s => s.stack))];
  const named = names.filter(name => !name.startsWith('['));
  const reasons = new Map<string, number[]>();
  const modules: string[] = [];
  const mapping: number[] = [];
  const lineOffset = [0];
  const lineFunction: number[] = [];
  names.forEach((name, row) => {
    const [, module, reason] = /^\[(.*)\](?: (.*))?$/.exec(name) ?? [];
    if (module === undefined) {
      mapping.push(-1);
      lineFunction.push(named.indexOf(name));
    } else {
      mapping.push(modules.push(`/usr/lib/${module}`) - 1);
      if (reason !== undefined) reasons.set(reason, [...(reasons.get(reason) ?? []), row + 1]);
    }
    lineOffset.push(lineFunction.length);
  });
  const labels = samples.map(s => Object.entries(s.labels ?? {}));
  const all = labels.flat();
  const offsets = (lengths: number[]) => {
    let sum = 0;
    return Uint32Array.from([0, ...lengths.map(length => (sum += length))]);
  };
  const columns: Omit<ProfileColumns, 'strings'> = {
    sampleTypes,
    periodType: { type: text('cpu'), unit: text('nanoseconds') },
    period: 10_000_000n,
    timeNanos: 1_700_000_000_000_000_000n,
    durationNanos: 10_000_000_000n,
    comments: Uint32Array.from(reasons, ([reason, ids]) =>
      text(`stackwell.reason ${reason} ${ids.join(',')}`),
    ),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: new BigUint64Array(modules.length),
      limit: new BigUint64Array(modules.length).fill(1n << 63n),
      offset: new BigUint64Array(modules.length),
      filename: Uint32Array.from(modules, text),
      buildId: new Uint32Array(modules.length),
      flags: new Uint8Array(modules.length),
    },
    functions: {
      name: Uint32Array.from(named, text),
      systemName: Uint32Array.from(named, text),
      filename: Uint32Array.from(named, name => text(`${name}.c`)),
      startLine: new BigInt64Array(named.length),
    },
    locations: {
      mapping: Int32Array.from(mapping),
      address: new BigUint64Array(names.length),
      isFolded: new Uint8Array(names.length),
      lineOffset: Uint32Array.from(lineOffset),
    },
    lines: {
      function: Int32Array.from(lineFunction),
      line: BigInt64Array.from(lineFunction, () => 1n),
      column: new BigInt64Array(lineFunction.length),
    },
    samples: {
      locationOffset: offsets(samples.map(s => s.stack.length)),
      location: Uint32Array.from(samples.flatMap(s => s.stack.map(name => names.indexOf(name)))),
      values: BigInt64Array.from(samples.flatMap(s => s.values)),
      labelOffset: offsets(labels.map(l => l.length)),
    },
    labels: {
      key: Uint32Array.from(all, ([key]) => text(key)),
      str: Uint32Array.from(all, ([, value]) => (typeof value === 'string' ? text(value) : 0)),
      num: BigInt64Array.from(all, ([, value]) => (typeof value === 'bigint' ? value : 0n)),
      numUnit: new Uint32Array(all.length),
    },
  };
  return { strings: [...strings.keys()], ...columns };
}

export const int64 = fc.oneof(
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  fc.constantFrom(0n, 1n, -1n, (1n << 63n) - 1n, -(1n << 63n)),
);
const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.constantFrom(0n, (1n << 64n) - 1n));
const sizes = fc.nat({ max: 6 });

/** Any consistent columns. */
export const arbitraryColumns: fc.Arbitrary<ProfileColumns> = fc.gen().map(g => {
  const strings = ['', ...g(fc.array, fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 10 })];
  const rows = <T>(n: number, arbitrary: fc.Arbitrary<T>): T[] =>
    Array.from({ length: n }, () => g(() => arbitrary));
  const text = fc.nat({ max: strings.length - 1 });
  const texts = (n: number) => Uint32Array.from(rows(n, text));
  const [mappings, functions, types, lines, samples, labels] = rows(6, sizes) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const locations = g(() => sizes);
  const refs = locations === 0 ? 0 : g(() => fc.nat({ max: 20 }));
  /** Splits n into `parts` runs: parts + 1 offsets. */
  const offsets = (n: number, parts: number) =>
    Uint32Array.from(
      [0, ...rows(Math.max(0, parts - 1), fc.nat({ max: n })).sort((a, b) => a - b), n].slice(0, parts + 1),
    );
  const cut = (n: number, parts: number) => (parts === 0 ? 0 : n);
  const lineCount = cut(lines, locations);
  const refCount = cut(refs, samples);
  const labelCount = cut(labels, samples);
  const valueType = fc.record({ type: text, unit: text }, { noNullPrototype: true });
  const row = (n: number) => (n === 0 ? fc.constant(-1) : fc.integer({ min: -1, max: n - 1 }));
  return {
    strings,
    sampleTypes: rows(types, valueType),
    periodType: g(() => fc.option(valueType)),
    period: g(() => int64),
    timeNanos: g(() => int64),
    durationNanos: g(() => int64),
    comments: texts(g(() => sizes)),
    defaultSampleType: g(() => text),
    dropFrames: g(() => text),
    keepFrames: g(() => text),
    docUrl: g(() => text),
    mappings: {
      start: BigUint64Array.from(rows(mappings, uint64)),
      limit: BigUint64Array.from(rows(mappings, uint64)),
      offset: BigUint64Array.from(rows(mappings, uint64)),
      filename: texts(mappings),
      buildId: texts(mappings),
      flags: Uint8Array.from(rows(mappings, fc.nat({ max: 15 }))),
    },
    functions: {
      name: texts(functions),
      systemName: texts(functions),
      filename: texts(functions),
      startLine: BigInt64Array.from(rows(functions, int64)),
    },
    locations: {
      mapping: Int32Array.from(rows(locations, row(mappings))),
      address: BigUint64Array.from(rows(locations, uint64)),
      isFolded: Uint8Array.from(rows(locations, fc.nat({ max: 1 }))),
      lineOffset: offsets(lineCount, locations),
    },
    lines: {
      function: Int32Array.from(rows(lineCount, row(functions))),
      line: BigInt64Array.from(rows(lineCount, int64)),
      column: BigInt64Array.from(rows(lineCount, int64)),
    },
    samples: {
      locationOffset: offsets(refCount, samples),
      location: Uint32Array.from(rows(refCount, fc.nat({ max: Math.max(0, locations - 1) }))),
      values: BigInt64Array.from(rows(samples * types, int64)),
      labelOffset: offsets(labelCount, samples),
    },
    labels: {
      key: texts(labelCount),
      str: texts(labelCount),
      num: BigInt64Array.from(rows(labelCount, int64)),
      numUnit: texts(labelCount),
    },
  };
});

/** A few functions, so that stacks meet; values of any size. */
export const arbitrarySamples: fc.Arbitrary<MadeSample[]> = fc.array(
  fc.record(
    {
      stack: fc.array(fc.constantFrom('a', 'b', 'c', 'd', '[lib.so]', '[lib.so] no_symbols'), {
        maxLength: 6,
      }),
      values: fc.tuple(int64),
      labels: fc.dictionary(
        fc.constantFrom('pid', 'thread_name', 'phase'),
        fc.oneof(fc.constantFrom('x', 'y', 'z'), fc.bigInt({ min: 1n, max: 3n })),
        { noNullPrototype: true },
      ),
    },
    { noNullPrototype: true },
  ),
  { maxLength: 12 },
);
