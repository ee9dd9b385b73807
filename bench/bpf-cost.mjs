// SPDX-License-Identifier: Apache-2.0
// What the BPF programs cost: nanoseconds a sample on-CPU (97 Hz, two busy threads), and off-CPU nanoseconds a switch and
// the throughput that a program keeps that does nothing but switch (`perf bench sched pipe` on one CPU, in turns with and
// without). Needs root and `perf`. Prints JSON.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Profiler } from '#native/bpf';

const objects = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../build/bpf');
const STATS = '/proc/sys/kernel/bpf_stats_enabled';
const TURNS = 11;
const LOOPS = 60_000;

const open = what => new Profiler({ objects, scope: { kind: 'host' }, cgroupHierarchy: 'v2', ...what });
const onCpu = { onCpu: { hz: 97 } };
const offCpu = {
  offCpu: {
    minNs: 1_000_000,
    maxNs: 0,
    stateMask: 0,
    phases: { blocked: true, runqueue: true, preempted: true },
  },
};
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Runs and nanoseconds of each program while `work` runs, with the kernel's own clock around each run. */
async function costs(what, work) {
  const before = readFileSync(STATS, 'utf8');
  const profiler = open(what);
  writeFileSync(STATS, '1');
  try {
    await work(profiler);
    return profiler.programs().filter(({ runCount }) => runCount > 0n);
  } finally {
    writeFileSync(STATS, before);
    profiler.close();
  }
}

async function busy(profiler) {
  const burners = [0, 1].map(() => spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }));
  for (let i = 0; i < 20; i++) {
    await sleep(250);
    profiler.poll();
  }
  for (const burner of burners) burner.kill('SIGKILL');
}

/** Operations a second; an operation is two switches. First in line for its CPU, as other work would be measured too. */
function pipe() {
  const out = execFileSync('nice', [
    '-n',
    '-20',
    'taskset',
    '-c',
    '0',
    'perf',
    'bench',
    '-f',
    'simple',
    'sched',
    'pipe',
    '-l',
    String(LOOPS),
  ]);
  return LOOPS / Number(out.toString().trim());
}

const each = ({ runNs, runCount }) => Number(runNs) / Number(runCount);
const named = (programs, name) => programs.find(program => program.name === name);

const sampled = named(await costs(onCpu, busy), 'sw_on_cpu');
const switching = await costs(offCpu, async () => void pipe());
const switches = Number(named(switching, 'sw_switch').runCount);
const total = switching
  .filter(({ name }) => name !== 'sw_open_sleepable')
  .reduce((sum, { runNs }) => sum + Number(runNs), 0);

const [plain, watched] = [[], []];
for (let turn = 0; turn < TURNS; turn++) {
  plain.push(pipe());
  const profiler = open(offCpu);
  await sleep(50);
  watched.push(pipe());
  profiler.close();
}
const kept = median(watched.map((ops, turn) => ops / plain[turn]));
// At fewer switches a second, the same cost of a switch is a smaller part of the time.
const lostPerSwitch = (1e9 / (2 * median(plain))) * (1 / kept - 1);

console.log(
  JSON.stringify(
    {
      onCpu: { hz: 97, samples: Number(sampled.runCount), nsPerSample: Math.round(each(sampled)) },
      offCpu: {
        switches,
        // The kernel's statistics add their own two clock readings to each run.
        nsPerSwitchWithStatistics: Math.round(total / switches),
        programs: Object.fromEntries(switching.map(program => [program.name, Math.round(each(program))])),
        pipe: {
          switchesPerSecond: Math.round(2 * median(plain)),
          throughputKept: Number(kept.toFixed(3)),
          nsPerSwitch: Math.round(lostPerSwitch),
          lossAt100kSwitchesPerSecond: Number(((lostPerSwitch * 1e5) / 1e9).toFixed(4)),
        },
      },
    },
    null,
    2,
  ),
);
