// SPDX-License-Identifier: Apache-2.0
// A recording of one scope for some seconds: one merged profile for each type, no server, no outbox.
import type { Drained, Scope as NativeScope, ProfilerOptions } from '#native/bpf';
import { StackwellError } from '../errors.js';
import { addCoverage, type Coverage, noCoverage } from '../profile/coverage.js';
import { Containers } from './containers/containers.js';
import { BPF_OBJECTS, loadNative } from './native.js';
import { wallClock } from './procfs/clock.js';
import { processTree, readStat, readStatus } from './procfs/process.js';
import { PerfMapRequests } from './profiling/attach/perf-map-requests.js';
import { commentLines } from './profiling/comments.js';
import { offCpuOptions } from './profiling/options.js';
import { Publishers } from './profiling/publishers.js';
import { Runtimes } from './profiling/runtimes.js';
import { startSymbolizer } from './profiling/symbolizer/symbolizer.js';
import { UnwindTables } from './profiling/unwind-tables.js';
import { type Kind, lostIn, oneGroup, periodOf, WindowBuilder } from './profiling/window.js';

export type RecordScope =
  | { kind: 'host' }
  /** With its threads and children. */
  | { kind: 'process'; pid: number }
  /** Full id, at least 12 characters of it, or the name that `runc run` was given. */
  | { kind: 'container'; id: string };

export interface RecordOptions {
  scope: RecordScope;
  types: Kind[];
  /** On-CPU samples per second and CPU. */
  hz: number;
  seconds: number;
  /** Nanoseconds; off-CPU intervals outside are not recorded. Maximum 0 = none. */
  offCpuMinNs?: number;
  offCpuMaxNs?: number;
  /** Whether Java virtual machines that cannot be read are asked for perf maps (default true). */
  attach?: boolean;
  /** Called when the recorded time begins: everything is attached, and unwind tables are there. */
  onBegin?: () => void;
  /** Ends the recording early; what there is is kept. */
  signal?: AbortSignal;
  /** Called a few times a second; `samples` grows with every drain. */
  onProgress?: (progress: { elapsedSeconds: number; samples: number }) => void;
  /** Folder with the compiled BPF programs. */
  objects?: string;
}

export interface RecordResult {
  /** One for each type that was asked for, in that order; gzipped pprof, also when nothing was sampled. */
  profiles: { type: Kind; pprof: Uint8Array; stats: Coverage }[];
  /** Of all types together. `seconds` is the time that was sampled. */
  stats: Coverage & { seconds: number };
}

const TICK_MS = 200;
/** Often enough that mappings of ended processes and the kernel's tables stay small. */
const DRAIN_MS = 2000;
/**
 * Unwind tables are made when the first stacks run through a file. A recording is short, so it begins when nothing more
 * is asked for: after QUIET_MS without a question, or at the latest after WARM_UP_MS.
 */
const QUIET_MS = 200;
const WARM_UP_MS = 3000;
const WARM_UP_TICK_MS = 25;

/** Something to sample, and a way to see whether it is still there. */
interface Target {
  scope(): NativeScope;
  /** Called after each drain. True when the scope changed. */
  follow(drained: Drained): Promise<boolean>;
  ended(): boolean;
}

/**
 * Records and resolves when the time is over, the process or container has ended, or the signal says so. Throws
 * SW_PID_UNKNOWN or SW_CONTAINER_UNKNOWN before anything is attached, and what startAgent throws for kernel and rights.
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const containers = new Containers();
  const target = await find(options.scope, containers);
  const native = await loadNative();
  const { encode, Merger } = native;
  const profilerOptions: ProfilerOptions = {
    objects: options.objects ?? BPF_OBJECTS,
    scope: target.scope(),
    cgroupHierarchy: containers.layout.hierarchy,
  };
  if (options.types.includes('cpu')) profilerOptions.onCpu = { hz: options.hz };
  if (options.types.includes('offcpu'))
    profilerOptions.offCpu = offCpuOptions(options.offCpuMinNs ?? 1e6, options.offCpuMaxNs ?? 0);

  // Before sampling starts: its start-up would be in the picture.
  const symbols = await startSymbolizer();
  const perfMaps = new PerfMapRequests(options.attach ?? true);
  const recordings = new Map(
    options.types.map(type => [
      type,
      {
        merger: new Merger({ sampleLabels: true }),
        stats: noCoverage(),
      },
    ]),
  );
  let sampledNs = 0n;
  let startNs: bigint | null = null;
  let samples = 0;

  const take = async (drained: Drained) => {
    const unixStart = wallClock()(drained.startNs);
    startNs ??= unixStart;
    sampledNs += drained.endNs - drained.startNs;
    const names = await symbols.symbolize(drained);
    perfMaps.learn(drained, names);
    const builder = new WindowBuilder(
      drained,
      names,
      { startNs: unixStart, hz: options.hz },
      perfMaps.mapped(drained.processes),
    );
    for (const type of options.types)
      addCoverage(recordings.get(type)!.stats, { lost: lostIn(drained, type) });
    for (const { kind, columns, stats } of builder.build(oneGroup(drained), 1)) {
      const recording = recordings.get(kind);
      if (recording === undefined) continue;
      addCoverage(recording.stats, { ...stats, lost: {} });
      samples += stats.samples;
      await recording.merger.addPprof(await encode(columns, { gzipLevel: 0 }));
    }
  };

  try {
    const profiler = new native.Profiler(profilerOptions);
    try {
      const tables = new UnwindTables(profiler, symbols);
      const runtimes = new Runtimes(profiler, symbols, perfMaps);
      const publishers = new Publishers(profiler, symbols);
      const asked = () => tables.waiting + runtimes.waiting + publishers.waiting + perfMaps.waiting;
      const follow = () => {
        profiler.poll();
        tables.follow();
        runtimes.follow();
        publishers.follow();
      };
      await warmUp(follow, asked, () => target.ended() || options.signal?.aborted === true);
      // What was sampled meanwhile is none of the recording; unless there will be no more.
      const before = await profiler.drain();
      if (target.ended()) await take(before);
      else if (await target.follow(before)) profiler.setScope(target.scope());
      options.onBegin?.();
      const started = performance.now();
      let drainedAt = started;
      for (;;) {
        await sleep(
          Math.min(TICK_MS, options.seconds * 1000 - (performance.now() - started)),
          options.signal,
        );
        follow();
        const now = performance.now();
        options.onProgress?.({ elapsedSeconds: (now - started) / 1000, samples });
        if (now - started >= options.seconds * 1000 || options.signal?.aborted === true) break;
        if (now - drainedAt < DRAIN_MS && !target.ended()) continue;
        drainedAt = now;
        const drained = await profiler.drain();
        if (await target.follow(drained)) profiler.setScope(target.scope());
        await take(drained);
        // Only a drain shows whether a process that ended left children behind.
        if (target.ended()) break;
      }
      const last = await profiler.drain();
      profiler.close();
      await take(last);
    } finally {
      profiler.close();
    }

    const total: RecordResult['stats'] = { ...noCoverage(), seconds: Number(sampledNs) / 1e9 };
    const profiles: RecordResult['profiles'] = [];
    for (const type of options.types) {
      const { merger, stats } = recordings.get(type)!;
      addCoverage(total, { ...stats, lost: {} });
      // A loss that may concern both types was counted for each.
      for (const [cause, count] of Object.entries(stats.lost))
        total.lost[cause] = Math.max(total.lost[cause] ?? 0, count);
      const pprof = await merger.pprof({
        sampleType: type,
        sampleUnit: 'nanoseconds',
        periodType: type,
        periodUnit: 'nanoseconds',
        period: periodOf(type, options.hz),
        timeNanos: startNs ?? 0n,
        durationNanos: sampledNs,
        comments: commentLines(type, stats, new Map()),
        sampleLabels: true,
      });
      profiles.push({ type, pprof, stats });
    }
    return { profiles, stats: total };
  } finally {
    await perfMaps.close();
    await symbols.close();
  }
}

/** Polls until nothing more is asked for. */
async function warmUp(follow: () => void, asked: () => number, over: () => boolean): Promise<void> {
  const latest = performance.now() + WARM_UP_MS;
  let quietSince = performance.now();
  while (!over()) {
    await sleep(WARM_UP_TICK_MS, undefined);
    follow();
    const now = performance.now();
    if (asked() > 0) quietSince = now;
    if (now - quietSince >= QUIET_MS || now >= latest) return;
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted === true) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, Math.max(0, milliseconds));
    signal?.addEventListener('abort', wake);
  });
}

async function find(scope: RecordScope, containers: Containers): Promise<Target> {
  if (scope.kind === 'process') return processTarget(scope.pid);
  if (scope.kind === 'container') return containerTarget(scope.id, containers);
  return { scope: () => ({ kind: 'host' }), follow: async () => false, ended: () => false };
}

function processTarget(pid: number): Target {
  const start = readStat(pid)?.startNs;
  // A thread has a folder in /proc too, but is no process.
  if (start === undefined || readStatus(pid)?.processId !== pid)
    throw new StackwellError('SW_PID_UNKNOWN', { pid });
  const pids = processTree(pid);
  let descendants = pids.length > 1;
  return {
    scope: () => ({ kind: 'processes', pids }),
    async follow({ processes }) {
      // Everything in the drain belongs to the scope: its children may outlive it.
      descendants = processes.alive.some((alive, row) => alive === 1 && processes.pid[row] !== pid);
      return false;
    },
    ended: () => readStat(pid)?.startNs !== start && !descendants,
  };
}

async function containerTarget(id: string, containers: Containers): Promise<Target> {
  let cgroups = (await containers.find(id)).cgroups;
  let ended = false;
  return {
    scope: () => ({ kind: 'cgroups', ids: cgroups }),
    async follow() {
      // Cgroups that were made inside it meanwhile. None at all when it has ended.
      const now = await containers.find(id).then(
        found => found.cgroups,
        () => [],
      );
      const changed =
        now.length > 0 && (now.length !== cgroups.length || now.some(one => !cgroups.includes(one)));
      cgroups = now.length > 0 ? now : cgroups;
      ended = now.length === 0;
      return changed;
    },
    ended: () => ended,
  };
}
