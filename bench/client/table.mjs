// SPDX-License-Identifier: Apache-2.0
// Puts the tables of bench/results/client.json into docs/node-client.md.
import { readFileSync, writeFileSync } from 'node:fs';

const page = new URL('../../docs/node-client.md', import.meta.url);
const runs = JSON.parse(readFileSync(new URL('../results/client.json', import.meta.url), 'utf8'));
const NAMES = {
  none: 'no profiler',
  AsyncLocalStorage: 'no profiler; AsyncLocalStorage holds the route',
  pyroscope: '@pyroscope/nodejs, CPU, wall and heap',
  stackwell: 'stackwell/client, CPU, wall and heap',
  'stackwell+labels': 'the same, with the Fastify plugin',
};
const percent = ratio => `${ratio >= 1 ? '+' : '−'}${Math.abs((ratio - 1) * 100).toFixed(0)} %`;

const lines = Object.values(runs).flatMap(run => {
  const { date, node, cpu, cpus, load, rounds, roundSeconds, connections, variants, loading } = run;
  const base = variants.none.rssMiB;
  return [
    `Node.js ${node}, ${date.slice(0, 10)}, ${cpu}, ${cpus} CPUs (load ${load[0]}: shared with other work).`,
    `${rounds} rounds of ${roundSeconds} s each, ${connections} connections; medians, differences within a round.`,
    '',
    '| service with | CPU a request | difference, middle half | requests/s | memory at the end | of it, more than without |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...Object.entries(NAMES).map(([name, text]) => {
      const { cpuMicrosecondsPerRequest, cpuRatio, cpuRatios, requestsPerSecondRatio, rssMiB } =
        variants[name];
      const sorted = cpuRatios.toSorted((a, b) => a - b);
      const [low, high] = [0.25, 0.75].map(part => sorted[Math.round(part * (sorted.length - 1))]);
      const difference = name === 'none' ? '' : `${percent(cpuRatio)} (${percent(low)} to ${percent(high)})`;
      const speed =
        name === 'none' ? String(variants.none.requestsPerSecond) : percent(requestsPerSecondRatio);
      const more = name === 'none' ? '' : `${Math.max(0, rssMiB - base).toFixed(0)} MiB`;
      return `| ${text} | ${cpuMicrosecondsPerRequest} µs | ${difference} | ${speed} | ${rssMiB.toFixed(0)} MiB | ${more} |`;
    }),
    '',
    'Loading, in a process that has nothing else: ' +
      Object.entries(loading)
        .map(([name, { ms, mib }]) => `${name} ${ms} ms, ${mib} MiB`)
        .join('; ') +
      '.',
    '',
  ];
});
const text = readFileSync(page, 'utf8');
const [begin, end] = ['<!-- client benchmark -->', '<!-- /client benchmark -->'];
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error('docs/node-client.md has no place for the tables');
writeFileSync(page, `${text.slice(0, from + begin.length)}\n${lines.join('\n').trim()}\n${text.slice(to)}`);
