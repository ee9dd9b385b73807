// SPDX-License-Identifier: Apache-2.0
// 20,000 random addresses with inlined calls and lines in each of three large programs, beside llvm-symbolizer and GNU
// addr2line in the same run: how long it takes, and how often the answers are the same. Of a Go program 3,000, beside Go's
// own addr2line. Prints JSON.
//
//   node bench/symbolize.mjs [NAME…]      after script/build; NAME: the beginning of a name in symbolize/subjects.mjs
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { agreement, aliasesOf } from './symbolize/agree.mjs';
import { stackwell } from './symbolize/own.mjs';
import { addr2line, goAddr2line, goVersion, llvmSymbolizer, versionOf } from './symbolize/peers.mjs';
import { GO, randomPlaces, SUBJECTS } from './symbolize/subjects.mjs';

const compiled = path.join(
  fileURLToPath(new URL('..', import.meta.url)),
  'dist/agent/profiling/symbolizer/symbolizer.js',
);
if (!existsSync(compiled)) {
  console.error('dist/ is not there: run script/build first');
  process.exit(1);
}
const { Symbolizer } = await import(compiled);

const ADDRESSES = 20_000;
const GO_ADDRESSES = 3000;
const RUNS = 3;
/** Compressed debug information of 240 MB, as libjvm's, needs more than the agent gives its child. */
const MEMORY_MB = 2048;

const median = numbers => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const round = number => Math.round(number * 10) / 10;
/** Medians of what was measured, without the answers. */
const cost = runs =>
  Object.fromEntries(
    Object.keys(runs[0])
      .filter(key => key !== 'frames')
      .map(key => [key, round(median(runs.map(run => run[key])))]),
  );

async function compare(name, subject) {
  const { addresses, offsets } = randomPlaces(subject, ADDRESSES);
  const [own, llvm, gnu] = [[], [], []];
  for (let i = 0; i < RUNS; i++) {
    own.push(await stackwell(Symbolizer, subject, offsets, { memoryBytes: MEMORY_MB * 2 ** 20 }));
    llvm.push(await llvmSymbolizer(subject, addresses));
    gnu.push(await addr2line(subject, addresses));
    console.error(`${name}: run ${i + 1} of ${RUNS}`);
  }
  const { agree, differ } = agreement(own[0].frames, llvm[0].frames, gnu[0].frames, aliasesOf(subject.debug));
  return {
    program: name,
    debugMb: round(statSync(subject.debug).size / 2 ** 20),
    stackwell: cost(own),
    llvmSymbolizer: cost(llvm),
    addr2line: cost(gnu),
    agree,
    differ,
  };
}

/** Go's tool tells of the outermost function and the innermost line. */
async function compareGo() {
  const subject = GO();
  const { addresses, offsets } = randomPlaces(subject, GO_ADDRESSES);
  const [own, peer] = [[], []];
  for (let i = 0; i < RUNS; i++) {
    own.push(await stackwell(Symbolizer, subject, offsets));
    peer.push(await goAddr2line(subject, addresses));
  }
  const text = (outer, inner) => `${outer.name} ${inner.file}:${inner.line}`;
  const different = addresses.flatMap((_, row) => {
    const [frames, [other]] = [own[0].frames[row], peer[0].frames[row]];
    const said = frames.length === 0 ? '' : text(frames.at(-1), frames[0]);
    return said === text(other, other) ? [] : [{ stackwell: said, goAddr2line: text(other, other) }];
  });
  return {
    program: 'go (Go)',
    addresses: GO_ADDRESSES,
    inlined: own[0].frames.filter(frames => frames.length > 1).length,
    stackwell: cost(own),
    goAddr2line: cost(peer),
    disagree: different.length,
    examples: different.slice(0, 3),
  };
}

const wanted = process.argv.slice(2);
const programs = [];
for (const [name, subject] of Object.entries(SUBJECTS))
  if (wanted.length === 0 || wanted.some(start => name.startsWith(start)))
    programs.push(await compare(name, subject()));
const go = wanted.length === 0 || wanted.includes('go') ? await compareGo() : null;
console.log(
  JSON.stringify(
    {
      addresses: ADDRESSES,
      versions: {
        llvmSymbolizer: versionOf('llvm-symbolizer'),
        addr2line: versionOf('addr2line'),
        go: goVersion(),
      },
      programs,
      go,
    },
    null,
    2,
  ),
);
