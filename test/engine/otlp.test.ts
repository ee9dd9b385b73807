// SPDX-License-Identifier: Apache-2.0
// OTLP requests become pprof, whole or not at all. What real senders write is in test/server/otlp.test.ts.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { convertOtlp, decode, type Limits } from '#native/profile';
import { ExportProfilesServiceRequestSchema as Request } from '../../src/server/gen/opentelemetry/proto/collector/profiles/v1development/profiles_service_pb.js';
import { decodePprof } from '../helpers/pprof.js';

const TIME = 1_800_000_000_000_000_000n;
const STRINGS = [
  '',
  'samples',
  'count',
  'cpu',
  'nanoseconds',
  'leaf',
  'root',
  'a.c',
  '/bin/app',
  'thread.id',
  'bytes',
  '9.größe',
];
const at = (text: string) => STRINGS.indexOf(text);

const TABLES = {
  stringTable: STRINGS,
  mappingTable: [{}, { memoryStart: 0x1000n, memoryLimit: 0x9000n, filenameStrindex: at('/bin/app') }],
  functionTable: [
    {},
    { nameStrindex: at('leaf'), filenameStrindex: at('a.c') },
    { nameStrindex: at('root'), filenameStrindex: at('a.c') },
  ],
  locationTable: [
    {},
    { mappingIndex: 1, address: 0x1001n, lines: [{ functionIndex: 1, line: 5n }] },
    { mappingIndex: 1, address: 0x1002n, lines: [{ functionIndex: 2, line: 6n }] },
  ],
  stackTable: [{}, { locationIndices: [1, 2] }],
  linkTable: [{}],
  attributeTable: [{}, { keyStrindex: at('thread.id'), value: { value: { case: 'intValue', value: 7n } } }],
};

const CPU = {
  sampleType: { typeStrindex: at('samples'), unitStrindex: at('count') },
  periodType: { typeStrindex: at('cpu'), unitStrindex: at('nanoseconds') },
  period: 1000n,
  timeUnixNano: TIME,
  durationNano: 1_000_000_000n,
};

/** Parts of a message are plain objects here. */
const message = (parts: object) =>
  toBinary(Request, create(Request, parts as MessageInitShape<typeof Request>));

function request(profiles: object[], dictionary: object = {}): Uint8Array {
  const resourceProfiles = [{ scopeProfiles: [{ profiles }] }];
  return message({ resourceProfiles, dictionary: { ...TABLES, ...dictionary } });
}

const good = () => request([{ ...CPU, samples: [{ stackIndex: 1, attributeIndices: [1], values: [3n] }] }]);

async function codeOf(bytes: Uint8Array, limits: Limits = {}): Promise<string> {
  return convertOtlp(bytes, limits).then(
    ({ profiles }) => `stored ${profiles.length}`,
    (error: { code: string }) => error.code,
  );
}

describe('an OTLP request', () => {
  it('becomes pprof with the same frames and numbers', async () => {
    const { profiles, received } = await convertOtlp(good());
    expect([profiles.length, received]).toEqual([1, 1]);
    const { service, name, attributes, pprof } = profiles[0]!;
    expect({ service, name, attributes }).toEqual({ service: 'unknown_service', name: '', attributes: [] });
    const { types, samples, period, durationSeconds } = decodePprof(pprof);
    expect({ types, period, durationSeconds }).toEqual({
      types: ['cpu/nanoseconds'],
      period: 1000,
      durationSeconds: 1,
    });
    const frame = { file: 'a.c', module: '/bin/app' };
    expect(samples).toEqual([
      {
        frames: [
          { name: 'leaf', line: 5, ...frame },
          { name: 'root', line: 6, ...frame },
        ],
        values: [3000],
        labels: { thread_id: '7' },
      },
    ]);
    expect((await decode(pprof)).timeNanos).toBe(TIME);
  });

  it('counts times where there are no values, and sums values', async () => {
    const samples = [
      { stackIndex: 1, timestampsUnixNano: [TIME, TIME, TIME] },
      { stackIndex: 1, values: [2n, 3n], timestampsUnixNano: [TIME, TIME] },
      { stackIndex: 1, values: [-4n] },
      { stackIndex: 0, values: [1n] },
    ];
    const { profiles } = await convertOtlp(request([{ ...CPU, samples }]));
    const decoded = await decode(profiles[0]!.pprof);
    expect([...decoded.samples.values]).toEqual([3000n, 5000n, -4000n, 1000n]);
    expect([...decoded.samples.locationOffset]).toEqual([0, 2, 4, 6, 6]);
  });

  it('has the time of its first sample where it says none', async () => {
    const samples = [{ stackIndex: 1, timestampsUnixNano: [TIME + 5n, TIME + 3n] }];
    const { profiles } = await convertOtlp(request([{ ...CPU, timeUnixNano: 0n, samples }]));
    expect((await decode(profiles[0]!.pprof)).timeNanos).toBe(TIME + 3n);
  });

  it('is one file for each type and time, whatever the number of its profiles', async () => {
    const samples = [{ stackIndex: 1, values: [1n] }];
    const heap = { ...CPU, sampleType: { typeStrindex: at('bytes'), unitStrindex: at('bytes') }, samples };
    const later = { ...CPU, timeUnixNano: TIME + 1n, samples };
    const { profiles, received } = await convertOtlp(
      request([{ ...CPU, samples }, heap, { ...CPU, samples }, later, { ...CPU, samples: [] }]),
    );
    expect(received).toBe(5);
    expect(profiles.map(({ profiles }) => profiles)).toEqual([2, 1, 1]);
    const values = profiles.map(({ pprof }) => decodePprof(pprof).samples.map(({ values }) => values[0]));
    expect(values).toEqual([[1000, 1000], [1], [1000]]);
  });

  it('has labels of samples by names that can be asked for', async () => {
    const value = { value: { case: 'doubleValue', value: 1.5 } };
    const attributeTable = [...TABLES.attributeTable, { keyStrindex: at('9.größe'), value }];
    const samples = [{ stackIndex: 1, values: [1n], attributeIndices: [2, 1] }];
    const { profiles } = await convertOtlp(request([{ ...CPU, samples }], { attributeTable }));
    expect(decodePprof(profiles[0]!.pprof).samples[0]!.labels).toEqual({ thread_id: '7', _9_gr__e: '1.5' });
  });

  it('repairs text that is not UTF-8', async () => {
    const bytes = Buffer.from(good());
    bytes[bytes.indexOf('leaf')] = 0xff;
    const { profiles } = await convertOtlp(bytes);
    expect(decodePprof(profiles[0]!.pprof).samples[0]!.frames[0]!.name).toBe('\ufffdeaf');
  });

  it('has nothing in it when it is empty', async () => {
    expect(await codeOf(new Uint8Array())).toBe('stored 0');
    expect(await codeOf(message({ resourceProfiles: [{}], dictionary: TABLES }))).toBe('stored 0');
  });
});

describe('a request that is at fault', () => {
  const sample = { stackIndex: 1, values: [1n] };
  const one = (over: object, dictionary: object = {}) =>
    request(
      [
        { ...CPU, samples: [sample] },
        { ...CPU, samples: [{ ...sample, ...over }] },
      ],
      dictionary,
    );

  it('by a row that is not there, in any table, is refused whole', async () => {
    const dangling: Record<string, Uint8Array> = {
      stack: one({ stackIndex: 2 }),
      'stack, negative': one({ stackIndex: -1 }),
      link: one({ linkIndex: 1 }),
      attribute: one({ attributeIndices: [2] }),
      'sample type': request([{ ...CPU, sampleType: { typeStrindex: 99 }, samples: [sample] }]),
      'period unit': request([{ ...CPU, periodType: { unitStrindex: -5 }, samples: [sample] }]),
      'profile attribute': request([{ ...CPU, attributeIndices: [1, 9], samples: [sample] }]),
      'stack location': one({}, { stackTable: [{}, { locationIndices: [1, 3] }] }),
      'location mapping': one({}, { locationTable: [{}, { mappingIndex: 2 }, {}] }),
      'location attribute': one({}, { locationTable: [{}, { attributeIndices: [3] }, {}] }),
      'line function': one({}, { locationTable: [{}, { lines: [{ functionIndex: 3 }] }, {}] }),
      'function name': one({}, { functionTable: [{}, { nameStrindex: 99 }, {}] }),
      'mapping file': one({}, { mappingTable: [{}, { filenameStrindex: 99 }] }),
      'mapping attribute': one({}, { mappingTable: [{}, { attributeIndices: [-1] }] }),
      'attribute key': one({}, { attributeTable: [{}, { keyStrindex: 99 }] }),
      'attribute value': one(
        {},
        { attributeTable: [{}, { value: { value: { case: 'stringValueStrindex', value: 99 } } }] },
      ),
    };
    for (const [what, bytes] of Object.entries(dangling))
      expect([what, await codeOf(bytes)]).toEqual([what, 'SW_OTLP_INVALID']);
  });

  it('by what it says is refused', async () => {
    const wrong: Record<string, Uint8Array> = {
      'no values': one({ values: [] }),
      'values and times': one({ values: [1n, 2n], timestampsUnixNano: [TIME] }),
      'a sum over 64 bits': one({ values: [2n ** 62n, 2n ** 62n], timestampsUnixNano: [TIME, TIME] }),
      'a scaled sum over 64 bits': one({ values: [2n ** 62n] }),
      'no dictionary': message({ resourceProfiles: [{}] }),
      'no strings': one({}, { stringTable: [] }),
      'a first string': one({}, { stringTable: STRINGS.map(text => text || 'x') }),
      'an id of a trace': one({}, { linkTable: [{}, { traceId: new Uint8Array(15).fill(1) }] }),
      'a time': request([{ ...CPU, durationNano: 2n ** 63n, samples: [sample] }]),
      'not protobuf': Buffer.from('garbage'),
      pprof: Buffer.from(await import('./go-profiles.js').then(({ goProfiles }) => goProfiles().cpu)),
    };
    for (const [what, bytes] of Object.entries(wrong))
      expect([what, await codeOf(bytes)]).toEqual([what, 'SW_OTLP_INVALID']);
  });

  it('is told to be of another version where that can be seen', async () => {
    const field = (number: number, wire: number, ...payload: number[]) => [(number << 3) | wire, ...payload];
    const nested = (number: number, bytes: number[]) => field(number, 2, bytes.length, ...bytes);
    const wrap = (profile: number[]) =>
      Buffer.concat([Buffer.from(nested(1, nested(2, nested(2, profile)))), message({ dictionary: TABLES })]);
    // 1.9: values are field 2, attributes field 3, the link is field 4.
    const version9 = wrap(
      nested(2, [...field(1, 0, 1), ...nested(2, [5]), ...nested(3, [1]), ...field(4, 0, 1)]),
    );
    // 1.7: location indices are field 3 of the profile, which is its time now.
    const version7 = wrap([...nested(2, [...field(1, 0, 0), ...field(2, 0, 1)]), ...nested(3, [1, 2])]);
    for (const bytes of [version9, version7])
      await expect(convertOtlp(bytes)).rejects.toMatchObject({
        code: 'SW_OTLP_INVALID',
        details: { reason: expect.stringContaining('another version') },
      });
  });

  it('by its size is refused, also where few bytes ask for much', async () => {
    const deep = { stackTable: [{}, { locationIndices: new Array<number>(100_000).fill(1) }] };
    const samples = Array.from({ length: 2000 }, () => sample);
    expect(await codeOf(request([{ ...CPU, samples }], deep))).toBe('SW_PPROF_LIMIT');
    const times = Array.from({ length: 10_001 }, (_, i) => ({
      ...CPU,
      timeUnixNano: TIME + BigInt(i),
      samples: [sample],
    }));
    expect(await codeOf(request(times))).toBe('SW_PPROF_LIMIT');
    const many = Array.from({ length: 65 }, () => 1);
    expect(await codeOf(one({ attributeIndices: many }))).toBe('SW_PPROF_LIMIT');
    expect(await codeOf(good(), { maxBytes: 100 })).toBe('SW_PPROF_LIMIT');
    expect(await codeOf(one({}), { maxSamples: 1 })).toBe('SW_PPROF_LIMIT');
    const long = [...STRINGS, 'x'.repeat(70_000)];
    expect(await codeOf(one({}, { stringTable: long }))).toBe('SW_PPROF_LIMIT');
    // A long text that each of many files needs: small on the wire, large as pprof.
    const texts = { stringTable: STRINGS.map(text => (text === 'leaf' ? 'y'.repeat(60_000) : text)) };
    expect(await codeOf(request(times.slice(0, 5000), texts))).toBe('SW_PPROF_LIMIT');
  });

  it('by damage anywhere gets one answer', async () => {
    const whole = request([
      {
        ...CPU,
        attributeIndices: [1],
        samples: [
          { stackIndex: 1, attributeIndices: [1], values: [3n, 4n], timestampsUnixNano: [TIME, TIME] },
          { stackIndex: 1, timestampsUnixNano: [TIME] },
        ],
      },
    ]);
    let state = 12345;
    const pick = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const answers: Record<string, number> = {};
    for (let round = 0; round < 4000; round++) {
      const bytes = [...whole];
      for (let n = 1 + pick(4); n > 0; n--) {
        const where = pick(bytes.length);
        const kind = pick(5);
        if (kind === 0) bytes[where] = pick(256);
        if (kind === 1) bytes[where]! ^= 1 << pick(8);
        if (kind === 2) bytes.splice(where, 1 + pick(8));
        if (kind === 3) bytes.splice(where, 0, ...bytes.slice(pick(bytes.length), pick(bytes.length)));
        if (kind === 4) bytes.splice(where, 0, 0xff, 0xff, 0xff, 0xff, pick(256));
      }
      const answer = await codeOf(Uint8Array.from(bytes));
      answers[answer] = (answers[answer] ?? 0) + 1;
      if (answer.startsWith('stored'))
        for (const { pprof } of (await convertOtlp(Uint8Array.from(bytes))).profiles) await decode(pprof);
    }
    expect(Object.keys(answers).filter(answer => !answer.startsWith('stored'))).toEqual(
      expect.arrayContaining(['SW_OTLP_INVALID']),
    );
    for (const answer of Object.keys(answers))
      expect(answer).toMatch(/^(?:stored \d|SW_OTLP_INVALID|SW_PPROF_LIMIT)$/);
    expect(answers['stored 1']).toBeGreaterThan(100);
  });
});
