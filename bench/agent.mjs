#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// bench/agent.mjs [--quick] [--json FILE]: what the agent costs, beside its peers, on this machine in this run.
// Prints a Markdown table; progress goes to standard error. Needs root, and a checkout that is built.
//
// Start-up is the CPU of the process and its children in its first ten seconds; steady is what follows. BPF runs in
// whatever task is interrupted, so its time is not in the CPU of the process: it has a column of its own.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LOADS } from './agent/loads.mjs';
import { bpfBetween, bpfIds, bpfRuns, cpuSeconds, residentBytes, runSeconds } from './agent/measure.mjs';
import { PROFILERS } from './agent/profilers.mjs';
import { markdown } from './agent/table.mjs';

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});

const STARTUP_SECONDS = 10;
const STEADY_SECONDS = flags.quick ? 11 : 30;
const RATES = flags.quick ? [97] : [19, 97, 997];
/** Rates at which each profiler is measured, of those above. */
const MEASURED = {
  stackwell: RATES,
  'stackwell-cpu': flags.quick ? [97] : [19, 97],
  perf: [97],
  otel: flags.quick ? [97] : [19, 97],
};

const STATS = '/proc/sys/kernel/bpf_stats_enabled';
const note = text => process.stderr.write(`${text}\n`);

async function measure(load, profiler, hz) {
  const work = LOADS[load].start();
  await sleep(1500);
  const loadBefore = loadavg()[0];
  const earlier = bpfIds();
  const subject = await PROFILERS[profiler].start(hz);
  try {
    await sleep(STARTUP_SECONDS * 1000);
    subject.check();
    const startupCpuSeconds = cpuSeconds(subject.pid);
    const before = {
      at: performance.now(),
      run: runSeconds(subject.pid),
      bpf: bpfRuns(subject.pid, earlier),
      work: work.work(),
    };
    await sleep(STEADY_SECONDS * 1000);
    subject.check();
    const seconds = (performance.now() - before.at) / 1000;
    const steady = runSeconds(subject.pid) - before.run;
    const bpf = bpfBetween(before.bpf, bpfRuns(subject.pid, earlier));
    const bpfNs = Object.values(bpf).reduce((sum, run) => sum + run.ns, 0);
    return {
      load,
      profiler,
      hz,
      seconds,
      startupCpuSeconds,
      steadyCpuPercent: (100 * steady) / seconds,
      bpfPercent: Object.keys(bpf).length === 0 ? null : (100 * bpfNs) / 1e9 / seconds,
      bpf,
      residentBytes: residentBytes(subject.pid),
      delivered: subject.delivered(),
      workPerSecond: (work.work() - before.work) / seconds,
      workUnit: work.unit,
      loadBefore,
    };
  } finally {
    await subject.stop();
    await work.stop();
  }
}

function machine() {
  const git = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    encoding: 'utf8',
    cwd: new URL('.', import.meta.url),
  });
  return {
    date: new Date().toISOString(),
    kernel: release(),
    cpu: cpus()[0].model,
    cpus: cpus().length,
    node: process.version,
    commit: git.trim(),
    load: loadavg(),
  };
}

const statsBefore = readFileSync(STATS, 'utf8');
writeFileSync(STATS, '1');
const cells = [];
const skipped = [];
const about = machine();
try {
  const present = Object.keys(MEASURED).filter(profiler => {
    const missing = PROFILERS[profiler].missing();
    if (missing === null) return true;
    skipped.push(missing);
    note(`left out: ${missing}`);
    return false;
  });
  // What is compared is measured one after another: the machine changes over the length of a run.
  for (const load of Object.keys(LOADS))
    for (const hz of RATES.filter(rate => LOADS[load].rates?.includes(rate) ?? true))
      for (const profiler of present.filter(one => MEASURED[one].includes(hz))) {
        note(`${LOADS[load].label}, ${hz} Hz: ${PROFILERS[profiler].label}`);
        cells.push(await measure(load, profiler, hz));
      }
} finally {
  writeFileSync(STATS, statsBefore);
}
const result = { machine: about, quick: flags.quick, skipped, cells };
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
process.stdout.write(`${markdown(result)}\n`);
