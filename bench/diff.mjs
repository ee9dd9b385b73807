#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// node bench/diff.mjs [--json FILE] [--write]: two profiles of 50,000 distinct stacks each, compared by Stackwell (the tree alone, and
// with statistics) and by Grafana Pyroscope v1 in the same run. Prints Markdown, or puts it
// into docs/statistics.md; needs the built tree.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encode } from '../native/profile/index.js';
import { cpuSeconds } from './server/processes.mjs';
import { TARGETS } from './server/targets.mjs';
import { intoPage } from './statistics/page.mjs';
import { random } from './statistics/simulate.mjs';

const { values } = parseArgs({ options: { json: { type: 'string' }, write: { type: 'boolean' } } });
const FUNCTIONS = 6000;
const STACKS = 50_000;
const FILES = 300;
const TIMES = 15;
const PERIOD = 10_000_000n;
const START = Date.now() - 600_000;

const names = Array.from({ length: FUNCTIONS }, (_, i) =>
  i % 7 === 0
    ? `std::_Function_handler<void(int), run()::{lambda(int)#${i % 9}}>::_M_invoke_${i}(std::_Any_data const&, int&&)`
    : `ns${i % 50}::Class${i % 300}::method_${i}(int, char const*)`,
);

/** A tree at random, the same for both; what its leaves weigh is not, and each thirteenth is dearer by `dearer`. */
function profile(time, dearer, next) {
  const shape = random(9);
  const parents = new Int32Array(STACKS);
  const functions = new Int32Array(STACKS);
  for (let i = 0; i < STACKS; i++) {
    parents[i] = i === 0 ? -1 : Math.floor(Math.sqrt(shape()) * i);
    functions[i] = Math.floor(shape() * shape() * FUNCTIONS);
  }
  const locations = [];
  const offsets = [0];
  const weights = [];
  for (let i = 0; i < STACKS; i++) {
    for (let node = i; node >= 0; node = parents[node]) locations.push(functions[node]);
    offsets.push(locations.length);
    weights.push(BigInt(Math.ceil(next() * 100) + (i % 13 === 0 ? dearer : 0)) * PERIOD);
  }
  const files = Array.from({ length: FILES }, (_, i) => `/build/src/file${i}.cc`);
  const strings = ['', 'cpu', 'nanoseconds', '/usr/bin/app', 'abcdef', ...names, ...files];
  const rows = Uint32Array.from(names, (_, i) => 5 + i);
  const count = length => Array.from({ length }, (_, i) => i);
  return encode({
    strings,
    sampleTypes: [{ type: 1, unit: 2 }],
    periodType: { type: 1, unit: 2 },
    period: PERIOD,
    timeNanos: BigInt(time) * 1_000_000n,
    durationNanos: 10_000_000_000n,
    comments: new Uint32Array(),
    ...{ defaultSampleType: 0, dropFrames: 0, keepFrames: 0, docUrl: 0 },
    mappings: {
      start: new BigUint64Array(1),
      limit: new BigUint64Array([1n << 62n]),
      offset: new BigUint64Array(1),
      filename: Uint32Array.of(3),
      buildId: Uint32Array.of(4),
      flags: Uint8Array.of(15),
    },
    functions: {
      name: rows,
      systemName: rows,
      filename: Uint32Array.from(names, (_, i) => 5 + FUNCTIONS + (i % FILES)),
      startLine: new BigInt64Array(FUNCTIONS),
    },
    locations: {
      mapping: new Int32Array(FUNCTIONS),
      address: BigUint64Array.from(names, (_, i) => BigInt(4096 + 16 * i)),
      isFolded: new Uint8Array(FUNCTIONS),
      lineOffset: Uint32Array.from(count(FUNCTIONS + 1)),
    },
    lines: {
      function: Int32Array.from(count(FUNCTIONS)),
      line: new BigInt64Array(FUNCTIONS).fill(3n),
      column: new BigInt64Array(FUNCTIONS),
    },
    samples: {
      locationOffset: Uint32Array.from(offsets),
      location: Uint32Array.from(locations),
      values: BigInt64Array.from(weights),
      labelOffset: new Uint32Array(STACKS + 1),
    },
    labels: {
      key: new Uint32Array(),
      str: new Uint32Array(),
      num: new BigInt64Array(),
      numUnit: new Uint32Array(),
    },
  });
}

const ON_CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const range = { from: START - 1000, until: START + 60_000 };

function own(url, more) {
  const parameters = new URLSearchParams({
    ...{ left_query: '{deploy="a"}', left_from: range.from, left_until: range.until },
    ...{ right_query: '{deploy="b"}', right_from: range.from, right_until: range.until },
    ...more,
  });
  return () => fetch(`${url}/api/v1/diff?${parameters}`);
}
function peer(url) {
  const side = deploy => ({
    profileTypeID: ON_CPU,
    labelSelector: `{deploy="${deploy}"}`,
    start: String(range.from),
    end: String(range.until),
    maxNodes: '8192',
  });
  const body = JSON.stringify({ left: side('a'), right: side('b') });
  return () =>
    fetch(`${url}/querier.v1.QuerierService/Diff`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
}

async function measure(name, ask, pid) {
  const times = [];
  const before = cpuSeconds(pid);
  for (let i = 0; i < TIMES; i++) {
    const start = performance.now();
    const answer = await ask();
    const { length } = await answer.text();
    if (!answer.ok || length < 10_000) throw new Error(`${name}: ${answer.status}, ${length} bytes`);
    times.push(performance.now() - start);
  }
  const cpuMs = (1000 * (cpuSeconds(pid) - before)) / TIMES;
  const [first] = times;
  times.sort((a, b) => a - b);
  return { name, first, median: times[TIMES >> 1], cpuMs };
}

const bodies = [await profile(START, 0, random(5)), await profile(START, 40, random(6))];
const results = [];
for (const [target, kinds] of [
  [
    'stackwell',
    url => ({
      'the tree': own(url, { statistics: 'false' }),
      'with statistics': own(url, {}),
      'by what is stable': own(url, { normalization: 'stable' }),
    }),
  ],
  ['pyroscope v1', url => ({ 'the tree': peer(url) })],
]) {
  const found = TARGETS.find(({ name }) => name === target);
  const missing = found.missing();
  if (missing !== null) {
    process.stderr.write(`${target} is left out: ${missing}\n`);
    continue;
  }
  const folder = mkdtempSync(join(tmpdir(), 'stackwell-diff-'));
  const running = await found.start(folder);
  try {
    for (const [at, deploy] of ['a', 'b'].entries()) {
      const sent = await fetch(
        `${running.url}/ingest?format=pprof&name=${encodeURIComponent(`big{deploy=${deploy}}`)}`,
        {
          method: 'POST',
          body: bodies[at],
        },
      );
      if (!sent.ok) throw new Error(`${target}: ${sent.status} ${await sent.text()}`);
    }
    for (const [kind, ask] of Object.entries(kinds(running.url)))
      results.push({ target, ...(await measure(kind, ask, running.pid)) });
  } finally {
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
const about = {
  date: new Date().toISOString().slice(0, 10),
  cpus: cpus().length,
  kernel: release(),
  node: process.version,
};
const ms = value => Number(value.toPrecision(3));
const text = [
  `Two profiles of ${STACKS.toLocaleString('en')} distinct stacks, ${FUNCTIONS.toLocaleString('en')} functions. ${about.date}, ${about.cpus} CPUs, Linux ${about.kernel}.`,
  '',
  '| server | answer | first, ms | again, median, ms | CPU-ms |',
  '| --- | --- | ---: | ---: | ---: |',
  ...results.map(
    ({ target, name, first, median, cpuMs }) =>
      `| ${target} | ${name} | ${ms(first)} | ${ms(median)} | ${ms(cpuMs)} |`,
  ),
].join('\n');
process.stdout.write(`${text}\n`);
if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...about, results }, null, 2)}\n`);
if (values.write) intoPage('diff', text);
