#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// bench/off-cpu.mjs [--json FILE]: what off-CPU sampling costs a program that does nothing but switch: two processes
// that pass a token through pipes on one CPU (`perf bench sched pipe`), without the agent, with it, and with it sampling
// on-CPU only. By turns, medians: the machine changes over the length of a run. Needs root and Debian's linux-perf.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { bpfBetween, bpfIds, bpfRuns } from './agent/measure.mjs';
import { PROFILERS } from './agent/profilers.mjs';

const { values: flags } = parseArgs({ options: { json: { type: 'string' } } });
const ROUNDS = 3;
const LOOPS = 300_000;
const HZ = 19;
const STATS = '/proc/sys/kernel/bpf_stats_enabled';

/** Operations a second; each is two switches. */
async function pipe() {
  const args = ['-c', '0', 'perf', 'bench', '--format', 'simple', 'sched', 'pipe', '--loop', String(LOOPS)];
  const { stdout } = await promisify(execFile)('taskset', args);
  return LOOPS / Number(stdout.trim());
}

const median = numbers => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Runs with the profiler attached; null is none. */
async function withProfiler(profiler) {
  if (profiler === null) return { rates: [await pipe(), await pipe(), await pipe()], bpf: {} };
  const earlier = bpfIds();
  const subject = await PROFILERS[profiler].start(HZ);
  try {
    // Start-up is not what is measured.
    await sleep(8000);
    subject.check();
    const rates = [await pipe(), await pipe(), await pipe()];
    // BPF statistics cost time of their own: after the rates.
    const before = bpfRuns(subject.pid, earlier);
    writeFileSync(STATS, '1');
    await pipe();
    writeFileSync(STATS, statsBefore);
    return { rates, bpf: bpfBetween(before, bpfRuns(subject.pid, earlier)) };
  } finally {
    await subject.stop();
  }
}

const statsBefore = readFileSync(STATS, 'utf8');
const kinds = [null, 'stackwell-cpu', 'stackwell'];
const rates = { none: [], 'stackwell-cpu': [], stackwell: [] };
let bpf = {};
const load = loadavg();
try {
  for (let round = 0; round < ROUNDS; round++)
    for (const kind of kinds) {
      const measured = await withProfiler(kind);
      rates[kind ?? 'none'].push(...measured.rates);
      if (kind === 'stackwell') bpf = measured.bpf;
      process.stderr.write(
        `round ${round + 1}, ${kind ?? 'none'}: ${measured.rates.map(Math.round).join(', ')}\n`,
      );
    }
} finally {
  writeFileSync(STATS, statsBefore);
}
const alone = median(rates.none);
const slower = Object.fromEntries(
  Object.entries(rates).map(([kind, values]) => [kind, 100 * (1 - median(values) / alone)]),
);
if (flags.json !== undefined) {
  const machine = { date: new Date().toISOString(), kernel: release(), cpu: cpus()[0].model, load };
  writeFileSync(flags.json, `${JSON.stringify({ machine, rates, slower, bpf }, null, 2)}\n`);
}
const rows = [
  ['without', 'none'],
  [PROFILERS['stackwell-cpu'].label, 'stackwell-cpu'],
  [PROFILERS.stackwell.label, 'stackwell'],
].map(
  ([label, kind]) => `| ${label} | ${Math.round(2 * median(rates[kind]))} | ${slower[kind].toFixed(1)} |`,
);
const lines = ['| agent | context switches a second | slower, % |', '| --- | ---: | ---: |', ...rows];
process.stdout.write(`${lines.join('\n')}\n`);
for (const [program, { ns, count }] of Object.entries(bpf))
  process.stdout.write(`\n${program}: ${(ns / count).toFixed(0)} ns a run, ${count} runs`);
process.stdout.write('\n');
