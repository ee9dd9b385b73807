#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// bench/unwind.mjs [--json FILE]: what a stack costs in the kernel. First by kind of stack: nanoseconds that the program at
// the perf event ran for each sample (the kernel's own statistics of BPF programs), beside frame pointers only, and beside
// the OpenTelemetry profiler where it is built. Then kernel memory with 200 processes that share no executable.
// Needs root. Prints a table.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Profiler } from '#native/bpf';
import { bpfBetween, bpfIds, bpfRuns, mapBytes, mapIds } from './agent/measure.mjs';
import { PROFILERS } from './agent/profilers.mjs';
import { startChild, stopChildren } from './unwind/children.mjs';
import { PROCESSES, startCrowd } from './unwind/crowd.mjs';
import { KINDS } from './unwind/programs.mjs';

const { values: flags } = parseArgs({ options: { json: { type: 'string' } } });
const compiled = fileURLToPath(new URL('../dist/agent/profiling/', import.meta.url));
const { Symbolizer } = await import(path.join(compiled, 'symbolizer/symbolizer.js'));
const { UnwindTables } = await import(path.join(compiled, 'unwind-tables.js'));
const { Runtimes } = await import(path.join(compiled, 'runtimes.js'));
const { PerfMapRequests } = await import(path.join(compiled, 'attach/perf-map-requests.js'));
const { STACK_ENDS } = await import(path.join(compiled, '../../profile/types.js'));

const objects = fileURLToPath(new URL('../build/bpf', import.meta.url));
const STATS = '/proc/sys/kernel/bpf_stats_enabled';
const HZ = 997;
const WARM_MS = 6000;
const TURN_MS = 2000;
const TURNS = 3;
const OTEL_WARM_MS = 6000;

const median = numbers => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const round = (number, digits = 0) => Number(number.toFixed(digits));

/** As many processes as CPUs: then hardly anything else is sampled. */
const startBusy = ([command, ...args]) => cpus().map(() => startChild(command, args));

/** The profiler in this process, with tables and runtimes followed as the agent does. */
function follow(symbols, unwinds, hz) {
  const profiler = new Profiler({
    objects,
    scope: { kind: 'host' },
    cgroupHierarchy: 'v2',
    onCpu: { hz },
    unwinds,
  });
  const tables = new UnwindTables(profiler, symbols);
  const runtimes = new Runtimes(profiler, symbols, new PerfMapRequests(false));
  const timer = setInterval(() => {
    profiler.poll();
    if (!unwinds) return;
    tables.follow();
    runtimes.follow();
  }, 50);
  return {
    profiler,
    close() {
      clearInterval(timer);
      profiler.close();
    },
  };
}

const onCpu = profiler => profiler.programs().find(({ name }) => name === 'sw_on_cpu');

/** Of the samples of these processes: frames in user space, and the part whose stack reached the root. */
function stacksOf({ samples, stacks, locations, processes }, pids) {
  let [count, frames, whole] = [0, 0, 0];
  for (let row = 0; row < samples.stack.length; row++) {
    if (!pids.has(processes.pid[samples.process[row]])) continue;
    const stack = samples.stack[row];
    const own = stacks.location.subarray(stacks.offset[stack], stacks.offset[stack + 1]);
    count += samples.count[row];
    for (const location of own) if (locations.space[location] !== 0) frames += samples.count[row];
    if (STACK_ENDS[stacks.end[stack]] === 'root') whole += samples.count[row];
  }
  return { samples: count, frames: frames / count, whole: (100 * whole) / count };
}

async function own(symbols, unwinds, pids) {
  const { profiler, close } = follow(symbols, unwinds, HZ);
  try {
    await sleep(unwinds ? WARM_MS : 1000);
    await profiler.drain();
    const costs = [];
    let stacks;
    for (let turn = 0; turn < TURNS; turn++) {
      const before = onCpu(profiler);
      await sleep(TURN_MS);
      const after = onCpu(profiler);
      costs.push(Number(after.runNs - before.runNs) / Number(after.runCount - before.runCount));
      stacks = stacksOf(await profiler.drain(), pids);
    }
    return {
      nsPerSample: round(median(costs)),
      frames: round(stacks.frames, 1),
      whole: round(stacks.whole, 1),
    };
  } finally {
    close();
  }
}

/** Run time and count of its programs at the perf event: what they call on from there counts for them. */
function atEvent(runs) {
  const programs = Object.values(runs).filter(({ type }) => type === 'perf_event');
  const sum = field => programs.reduce((all, program) => all + program[field], 0);
  return { ns: sum('ns'), count: sum('count') };
}

async function otel() {
  const earlier = bpfIds();
  const subject = await PROFILERS.otel.start(HZ);
  try {
    // On CPUs that are all taken it needs a while to start, and then to read the programs that run.
    for (let waited = 0; atEvent(bpfRuns(subject.pid, earlier)).count === 0; waited++) {
      if (waited === 60) throw new Error('the OpenTelemetry profiler took no sample in a minute');
      await sleep(1000);
      subject.check();
    }
    await sleep(OTEL_WARM_MS);
    const costs = [];
    for (let turn = 0; turn < TURNS; turn++) {
      const before = bpfRuns(subject.pid, earlier);
      await sleep(TURN_MS);
      const { ns, count } = atEvent(bpfBetween(before, bpfRuns(subject.pid, earlier)));
      costs.push(ns / count);
    }
    return { nsPerSample: round(median(costs)) };
  } finally {
    await subject.stop();
  }
}

async function kinds(symbols, peer) {
  const results = [];
  for (const [kind, build] of Object.entries(KINDS)) {
    const busy = startBusy(build(kind));
    try {
      const pids = new Set(busy.map(({ pid }) => pid));
      const stackwell = await own(symbols, true, pids);
      const framePointers = await own(symbols, false, pids);
      results.push({ kind, stackwell, framePointers, otel: peer ? await otel() : null });
      console.error(JSON.stringify(results.at(-1)));
    } finally {
      await stopChildren(busy);
    }
  }
  return results;
}

/** Kernel memory after each of the processes has been sampled for a while. */
async function crowd(symbols, peer) {
  const crowd = startCrowd();
  try {
    await sleep(5000);
    const earlier = mapIds();
    const { profiler, close } = follow(symbols, true, 97);
    let stackwell;
    try {
      for (let i = 0; i < 40; i++) {
        await sleep(1000);
        await profiler.drain();
      }
      const { tables } = profiler.memory;
      stackwell = { mapBytes: mapBytes(earlier), tables };
    } finally {
      close();
    }
    let other = null;
    if (peer) {
      const earlier = mapIds();
      const subject = await PROFILERS.otel.start(97);
      try {
        await sleep(45_000);
        subject.check();
        other = { mapBytes: mapBytes(earlier) };
      } finally {
        await subject.stop();
      }
    }
    const alive = crowd.alive();
    if (alive !== PROCESSES) throw new Error(`${PROCESSES - alive} of the ${PROCESSES} processes ended`);
    return {
      processes: PROCESSES,
      programs: crowd.programs,
      executableBytes: crowd.executableBytes,
      stackwell,
      otel: other,
    };
  } finally {
    await crowd.stop();
  }
}

const missing = PROFILERS.otel.missing();
if (missing !== null) console.error(missing);
const statistics = readFileSync(STATS, 'utf8');
const symbols = await Symbolizer.start();
let result;
try {
  writeFileSync(STATS, '1');
  result = {
    machine: {
      date: new Date().toISOString(),
      kernel: release(),
      cpu: cpus()[0].model,
      cpus: cpus().length,
      load: loadavg().map(load => round(load, 2)),
    },
    hz: HZ,
    kinds: await kinds(symbols, missing === null),
    memory: await crowd(symbols, missing === null),
  };
} finally {
  writeFileSync(STATS, statistics);
  await symbols.close();
}
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);

const us = ns => (ns / 1000).toFixed(1);
const mib = bytes => (bytes / 2 ** 20).toFixed(1);
console.log(
  '| kind of stack | frames | to the root, % | µs a sample | by frame pointers only | OpenTelemetry |',
);
console.log('| --- | ---: | ---: | ---: | ---: | ---: |');
for (const { kind, stackwell, framePointers, otel: other } of result.kinds)
  console.log(
    `| ${kind} | ${stackwell.frames} | ${stackwell.whole} | ${us(stackwell.nsPerSample)} | ${us(framePointers.nsPerSample)} (${framePointers.frames} frames) | ${other === null ? '' : us(other.nsPerSample)} |`,
  );
const { memory } = result;
console.log(
  `\nKernel memory with ${memory.processes} processes that share no executable (${memory.programs.join(', ')}): ${mib(memory.stackwell.mapBytes)} MiB of maps, of which ${mib(memory.stackwell.tables.bytes)} MiB are tables of ${memory.stackwell.tables.files} files` +
    (memory.otel === null ? '.' : `; OpenTelemetry: ${mib(memory.otel.mapBytes)} MiB.`),
);
