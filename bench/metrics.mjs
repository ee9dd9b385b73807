#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// bench/metrics.mjs [--quick] [--json FILE]: what the collectors of kernel metrics cost the programs that they watch:
// tasks that talk to each other (hackbench, Debian's rt-tests) and reads from a disk (fio), with none of them, with each
// that has a BPF program, and with all. By turns, medians: the machine changes over the length of a run. Needs root and
// the built TypeScript.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Watch } from '#native/bpf';
import { Containers } from '../dist/agent/containers/containers.js';
import { HIERARCHIES } from '../dist/agent/containers/layout.js';
import { COLLECTORS } from '../dist/agent/metrics/collectors.js';
import { Collectors } from '../dist/agent/metrics/registry.js';
import { Targets } from '../dist/agent/metrics/targets.js';

const { values: flags } = parseArgs({ options: { json: { type: 'string' }, quick: { type: 'boolean' } } });
const ROUNDS = flags.quick ? 1 : 7;
const STATS = '/proc/sys/kernel/bpf_stats_enabled';
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}build/bench/metrics`;
const run = promisify(execFile);
const median = numbers => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Each gives what it reached, more is better, and a latency that nine of ten, or 99 of 100, stay below; ns. */
const LOADS = {
  async hackbench() {
    const { stdout } = await run('hackbench', ['-g', '4', '-l', flags.quick ? '500' : '3000']);
    return { rate: 1 / Number(/Time: ([\d.]+)/.exec(stdout)[1]), p99: null };
  },
  async fio() {
    const { stdout } = await run('fio', [
      ...[
        '--name=read',
        `--filename=${folder}/file`,
        '--size=256m',
        '--rw=randread',
        '--bs=4k',
        '--direct=1',
      ],
      ...['--ioengine=psync', '--numjobs=2', '--group_reporting', '--time_based', '--output-format=json'],
      `--runtime=${flags.quick ? 1 : 4}`,
    ]);
    const { read } = JSON.parse(stdout.slice(stdout.indexOf('{'))).jobs[0];
    return { rate: read.iops, p99: read.clat_ns.percentile['99.000000'] };
  },
};

const containers = new Containers();
await containers.refresh();

/** Collectors by name; all when null. */
async function start(names) {
  const plugins = COLLECTORS.filter(({ name }) => names === null || names.includes(name));
  return Collectors.start(plugins, {
    Watch,
    objects: `${root}build/bpf`,
    hierarchy: HIERARCHIES.indexOf(containers.layout.hierarchy),
    targets: new Targets(containers, { host: 'h', region: '', maxContainers: 1000 }),
    settings: {},
    log: { info() {}, error() {}, warn: fields => process.stderr.write(`${JSON.stringify(fields)}\n`) },
  });
}

mkdirSync(folder, { recursive: true });
const statsBefore = readFileSync(STATS, 'utf8');
const kinds = {
  none: [],
  runqlat: ['runqlat'],
  softirq: ['softirq'],
  io: ['io'],
  reclaim: ['reclaim'],
  all: null,
};
const reached = Object.fromEntries(
  Object.keys(LOADS).map(load => [load, Object.fromEntries(Object.keys(kinds).map(kind => [kind, []]))]),
);
const programs = new Map();
const load = loadavg();
try {
  await LOADS.fio();
  for (let round = 0; round < ROUNDS; round++)
    for (const [kind, names] of Object.entries(kinds)) {
      const collectors = kind === 'none' ? null : await start(names);
      for (const [name, work] of Object.entries(LOADS)) reached[name][kind].push(await work());
      if (kind === 'all' && round === 0) {
        // BPF statistics cost time of their own: apart from the rates.
        writeFileSync(STATS, '1');
        for (const work of Object.values(LOADS)) await work();
        writeFileSync(STATS, statsBefore);
        for (const { name, runNs, runCount } of collectors.programs())
          if (runCount > 0n)
            programs.set(name, { ns: Number(runNs) / Number(runCount), runs: Number(runCount) });
      }
      collectors?.close();
    }
} finally {
  writeFileSync(STATS, statsBefore);
  rmSync(folder, { recursive: true, force: true });
}

/** Against none of the same round: what the machine does meanwhile is in both. */
const against = (load, kind, what) =>
  median(reached[load][kind].map((one, round) => one[what] / reached[load].none[round][what]));
const lines = [
  '| collectors | hackbench, slower | fio, fewer reads | fio, p99 |',
  '| --- | ---: | ---: | ---: |',
];
const percent = ratio => `${(100 * ratio).toFixed(1)} %`;
for (const kind of Object.keys(kinds).slice(1))
  lines.push(
    `| ${kind} | ${percent(1 / against('hackbench', kind, 'rate') - 1)} | ${percent(1 - against('fio', kind, 'rate'))} | ${percent(against('fio', kind, 'p99') - 1)} |`,
  );
lines.push('', '| program | ns a run | runs |', '| --- | ---: | ---: |');
for (const [name, { ns, runs }] of programs) lines.push(`| ${name} | ${ns.toFixed(0)} | ${runs} |`);
process.stdout.write(`${lines.join('\n')}\n`);
if (flags.json !== undefined) {
  const machine = { date: new Date().toISOString(), kernel: release(), cpu: cpus()[0].model, load };
  writeFileSync(
    flags.json,
    `${JSON.stringify({ machine, rounds: ROUNDS, reached, programs: Object.fromEntries(programs) }, null, 2)}\n`,
  );
}
