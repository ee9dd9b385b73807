#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// How often comparisons are wrong, and what they find: the method of docs/statistics.md beside the plainest one (Welch's
// t-test on shares of windows, Benjamini-Hochberg), over the same made services. Needs the built TypeScript.
// node bench/statistics.mjs [--pairs 1000] [--seed 1] [--json FILE] [--write] prints Markdown, and puts it into docs/statistics.md.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compare, OF_PARTS } from '../dist/profile/statistics/compare.js';
import { studentTwoSided } from '../dist/profile/statistics/student.js';
import { statistics } from '../dist/server/query/statistics.js';
import { intoPage } from './statistics/page.mjs';
import { plainest, random, shares, side } from './statistics/simulate.mjs';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const pairs = Number(values.pairs);
const firstSeed = Number(values.seed);
const FUNCTIONS = 300;
const BLOCKS = 15;
/** Ten minutes of three busy instances at 19 Hz, in windows of 10 s. */
const SERVICE = { instances: 3, windows: 60, samples: 190 };

/** Windows joined into blocks, as a server does. */
function fold({ instances, blocks, weight, value }, into) {
  const size = instances * into;
  const folded = { weight: new Float64Array(size), value: new Float64Array(FUNCTIONS * size) };
  for (let instance = 0; instance < instances; instance++)
    for (let block = 0; block < blocks; block++) {
      const from = instance * blocks + block;
      const to = instance * into + Math.floor((block * into) / blocks);
      folded.weight[to] += weight[from];
      for (let row = 0; row < FUNCTIONS; row++)
        folded.value[row * size + to] += value[row * instances * blocks + from];
    }
  return { instances, blocks: into, quantum: 1, ...folded };
}

async function ours([base, head], kind) {
  if (kind === 'total') return compare(base, head, FUNCTIONS, { noise: OF_PARTS, scales: [1, 1] });
  const size = base.weight.length;
  const self = new Float64Array(FUNCTIONS * 2 * size);
  const sum = new Float64Array(2 * size);
  for (const [at, { value, weight }] of [base, head].entries()) {
    sum.set(weight, at * size);
    for (let row = 0; row < FUNCTIONS; row++)
      self.set(value.subarray(row * size, (row + 1) * size), (2 * row + at) * size);
  }
  const cells = first => ({
    groups: base.instances,
    blocks: base.blocks,
    seconds: new Float64Array(size).fill(1),
    joined: 1,
    given: base.blocks,
    first,
    instances: base.instances,
  });
  const names = new Array(FUNCTIONS).fill('');
  const none = { self: new Float64Array(FUNCTIONS), total: new Float64Array(FUNCTIONS) };
  const matrix = {
    functions: { name: names, file: names, module: names, reason: names, buildId: names },
    omitted: 0,
    left: none,
    right: none,
    replicates: { sum, self, total: new Float64Array(self.length) },
  };
  return (await statistics(matrix, cells(0), cells(size), { kind, left: 1, right: 1 }, 1)).statistics.self;
}

/** In how many of the pairs something was found: in the function that changed, and in any other. */
async function run({ service = {}, share = 0.2, factor = 1, count = pairs, kind = 'stable', plain = true }) {
  const cost = shares(FUNCTIONS, [share]);
  const other = cost.map((one, row) => (row === 0 ? one * factor : one));
  const hits = { ours: { changed: 0, others: 0 }, plainest: { changed: 0, others: 0 } };
  let covered = 0;
  for (let seed = 0; seed < count; seed++) {
    const next = random(firstSeed + seed);
    const all = { ...SERVICE, ...service };
    const windows = [
      side(cost, { ...all, blocks: all.windows }, next),
      side(other, { ...all, blocks: all.windows }, next),
    ];
    const found = await ours(
      windows.map(one => fold(one, Math.min(BLOCKS, all.windows))),
      kind,
    );
    const note = (into, q) => {
      if (q[0] < 0.05) into.changed++;
      if (q.subarray(1).some(one => one < 0.05)) into.others++;
      return q.some(one => one < 0.05);
    };
    if (note(hits.ours, found.q) && factor === 1) hits.ours.any = (hits.ours.any ?? 0) + 1;
    if (found.low[0] <= factor - 1 && found.high[0] >= factor - 1) covered++;
    if (plain && note(hits.plainest, plainest(...windows, FUNCTIONS, { studentTwoSided }).q) && factor === 1)
      hits.plainest.any = (hits.plainest.any ?? 0) + 1;
  }
  const part = hit => ({
    any: (hit.any ?? 0) / count,
    changed: hit.changed / count,
    others: hit.others / count,
  });
  return { ours: part(hits.ours), plainest: part(hits.plainest), covered: covered / count };
}

const percent = part => `${(100 * part).toFixed(1)} %`;
const lines = [];
const say = text => {
  lines.push(text);
  process.stdout.write(`${text}\n`);
};
const results = {
  date: new Date().toISOString().slice(0, 10),
  pairs,
  seed: firstSeed,
  nothing: [],
  found: [],
  least: [],
};

say(
  `${pairs} pairs each, seeds from ${firstSeed} on; ${FUNCTIONS} functions, ten minutes of three busy instances at 19 Hz on each side.\n`,
);
say('Nothing changed. Pairs in which any function has q < 0.05:\n');
say('| windows and instances | Stackwell | the plainest method |');
say('| --- | --- | --- |');
for (const [name, service] of [
  ['differ by counting alone', {}],
  ['one instance', { instances: 1 }],
  ['costs of each instance wander by 10 % within a minute', { drift: 0.1 }],
  ['instances differ by 5 % for all time', { own: 0.05 }],
  ['instances differ by 10 % for all time', { own: 0.1 }],
  ['ten instances that differ by 10 %', { instances: 10, windows: 20, own: 0.1 }],
  ['one window in twenty has a burst of one function', { bursts: 0.05 }],
  ['costs of all instances wander together by 10 % within a minute', { wave: 0.1 }],
]) {
  const { ours, plainest } = await run({ service });
  results.nothing.push({ name, service, ours: ours.any, plainest: plainest.any });
  say(`| ${name} | ${percent(ours.any)} | ${percent(plainest.any)} |`);
}

say(
  '\nOne function got a tenth dearer. Pairs in which it is found; in which another one is, too; in which its interval holds what it is:\n',
);
say('| its part of all | Stackwell | another | interval | plainest | another |');
say('| --- | --- | --- | --- | --- | --- |');
for (const share of [0.1, 0.15, 0.2, 0.3, 0.5]) {
  const { ours, plainest, covered } = await run({ share, factor: 1.1 });
  results.found.push({ share, ours, plainest, covered });
  say(
    `| ${percent(share)} | ${percent(ours.changed)} | ${percent(ours.others)} | ${percent(covered)} | ${percent(plainest.changed)} | ${percent(plainest.others)} |`,
  );
}

say('\nThe least change that is found in four of five pairs, by part of all and samples on each side:\n');
const SAMPLES = [2_000, 10_000, 34_200, 100_000, 400_000];
say(`| part of all | ${SAMPLES.map(one => one.toLocaleString('en')).join(' | ')} |`);
say(`| --- |${' --- |'.repeat(SAMPLES.length)}`);
const few = Math.max(20, Math.round(pairs / 10));
for (const share of [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]) {
  const row = [];
  for (const samples of SAMPLES) {
    // The same as many windows, for what matters is samples; by bisection, on the scale of the change.
    const service = { windows: BLOCKS, samples: Math.round(samples / 3 / BLOCKS) };
    let [low, high] = [0.005, 4];
    for (let step = 0; step < 7; step++) {
      const change = Math.sqrt(low * high);
      const { ours } = await run({ service, share, factor: 1 + change, count: few, plain: false });
      if (ours.changed >= 0.8) high = change;
      else low = change;
    }
    row.push(high > 3.5 ? null : high);
  }
  results.least.push({ share, samples: SAMPLES, change: row });
  say(
    `| ${percent(share)} | ${row.map(one => (one === null ? '> 350 %' : `${Number((100 * one).toPrecision(2))} %`)).join(' | ')} |`,
  );
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
if (values.write) intoPage('statistics', lines.join('\n'));
