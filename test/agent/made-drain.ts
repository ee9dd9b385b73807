// SPDX-License-Identifier: Apache-2.0
// Drains made by hand: rows as objects here, columns for the code under test.
import type { Drained, LossCause } from '#native/bpf';
import type { Symbols } from '../../src/agent/profiling/symbols.js';

export interface MadeFrame {
  name: string;
  file?: string;
  line?: number;
}
export interface MadeLocation {
  space: number;
  mapping?: number;
  address: bigint;
  /** Innermost first; none with a reason. */
  frames: MadeFrame[];
  /** 1 + index into REASONS, 0 when named. */
  reason?: number;
}
export interface MadeSample {
  kind: number;
  phase?: number;
  state?: number;
  process: number;
  tid: number;
  threadName: string;
  stack: number;
  /** Trace and span id. */
  trace?: readonly [string, string];
  count: number;
  value: number;
}
export interface MadeProcess {
  pid: number;
  parent?: number;
  startNs?: bigint;
  cgroup?: bigint;
  comm: string;
  executable?: string;
  executableMapping?: number;
  alive?: number;
}
export interface MadeDrain {
  samples: MadeSample[];
  /** `end`: index into STACK_ENDS; the root when absent. */
  stacks: { locations: number[]; flags?: number; end?: number }[];
  locations: MadeLocation[];
  mappings?: readonly { path: string; buildId: string }[];
  processes: MadeProcess[];
  lost?: Partial<Record<LossCause, number>>;
  startNs?: bigint;
  endNs?: bigint;
}

const NO_LOSS: Record<LossCause, number> = {
  counts_full: 0,
  stack_ring_full: 0,
  stack_missing: 0,
  process_table_full: 0,
  sideband_lost: 0,
  task_state_full: 0,
  bad_delta: 0,
  missed_wakeup: 0,
  files_full: 0,
  wanted_full: 0,
};

function interner(): { strings: string[]; add(text: string): number } {
  const strings = [''];
  return {
    strings,
    add(text) {
      const at = strings.indexOf(text);
      return at >= 0 ? at : strings.push(text) - 1;
    },
  };
}

function offsets(lengths: number[]): Uint32Array {
  const out = new Uint32Array(lengths.length + 1);
  for (const [i, length] of lengths.entries()) out[i + 1] = out[i]! + length;
  return out;
}

export function made(drain: MadeDrain): { drained: Drained; symbols: Symbols } {
  const { strings, add } = interner();
  const { samples, stacks, locations, processes, mappings = [] } = drain;
  const numbers = <T>(rows: T[], pick: (row: T) => number) => Uint32Array.from(rows, pick);
  const drained: Drained = {
    startNs: drain.startNs ?? 1_000_000_000n,
    endNs: drain.endNs ?? 11_000_000_000n,
    samples: {
      kind: Uint8Array.from(samples, one => one.kind),
      phase: Uint8Array.from(samples, one => one.phase ?? 0),
      state: Uint8Array.from(samples, one => one.state ?? 0),
      process: numbers(samples, one => one.process),
      tid: numbers(samples, one => one.tid),
      threadName: numbers(samples, one => add(one.threadName)),
      stack: numbers(samples, one => one.stack),
      trace: numbers(samples, one => add(one.trace?.[0] ?? '')),
      span: numbers(samples, one => add(one.trace?.[1] ?? '')),
      count: Float64Array.from(samples, one => one.count),
      value: Float64Array.from(samples, one => one.value),
    },
    stacks: {
      offset: offsets(stacks.map(stack => stack.locations.length)),
      location: Uint32Array.from(stacks.flatMap(stack => stack.locations)),
      flags: Uint8Array.from(stacks, stack => stack.flags ?? 0),
      end: Uint8Array.from(stacks, stack => stack.end ?? 0),
    },
    locations: {
      space: Uint8Array.from(locations, one => one.space),
      mapping: Int32Array.from(locations, one => one.mapping ?? -1),
      address: BigUint64Array.from(locations, one => one.address),
      exact: new Uint8Array(locations.length),
      process: new Int32Array(locations.length).fill(-1),
      extra: new BigUint64Array(locations.length),
    },
    mappings: {
      path: mappings.map(one => one.path),
      buildId: mappings.map(one => one.buildId),
      pid: new Uint32Array(mappings.length),
      start: new BigUint64Array(mappings.length),
      end: new BigUint64Array(mappings.length),
      offset: new BigUint64Array(mappings.length),
      device: new BigUint64Array(mappings.length),
      inode: new BigUint64Array(mappings.length),
    },
    processes: {
      pid: numbers(processes, one => one.pid),
      parent: numbers(processes, one => one.parent ?? 1),
      startNs: BigUint64Array.from(processes, one => one.startNs ?? 0n),
      cgroup: BigUint64Array.from(processes, one => one.cgroup ?? 0n),
      comm: numbers(processes, one => add(one.comm)),
      executable: numbers(processes, one => add(one.executable ?? '')),
      executableMapping: Int32Array.from(processes, one => one.executableMapping ?? -1),
      alive: Uint8Array.from(processes, one => one.alive ?? 0),
    },
    strings,
    lost: { ...NO_LOSS, ...drain.lost },
    skipped: { idle: 0, out_of_scope: 0, excluded: 0, too_short: 0, too_long: 0, state: 0 },
    untraced: { full: 0, unreadable: 0, invalid: 0 },
  };
  const names = interner();
  const frames = locations.flatMap(one => one.frames);
  const symbols: Symbols = {
    strings: names.strings,
    reason: Uint8Array.from(locations, one => one.reason ?? 0),
    frameOffset: offsets(locations.map(one => one.frames.length)),
    frames: {
      name: numbers(frames, one => names.add(one.name)),
      systemName: numbers(frames, one => names.add(`_Z${one.name}`)),
      file: numbers(frames, one => names.add(one.file ?? '')),
      line: numbers(frames, one => one.line ?? 0),
      startLine: numbers(frames, () => 0),
    },
    buildIds: mappings.map(one => one.buildId),
  };
  return { drained, symbols };
}

/** A profiler whose stacks need no unwind tables, and of whose processes nothing has to be found out. */
export const noTables = {
  wantedTables: () => ({
    ...made({ samples: [], stacks: [], locations: [], processes: [] }).drained,
    id: new Uint32Array(0),
  }),
  installTable() {},
  refuseTable() {},
  wantedRuntimes: () => ({
    ...made({ samples: [], stacks: [], locations: [], processes: [] }).drained,
    start: new Float64Array(0),
  }),
  setRuntime() {},
  wantedPublishers: () => ({
    ...made({ samples: [], stacks: [], locations: [], processes: [] }).drained,
    start: new Float64Array(0),
    context: new BigUint64Array(0),
  }),
  setPublisher() {},
};
