// SPDX-License-Identifier: Apache-2.0
// Programs run side by side, are sampled as the agent does it, and every sample is judged by what is known of the
// program: did its stack reach the root, has every frame a name, is the chain of calls the one in the source.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Drained, ProfilerOptions } from '#native/bpf';
import { Profiler } from '#native/bpf';
import { PerfMapRequests } from '../../src/agent/profiling/attach/perf-map-requests.js';
import { Runtimes } from '../../src/agent/profiling/runtimes.js';
import { startSymbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import type { Symbols } from '../../src/agent/profiling/symbols.js';
import { UnwindTables } from '../../src/agent/profiling/unwind-tables.js';
import { REASONS, STACK_ENDS, type StackEnd } from '../../src/profile/types.js';

const objects = fileURLToPath(new URL('../../build/bpf', import.meta.url));

/** Samples a second and CPU: enough for statements about one in a hundred after a few seconds. */
export const HZ = 997;
/** The unwind table of a file that nobody has seen before is made when its first sample arrives. */
const WARM_MS = 2000;

export interface Subject {
  name: string;
  command: string[];
  env?: NodeJS.ProcessEnv;
}

export interface Sample {
  subject: string;
  kind: 'cpu' | 'offcpu';
  phase: number;
  thread: string;
  count: number;
  nanoseconds: number;
  end: StackEnd;
  /** Root first, inlined calls as frames; a frame without a name is its reason in brackets. */
  frames: string[];
  /** Of the kernel; they come last in `frames`. */
  kernelFrames: number;
  unnamed: number;
}

export interface Measured {
  samples: Sample[];
  /** How long was sampled. */
  seconds: number;
}

export interface Wanted {
  /** On-CPU samples that each subject must have before it is enough. */
  samples: number;
  /** Longest time to wait for them. */
  seconds: number;
  offCpu?: ProfilerOptions['offCpu'];
}

/** Starts the subjects, samples them until there is enough of each, and ends them. */
export async function measure(subjects: Subject[], wanted: Wanted): Promise<Measured> {
  const symbols = await startSymbolizer();
  const running: ChildProcess[] = [];
  try {
    const names = new Map<number, string>();
    for (const subject of subjects) {
      const child = await ready(subject, running);
      names.set(child.pid!, subject.name);
    }
    const profiler = new Profiler({
      objects,
      scope: { kind: 'processes', pids: [...names.keys()] },
      cgroupHierarchy: 'cpu',
      onCpu: { hz: HZ },
      ...(wanted.offCpu && { offCpu: wanted.offCpu }),
    });
    const tables = new UnwindTables(profiler, symbols);
    const runtimes = new Runtimes(profiler, symbols, new PerfMapRequests(false));
    const timer = setInterval(() => {
      profiler.poll();
      tables.follow();
      runtimes.follow();
    }, 50);
    try {
      await sleep(WARM_MS);
      await tables.settled();
      await symbols.symbolize(await profiler.drain());
      const samples: Sample[] = [];
      const counts = new Map(subjects.map(({ name }) => [name, 0]));
      const start = performance.now();
      let seconds = 0;
      while (seconds < wanted.seconds) {
        await sleep(1000);
        const drained = await profiler.drain();
        seconds = (performance.now() - start) / 1000;
        for (const sample of samplesOf(drained, await symbols.symbolize(drained), names)) {
          samples.push(sample);
          if (sample.kind === 'cpu') counts.set(sample.subject, counts.get(sample.subject)! + sample.count);
        }
        if (Math.min(...counts.values()) >= wanted.samples) break;
      }
      for (const { name } of subjects) {
        const child = running[subjects.findIndex(subject => subject.name === name)]!;
        if (child.exitCode !== null) throw new Error(`${name} ended while it was sampled`);
      }
      return { samples, seconds };
    } finally {
      clearInterval(timer);
      profiler.close();
    }
  } finally {
    for (const child of running) child.kill('SIGKILL');
    await symbols.close();
  }
}

/** Resolves when the program has said "ready". */
async function ready({ name, command, env }: Subject, running: ChildProcess[]): Promise<ChildProcess> {
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  running.push(child);
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (text: Buffer) => {
      said += text;
      if (/^ready$/m.test(said)) resolve();
    });
    child.stderr.on('data', (text: Buffer) => {
      said += text;
    });
    child.once('error', reject);
    child.once('close', code => reject(new Error(`${name} ended with ${code}: ${said}`)));
  });
  return child;
}

function samplesOf(drained: Drained, symbols: Symbols, names: Map<number, string>): Sample[] {
  const { samples, stacks, locations, processes, strings } = drained;
  const framesAt = (location: number): string[] => {
    const reason = symbols.reason[location]!;
    if (reason !== 0) return [`[${REASONS[reason - 1]}]`];
    const frames: string[] = [];
    for (let at = symbols.frameOffset[location]!; at < symbols.frameOffset[location + 1]!; at++)
      frames.push(symbols.strings[symbols.frames.name[at]!]!);
    return frames;
  };
  return Array.from(samples.kind, (kind, row) => {
    const stack = samples.stack[row]!;
    const own = Array.from(stacks.location.subarray(stacks.offset[stack]!, stacks.offset[stack + 1]!));
    const pid = processes.pid[samples.process[row]!]!;
    const frames = own.flatMap(framesAt).reverse();
    return {
      subject: names.get(pid) ?? '',
      kind: kind === 0 ? ('cpu' as const) : ('offcpu' as const),
      phase: samples.phase[row]!,
      thread: strings[samples.threadName[row]!]!,
      count: samples.count[row]!,
      nanoseconds: samples.value[row]!,
      end: STACK_ENDS[stacks.end[stack]!]!,
      frames,
      kernelFrames: own
        .filter(location => locations.space[location] === 0)
        .reduce((sum, location) => sum + framesAt(location).length, 0),
      unnamed: own.filter(location => symbols.reason[location] !== 0).length,
    };
  });
}
