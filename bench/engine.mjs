// SPDX-License-Identifier: Apache-2.0
// node bench/engine.mjs [profile.pb.gz …]: decode, encode, write and merge, beside pprof-format and protobufjs in the
// same run. Without files it makes a profile of 20,000 samples. Prints JSON: milliseconds, median (min) of the rounds.
import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import protobuf from 'protobufjs';
import { decode, encode, Merger, SymbolWriter } from '#native/profile';

const ROUNDS = 7;
const WINDOWS = 2_000;

const schema = readFileSync(new URL('../test/engine/profile.proto', import.meta.url), 'utf8');
const message = protobuf.parse(schema).root.lookupType('perftools.profiles.Profile');

/** 20,000 samples over 50,000 locations and 15,000 functions, the same in every run. */
async function made() {
  const [samples, locations, functions, depth] = [20_000, 50_000, 15_000, 40];
  let state = 1;
  const pick = n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const strings = ['', 'cpu', 'nanoseconds'];
  for (let i = 0; i < functions; i++)
    strings.push(`example.com/service/package${i % 200}.(*Type).method${i}`);
  const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
  return encode({
    strings,
    sampleTypes: [{ type: 1, unit: 2 }],
    periodType: { type: 1, unit: 2 },
    period: 10_000_000n,
    timeNanos: 1n,
    durationNanos: 10_000_000_000n,
    comments: new Uint32Array(),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: new BigUint64Array(),
      limit: new BigUint64Array(),
      offset: new BigUint64Array(),
      filename: new Uint32Array(),
      buildId: new Uint32Array(),
      flags: new Uint8Array(),
    },
    functions: {
      name: Uint32Array.from(range(functions, i => i + 3)),
      systemName: Uint32Array.from(range(functions, i => i + 3)),
      filename: new Uint32Array(functions),
      startLine: new BigInt64Array(functions),
    },
    locations: {
      mapping: new Int32Array(locations).fill(-1),
      address: BigUint64Array.from(range(locations, i => 0x400000n + BigInt(i) * 16n)),
      isFolded: new Uint8Array(locations),
      lineOffset: Uint32Array.from(range(locations + 1, i => i)),
    },
    lines: {
      function: Int32Array.from(range(locations, i => i % functions)),
      line: BigInt64Array.from(range(locations, i => BigInt(i % 900))),
      column: new BigInt64Array(locations),
    },
    samples: {
      locationOffset: Uint32Array.from(range(samples + 1, i => i * depth)),
      location: Uint32Array.from(
        range(samples * depth, i => (i % depth) * 1000 + pick(1 + 25 * (depth - (i % depth)))),
      ),
      values: BigInt64Array.from(range(samples, () => BigInt(1 + pick(30)) * 10_000_000n)),
      labelOffset: new Uint32Array(samples + 1),
    },
    labels: {
      key: new Uint32Array(),
      str: new Uint32Array(),
      num: new BigInt64Array(),
      numUnit: new Uint32Array(),
    },
  });
}

async function timed(run) {
  const times = [];
  let result;
  for (let i = 0; i < ROUNDS; i++) {
    const started = performance.now();
    result = await run();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const round = ms => Math.round(ms * 100) / 100;
  return [result, { median: round(times[ROUNDS >> 1]), min: round(times[0]) }];
}

async function measure(name, data) {
  // gzip takes everyone the same time: the codecs are compared on the plain message.
  const plain = gunzipSync(data);
  const [columns, decodeTime] = await timed(() => decode(plain));
  const [, encodeTime] = await timed(() => encode(columns, { gzipLevel: 0 }));
  const [theirs, formatDecode] = await timed(() => Profile.decode(plain));
  const [, formatEncode] = await timed(() => theirs.encode());
  const [object, protoDecode] = await timed(() => message.decode(plain));
  const [, protoEncode] = await timed(() => message.encode(object).finish());

  const [first, firstTime] = await timed(() => new SymbolWriter().add(data));
  const writer = new SymbolWriter();
  writer.commit((await writer.add(data)).ticket);
  const [known, knownTime] = await timed(() => writer.add(data));

  const batch = Array.from({ length: 500 }, () => known.profiles.at(-1));
  const merge = {};
  let merger;
  for (const sampleLabels of [true, false]) {
    [merger, merge[sampleLabels ? 'withSampleLabels' : 'withoutSampleLabels']] = await timed(async () => {
      const fresh = new Merger({ sampleLabels });
      await fresh.addSegment(first.segment.id, first.segment.bytes);
      for (let n = 0; n < WINDOWS; n += batch.length) await fresh.addProfiles(batch);
      return fresh;
    });
  }
  const [flame, flameTime] = await timed(() => merger.flamegraph({ maxNodes: 8192 }));
  const [, topTime] = await timed(() => merger.top());
  return {
    profile: name,
    bytes: { gzip: data.length, plain: plain.length },
    samples: columns.samples.labelOffset.length - 1,
    decodeMs: { stackwell: decodeTime, 'pprof-format': formatDecode, protobufjs: protoDecode },
    encodeMs: { stackwell: encodeTime, 'pprof-format': formatEncode, protobufjs: protoEncode },
    writeMs: { newSymbols: firstTime, knownSymbols: knownTime },
    storedBytes: { segment: first.segment.bytes.length, rows: known.profiles.map(p => p.rows.length) },
    mergeMs: { profiles: WINDOWS, rows: WINDOWS * known.profiles.at(-1).rowCount, ...merge },
    flamegraphMs: { ...flameTime, rows: flame.depth.length, omitted: flame.omittedNodes },
    topMs: topTime,
  };
}

const files = process.argv.slice(2);
const inputs = files.length > 0 ? files.map(file => [file, readFileSync(file)]) : [['made', await made()]];
const results = [];
for (const [name, data] of inputs)
  results.push(await measure(name, data[0] === 0x1f ? data : gzipSync(data)));
console.log(JSON.stringify({ benchmark: 'engine', rounds: ROUNDS, node: process.version, results }, null, 2));
