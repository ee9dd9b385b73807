// SPDX-License-Identifier: Apache-2.0
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode, type Limits } from '#native/profile';
import { arbitraryColumns, columnsOf } from './columns.js';
import { bytes, number, packed, parts, small, unknown, varint } from './message.js';

const decodeParts = (...fields: number[][]) => decode(Uint8Array.from(fields.flat()));

describe('decode', () => {
  it('reads every field', async () => {
    const p = await decodeParts(
      parts.strings('type', 'unit', 'name', 'system', 'file', 'build', 'key', 'value', 'comment'),
      bytes(1, [...number(1, 1), ...number(2, 2)]),
      bytes(2, [
        ...packed(1, [5]),
        ...packed(2, [-3]),
        ...bytes(3, [...number(1, 7), ...number(2, 8), ...number(3, -9), ...number(4, 2)]),
      ]),
      bytes(3, [
        ...number(1, 1),
        ...number(2, 0x1000),
        ...number(3, 0x2000),
        ...number(4, 0x30),
        ...number(5, 5),
        ...number(6, 6),
        ...[7, 8, 9, 10].flatMap(flag => number(flag, flag === 9 ? 0 : 1)),
      ]),
      bytes(4, [
        ...number(1, 5),
        ...number(2, 1),
        ...number(3, 0xffff_ffff_8100_0000n),
        ...bytes(4, [...number(1, 6), ...number(2, 12), ...number(3, 34)]),
        ...bytes(4, []),
        ...number(5, 1),
      ]),
      bytes(5, [...number(1, 6), ...number(2, 3), ...number(3, 4), ...number(4, 5), ...number(5, -7)]),
      number(7, 1),
      number(8, 2),
      number(9, -11),
      number(10, 22),
      bytes(11, [...number(1, 2), ...number(2, 1)]),
      number(12, 33),
      packed(13, [9]),
      number(14, 3),
      number(15, 4),
    );
    expect(p).toEqual({
      strings: ['', 'type', 'unit', 'name', 'system', 'file', 'build', 'key', 'value', 'comment'],
      sampleTypes: [{ type: 1, unit: 2 }],
      periodType: { type: 2, unit: 1 },
      period: 33n,
      timeNanos: -11n,
      durationNanos: 22n,
      comments: Uint32Array.of(9),
      defaultSampleType: 3,
      dropFrames: 1,
      keepFrames: 2,
      docUrl: 4,
      mappings: {
        start: BigUint64Array.of(0x1000n),
        limit: BigUint64Array.of(0x2000n),
        offset: BigUint64Array.of(0x30n),
        filename: Uint32Array.of(5),
        buildId: Uint32Array.of(6),
        flags: Uint8Array.of(0b1011),
      },
      functions: {
        name: Uint32Array.of(3),
        systemName: Uint32Array.of(4),
        filename: Uint32Array.of(5),
        startLine: BigInt64Array.of(-7n),
      },
      locations: {
        mapping: Int32Array.of(0),
        address: BigUint64Array.of(0xffff_ffff_8100_0000n),
        isFolded: Uint8Array.of(1),
        lineOffset: Uint32Array.of(0, 2),
      },
      lines: {
        function: Int32Array.of(0, -1),
        line: BigInt64Array.of(12n, 0n),
        column: BigInt64Array.of(34n, 0n),
      },
      samples: {
        locationOffset: Uint32Array.of(0, 1),
        location: Uint32Array.of(0),
        values: BigInt64Array.of(-3n),
        labelOffset: Uint32Array.of(0, 1),
      },
      labels: {
        key: Uint32Array.of(7),
        str: Uint32Array.of(8),
        num: BigInt64Array.of(-9n),
        numUnit: Uint32Array.of(2),
      },
    });
  });

  it('takes repeated numbers packed, unpacked and mixed', async () => {
    const ids = [1, 2, 3].map(id => parts.location(id));
    const types = parts.sampleType(0, 0);
    const of = async (sample: number[]) =>
      (await decodeParts(parts.strings(), types, types, ...ids, bytes(2, sample))).samples;
    const expected = await of([...packed(1, [1, 2, 3]), ...packed(2, [4, -5])]);
    expect(expected.location).toEqual(Uint32Array.of(0, 1, 2));
    expect(expected.values).toEqual(BigInt64Array.of(4n, -5n));
    const unpacked = [...[1, 2, 3].flatMap(id => number(1, id)), ...number(2, 4), ...number(2, -5)];
    expect(await of(unpacked)).toEqual(expected);
    expect(await of([...number(1, 1), ...packed(2, [4]), ...packed(1, [2, 3]), ...number(2, -5)])).toEqual(
      expected,
    );
  });

  it('skips unknown fields of every wire type in every message', async () => {
    const x = unknown(100);
    const plain = await decode(small());
    const noisy = await decodeParts(
      x,
      parts.strings('cpu', 'nanoseconds', 'main', 'pid'),
      bytes(1, [...x, ...number(1, 1), ...number(2, 2)]),
      bytes(2, [
        ...x,
        ...number(1, 7),
        ...x,
        ...number(2, 10),
        ...bytes(3, [...x, ...number(1, 4), ...number(3, 42)]),
      ]),
      parts.location(7, x, bytes(4, [...number(1, 9), ...x, ...number(2, 12)])),
      bytes(5, [...x, ...number(1, 9), ...number(2, 3)]),
      x,
    );
    expect(noisy).toEqual(plain);
  });

  it('takes a known field of another wire type for an unknown one', async () => {
    expect(await decodeParts([...small()], bytes(12, 'period'), number(2, 1))).toEqual(await decode(small()));
  });

  it('resolves ids of any size in any order', async () => {
    const big = (1n << 64n) - 1n;
    const p = await decodeParts(
      parts.sample([big, 3, 1n << 40n, 3], [1]),
      parts.location(3),
      parts.location(big),
      parts.location(1n << 40n),
      parts.sampleType(0, 0),
      parts.strings(),
    );
    expect(p.samples.location).toEqual(Uint32Array.of(1, 0, 2, 0));
  });

  it('merges concatenated messages: lists grow, the last number counts', async () => {
    const more = [...number(12, 5), ...number(12, 6), ...parts.sample([7], [11]), ...bytes(11, number(1, 1))];
    const p = await decodeParts([...small()], more, bytes(11, number(2, 2)));
    expect(p.period).toBe(6n);
    expect(p.samples.values).toEqual(BigInt64Array.of(10n, 11n));
    expect(p.periodType).toEqual({ type: 1, unit: 2 });
  });

  it('reads gzip, also of several members', async () => {
    const plain = await decode(small());
    const [head, tail] = [small().subarray(0, 40), small().subarray(40)];
    expect(await decode(gzipSync(small()))).toEqual(plain);
    expect(await decode(Buffer.concat([gzipSync(head), gzipSync(''), gzipSync(tail)]))).toEqual(plain);
    const later = await decode(Buffer.concat([gzipSync(small()), gzipSync(Uint8Array.from(number(9, 77)))]));
    expect(later.timeNanos).toBe(77n);
  });

  it('repairs text as TextDecoder does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xa0, 0xed, 0xf0, 0x90, 0xf4, 0xff)),
        async raw => {
          const p = await decodeParts(bytes(6, ''), bytes(6, raw));
          expect(p.strings[1]).toBe(
            new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(raw)),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('gives back what was encoded', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryColumns, fc.nat({ max: 9 }), async (columns, gzipLevel) => {
        const encoded = await encode(columns, { gzipLevel });
        expect(await decode(encoded)).toEqual(columns);
        expect(await encode(await decode(encoded), { gzipLevel })).toEqual(encoded);
      }),
      { numRuns: 300 },
    );
  });

  it('does not follow what the caller does to the bytes afterwards', async () => {
    const expected = await decode(small());
    const data = small();
    const answer = decode(data);
    data.fill(0xff);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    expect(await answer).toEqual(expected);
  });
});

describe('decode refuses', () => {
  const strings = parts.strings('a');
  const type = parts.sampleType(0, 0);
  it.each<[string, number[]]>([
    ['nothing', []],
    ['no string table', type],
    ['a first string that is not empty', bytes(6, 'x')],
    ['a field number of 0', [0x00, 0x00]],
    ['a wire type of 6', [0x0e]],
    ['a number that is cut off', [0x48, 0x80]],
    ['a number over 64 bits', [0x48, ...new Array(9).fill(0xff), 0x02]],
    ['a number over ten bytes', [0x48, ...new Array(10).fill(0x80), 0x01]],
    ['a field longer than its message', [0x0a, 0x7f, 0x01]],
    ['a length of 2^63', [0x0a, ...varint(1n << 63n)]],
    ['a group that does not end', [0x0b]],
    ['a group that ends as another', [0x0b, 0x14]],
    ['a group that did not start', [0x0c]],
    ['groups nested without end', new Array(1000).fill(0x0b)],
    ['a string that is not in the table', [...strings, ...number(14, 2)]],
    ['a negative string', [...strings, ...number(14, -1)]],
    ['a comment that is not in the table', [...strings, ...packed(13, [2])]],
    ['an id of 0', [...strings, ...parts.function(0, 0)]],
    ['no id', [...strings, ...bytes(4, [])]],
    ['two functions of one id', [...strings, ...parts.function(1, 0), ...parts.function(1, 1)]],
    ['two mappings of one id', [...strings, ...parts.mapping(5), ...parts.mapping(5)]],
    [
      'two locations of one id',
      [...strings, ...parts.location(5), ...parts.location(6), ...parts.location(5)],
    ],
    ['a location that is not there', [...strings, ...type, ...parts.sample([1], [1])]],
    ['the location 0', [...strings, ...type, ...parts.location(1), ...parts.sample([0], [1])]],
    ['a function that is not there', [...strings, ...parts.location(1, parts.line(2, 1))]],
    ['a mapping that is not there', [...strings, ...parts.location(1, number(2, 3))]],
    ['more values than types', [...strings, ...type, ...parts.sample([], [1, 2])]],
    ['fewer values than types', [...strings, ...type, ...parts.sample([], [])]],
    ['gzip that is cut off', [...gzipSync(small()).subarray(0, 60)]],
    ['damaged gzip', [...gzipSync(small())].map((b, i) => (i === 30 ? b ^ 0xff : b))],
    ['something behind gzip', [...gzipSync(small()), 1, 2, 3]],
    ['only the head of gzip', [0x1f, 0x8b]],
  ])('%s', async (_, message) => {
    await expect(decode(Uint8Array.from(message))).rejects.toMatchObject({
      code: 'SW_PPROF_INVALID',
      details: { reason: expect.any(String) },
    });
  });

  it.each<[string, Limits, object]>([
    ['bytes', { maxBytes: 1000 }, { limit: 'bytes', max: 1000 }],
    ['samples', { maxSamples: 2 }, { limit: 'samples', value: 3, max: 2 }],
    ['locations', { maxLocations: 4 }, { limit: 'locations', value: 5, max: 4 }],
    ['strings', { maxStrings: 8 }, { limit: 'strings', max: 8 }],
    ['bytes of a string', { maxStringBytes: 1500 }, { limit: 'bytes of a string', value: 2000, max: 1500 }],
    ['labels of a sample', { maxLabels: 1 }, { limit: 'labels of a sample', value: 2, max: 1 }],
  ])('too many %s', async (_, limits, details) => {
    const columns = columnsOf([
      { stack: ['a', 'b'], values: [1n] },
      { stack: ['c', 'd'], values: [1n], labels: { x: '1', y: '2' } },
      { stack: ['e'.repeat(2000)], values: [1n] },
    ]);
    for (const gzipLevel of [0, 6]) {
      const data = await encode(columns, { gzipLevel });
      await expect(decode(data)).resolves.toBeDefined();
      await expect(decode(data, limits)).rejects.toMatchObject({ code: 'SW_PPROF_LIMIT', details });
    }
  });

  it('arguments of the wrong kind', async () => {
    for (const wrong of [undefined, 'text', new Uint16Array(4), new ArrayBuffer(4)])
      await expect(decode(wrong as unknown as Uint8Array)).rejects.toBeInstanceOf(TypeError);
    await expect(decode(small(), { maxBytes: -1 })).rejects.toBeInstanceOf(RangeError);
    await expect(decode(small(), { maxSamples: Number.NaN })).rejects.toBeInstanceOf(RangeError);
  });
});

describe('encode refuses', () => {
  const columns = () => columnsOf([{ stack: ['a', '[lib]'], values: [1n], labels: { k: 'v' } }]);
  it.each<[string, (c: ReturnType<typeof columns>) => void]>([
    [
      'a first string that is not empty',
      c => {
        c.strings[0] = 'x';
      },
    ],
    [
      'a name that is not in the table',
      c => {
        c.functions.name[0] = 99;
      },
    ],
    [
      'a type that is not in the table',
      c => {
        c.sampleTypes[0] = { type: 99, unit: 0 };
      },
    ],
    [
      'a comment that is not in the table',
      c => {
        c.comments = Uint32Array.of(99);
      },
    ],
    [
      'a location that is not there',
      c => {
        c.samples.location[0] = 2;
      },
    ],
    [
      'a mapping that is not there',
      c => {
        c.locations.mapping[1] = 1;
      },
    ],
    [
      'a mapping of -2',
      c => {
        c.locations.mapping[1] = -2;
      },
    ],
    [
      'a function that is not there',
      c => {
        c.lines.function[0] = 1;
      },
    ],
    [
      'a label key that is not in the table',
      c => {
        c.labels.key[0] = 99;
      },
    ],
    [
      'columns of different length',
      c => {
        c.mappings.limit = new BigUint64Array(0);
      },
    ],
    [
      'values that are too few',
      c => {
        c.samples.values = new BigInt64Array(0);
      },
    ],
    [
      'offsets that go back',
      c => {
        c.locations.lineOffset = Uint32Array.of(0, 1, 0);
      },
    ],
    [
      'offsets past the end',
      c => {
        c.samples.locationOffset = Uint32Array.of(0, 3);
      },
    ],
    [
      'no offsets',
      c => {
        c.samples.locationOffset = new Uint32Array(0);
      },
    ],
  ])('%s', async (_, damage) => {
    const damaged = columns();
    await expect(encode(damaged)).resolves.toBeDefined();
    damage(damaged);
    await expect(encode(damaged)).rejects.toMatchObject({ code: 'SW_PPROF_INVALID' });
  });

  it('columns of the wrong kind', async () => {
    const wrong = columns();
    (wrong.functions as { name: unknown }).name = [1];
    await expect(encode(wrong)).rejects.toBeInstanceOf(TypeError);
    await expect(encode(columns(), { gzipLevel: -1 })).rejects.toBeInstanceOf(RangeError);
  });
});
