// SPDX-License-Identifier: Apache-2.0
// What it costs a question that 20,000 places of a program have no name, and that the program came afterwards. Prints
// JSON: milliseconds of the merge, of finding the names the first time and again, and how long the event loop waited.
//
//   node bench/late.mjs [FILE]      after script/build; FILE has a build ID and symbols, and is the running node by default
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { encode, Merger, SymbolWriter } from '#native/profile';
import { DebugInfo } from '../dist/server/debuginfo/debug-info.js';
import { LateNames } from '../dist/server/debuginfo/late-names.js';
import { openEmbeddedStore } from '../dist/store/embedded/embedded-store.js';

const [PLACES, STACKS, DEPTH] = [20_000, 20_000, 30];

const file = process.argv[2] ?? process.execPath;
const elf = execFileSync('readelf', ['-lsnW', file], {
  encoding: 'utf8',
  maxBuffer: 1 << 30,
  // It warns of notes that are not its business.
  stdio: ['ignore', 'pipe', 'ignore'],
});
const buildId = /Build ID: ([0-9a-f]+)/.exec(elf)[1];
const segments = [...elf.matchAll(/LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)/g)].map(match =>
  match.slice(1, 4).map(Number),
);
const functions = [...elf.matchAll(/^\s*\d+: ([0-9a-f]+)\s+(\d+) FUNC/gm)]
  .map(match => [Number.parseInt(match[1], 16), Number(match[2])])
  .filter(([start, size]) => start > 0 && size > 0);
let state = 1;
const pick = n => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const offsets = Array.from({ length: PLACES }, () => {
  const [start, size] = functions[pick(functions.length)];
  const address = start + pick(size);
  const [offset, at] = segments.find(([, from, length]) => address >= from && address < from + length);
  return address - at + offset;
});

/** Stacks over all places; `named`: each has a name. */
async function merged(named) {
  const strings = ['', 'cpu', 'nanoseconds', basename(file), buildId, 'work'];
  const none = { name: [], systemName: [], filename: [] };
  const rows = named ? { name: [5], systemName: [5], filename: [0] } : none;
  const pprof = await encode({
    strings,
    sampleTypes: [{ type: 1, unit: 2 }],
    periodType: { type: 1, unit: 2 },
    period: 1n,
    timeNanos: 1n,
    durationNanos: 1n,
    comments: new Uint32Array(),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: BigUint64Array.of(0n),
      limit: BigUint64Array.of(1n << 40n),
      offset: BigUint64Array.of(0n),
      filename: Uint32Array.of(3),
      buildId: Uint32Array.of(4),
      flags: Uint8Array.of(0),
    },
    functions: {
      ...Object.fromEntries(Object.entries(rows).map(([key, column]) => [key, Uint32Array.from(column)])),
      startLine: new BigInt64Array(rows.name.length),
    },
    locations: {
      mapping: new Int32Array(PLACES),
      address: BigUint64Array.from(offsets, BigInt),
      isFolded: new Uint8Array(PLACES),
      lineOffset: Uint32Array.from({ length: PLACES + 1 }, (_, i) => (named ? i : 0)),
    },
    lines: {
      function: new Int32Array(named ? PLACES : 0),
      line: new BigInt64Array(named ? PLACES : 0),
      column: new BigInt64Array(named ? PLACES : 0),
    },
    samples: {
      locationOffset: Uint32Array.from({ length: STACKS + 1 }, (_, i) => i * DEPTH),
      location: Uint32Array.from({ length: STACKS * DEPTH }, () => pick(PLACES)),
      values: new BigInt64Array(STACKS).fill(1n),
      labelOffset: new Uint32Array(STACKS + 1),
    },
    labels: {
      key: new Uint32Array(),
      str: new Uint32Array(),
      num: new BigInt64Array(),
      numUnit: new Uint32Array(),
    },
  });
  const { segment, profiles } = await new SymbolWriter().add(pprof);
  return async () => {
    const merger = new Merger();
    await merger.addSegment(segment.id, segment.bytes);
    await merger.addProfiles(profiles);
    return merger;
  };
}

async function timed(run) {
  const started = performance.now();
  const result = await run();
  return [result, Math.round((performance.now() - started) * 10) / 10];
}

const folder = mkdtempSync(join(tmpdir(), 'stackwell-bench-'));
const store = await openEmbeddedStore(folder);
const info = await DebugInfo.open(store.debugFiles, { maxFileBytes: 1 << 30, maxBytes: 1 << 30 });
const outcomes = {};
const late = new LateNames(info, null, (outcome, places) => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + places;
});
try {
  const [{ file: kept }, uploadMs] = await timed(() => info.add(buildId, createReadStream(file), 'upload'));
  const [merge, mergeNamed] = [await merged(false), await merged(true)];
  const [first, mergeMs] = await timed(merge);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const [, coldMs] = await timed(() => late.name(first));
  const second = await merge();
  const [, cachedMs] = await timed(() => late.name(second));
  delay.disable();
  const whole = await mergeNamed();
  const [, nothingToDoMs] = await timed(() => late.name(whole));
  const report = {
    file: basename(file),
    bytes: kept.size,
    kind: kept.kind,
    places: PLACES,
    stacks: STACKS,
    depth: DEPTH,
    outcomes,
    uploadMs,
    mergeMs,
    coldMs,
    cachedMs,
    nothingToDoMs,
    longestEventLoopWaitMs: Math.round(delay.max / 1e5) / 10,
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  await late.close();
  await store.close();
  rmSync(folder, { recursive: true });
}
