// SPDX-License-Identifier: Apache-2.0
// Loads and attaches the BPF programs, keeps process mappings, and drains samples as columns.

export type Scope =
  | { kind: 'host' }
  /** Tasks in these cgroups: cgroup v2 ids, or on v1 the kernfs ids (inode numbers) in `hierarchy`. */
  | { kind: 'cgroups'; ids: bigint[] }
  /** These processes with all their threads, and children started from now on. */
  | { kind: 'processes'; pids: number[] };

export interface ProfilerOptions {
  /** Folder with the compiled *.bpf.o files. */
  objects: string;
  scope: Scope;
  /** Which cgroup a sample is attributed to: the v2 one, or the one in this v1 controller. */
  cgroupHierarchy: 'v2' | 'cpu' | 'memory' | 'cpuacct' | 'pids';
  onCpu?: { hz: number };
  offCpu?: {
    /** Nanoseconds; intervals outside are not recorded. maxNs 0 = no maximum. */
    minNs: number;
    maxNs: number;
    /** Bits of task states that count as blocked (TASK_INTERRUPTIBLE 1, TASK_UNINTERRUPTIBLE 2, …); 0 = all. */
    stateMask: number;
    phases: { blocked: boolean; runqueue: boolean; preempted: boolean };
    /** Where stacks are taken; by default the best that the kernel offers, see docs/kernels.md. */
    capture?: 'sched_exit_tp' | 'fentry' | 'kprobe' | 'switch_out';
    /** Use the programs for kernels before 5.12 (for tests; such kernels get them anyway). */
    legacy?: boolean;
  };
  /** Never sample these process ids (the agent itself, when asked). */
  excludePids?: number[];
  /** Upper bounds, by entries. */
  maxSamples?: number;
  /** Maximum bytes of process and mapping tables (default 32 MiB). */
  maxProcessBytes?: number;
  /** Maximum bytes of unwind tables in the kernel (default 64 MiB). */
  maxTableBytes?: number;
  /** False: stacks by frame pointers only. Default: by unwind tables where the kernel can (5.15). */
  unwinds?: boolean;
  /** Whether samples say what their threads worked on, where the process publishes it (default true). */
  traces?: boolean;
}

/** One drain: all rows since the drain before. Plain typed arrays, valid as long as the caller keeps them. */
export interface Drained {
  /** CLOCK_MONOTONIC nanoseconds of the time covered. */
  startNs: bigint;
  endNs: bigint;
  /** One row per distinct (kind, phase, state, process, thread, stack, trace, span). */
  samples: {
    kind: Uint8Array; // 0 on-CPU, 1 off-CPU
    phase: Uint8Array; // off-CPU: 0 blocked, 1 runqueue, 2 preempted
    state: Uint8Array; // off-CPU: the task state's bits (blocked)
    process: Uint32Array; // row of `processes`
    tid: Uint32Array;
    threadName: Uint32Array; // row of `strings`
    stack: Uint32Array; // row of `stacks`
    trace: Uint32Array; // row of `strings`: trace id, hex; '' where none is known
    span: Uint32Array; // and span id
    count: Float64Array; // samples or intervals
    /** Nanoseconds: count × period on-CPU, time away off-CPU. */
    value: Float64Array;
  };
  stacks: {
    /** n + 1 offsets into `location`; leaf first, kernel part before user part. */
    offset: Uint32Array;
    location: Uint32Array; // row of `locations`
    /**
     * bit 0: kernel part truncated; bit 1: user part truncated, or its chain of frame pointers was broken (what follows
     * is left out); bit 2: user part not readable; bit 3: kernel part not readable
     */
    flags: Uint8Array;
    /** How the user part ends: index into STACK_ENDS (src/profile/types.ts). */
    end: Uint8Array;
  };
  locations: {
    /**
     * 0 kernel, 1 file, 2 anonymous executable memory (JIT), 3 no mapping known, 4 vdso/vsyscall,
     * 5 Java interpreted, 6 Java compiled, 7 JavaScript (V8)
     */
    space: Uint8Array;
    /** Row of `mappings`, or -1. */
    mapping: Int32Array;
    /** Kernel address, file offset (space 1, 4), or the process's own address (2, 3). Return addresses are as found: callers subtract 1 for symbols. */
    address: BigUint64Array;
    /** 1 if this is the exact instruction (leaf, interrupted or faulting), 0 if a return address. */
    exact: Uint8Array;
    /** For space 2, 3, 5, 6 and 7: row of `processes` whose address it is; -1 else. */
    process: Int32Array;
    /** For space 5 (address is the Method*): index of the bytecode, and what tells the method from others; 6: what tells
     * the nmethod; 7 (address is the SharedFunctionInfo): the program counter or 0, and from bit 48 on
     * which function it is (bpf/profile/v8.h), or 0; 0 else. */
    extra: BigUint64Array;
  };
  /** Distinct mapped files (build id + path), with one example to open it by. */
  mappings: {
    path: string[];
    /** Hex; '' where the kernel gave none. */
    buildId: string[];
    /** An example: a process that has (or had) it mapped, and where. */
    pid: Uint32Array;
    start: BigUint64Array;
    end: BigUint64Array;
    offset: BigUint64Array;
    device: BigUint64Array;
    inode: BigUint64Array;
  };
  processes: {
    pid: Uint32Array;
    parent: Uint32Array;
    /** Start, CLOCK_MONOTONIC ns (0 if not known): tells a reused pid. */
    startNs: BigUint64Array;
    cgroup: BigUint64Array;
    comm: Uint32Array; // row of `strings`: the main thread's name
    /** Path of the executable as mapped (row of `strings`), '' row if unknown. */
    executable: Uint32Array;
    executableMapping: Int32Array; // row of `mappings`, or -1
    /** 1 while it runs, as far as known. */
    alive: Uint8Array;
  };
  strings: string[];
  /** Counted since the drain before, by cause; keys are fixed and listed in docs/bpf.md. */
  lost: Record<LossCause, number>;
  /** What was seen and left out because it was not asked for, since the drain before. */
  skipped: Record<SkipCause, number>;
  /** Samples that are there, but without what their thread worked on. */
  untraced: Record<UntracedCause, number>;
}

export type LossCause =
  | 'counts_full' // the sample map had no room
  | 'stack_ring_full' // the stack could not be handed over
  | 'stack_missing' // user space never saw the stack of a counted row
  | 'process_table_full'
  | 'sideband_lost' // the kernel dropped mapping records (PERF_RECORD_LOST); those processes were read again from /proc
  | 'task_state_full' // off-CPU: no room to remember when a task left
  | 'bad_delta' // off-CPU: an interval that cannot be true, or whose end was not seen
  | 'missed_wakeup' // off-CPU: runqueue time could not be told from blocked time
  | 'files_full' // frames in a file that there was no room to remember: they went by frame pointers
  | 'wanted_full'; // times that a file without unwind table could not be reported at once

export type UntracedCause =
  | 'full' // there was no room for a row of its own
  | 'unreadable' // it could not be read
  | 'invalid'; // what was read is none

export type SkipCause =
  | 'idle' // on-CPU samples of an idle CPU
  | 'out_of_scope'
  | 'excluded' // excludePids
  | 'too_short' // off-CPU: away for less than minNs
  | 'too_long' // off-CPU: away for more than maxNs
  | 'state'; // off-CPU: the task state is not in stateMask

/** Files that stacks go through and that have no unwind table. Row i of `mappings` and of `processes` is that of id i. */
export type WantedTables = Pick<Drained, 'mappings' | 'processes' | 'locations' | 'strings'> & {
  id: Uint32Array;
};

/** Java virtual machines that are not described. Row i of `mappings` (its libjvm.so) and of `processes` is one. */
export type WantedRuntimes = Pick<Drained, 'mappings' | 'processes' | 'locations' | 'strings'> & {
  /** When the process started, in ticks since boot, as in /proc/PID/stat. */
  start: Float64Array;
};

/**
 * Processes that publish what their threads work on, of which it is not known where. Row i of `mappings` is a file that
 * process i of `processes` runs: a process has as many rows, one after another, its program first.
 */
export type WantedPublishers = WantedRuntimes & {
  /** Address of the process context (OTEP 4719) in the process. */
  context: BigUint64Array;
};

/** Unwind tables in the kernel. */
export interface TableStats {
  tables: number;
  /** Files that are known, with a table (several may share one) or without. */
  files: number;
  /** Kernel memory taken by tables, and its bound. */
  bytes: number;
  limitBytes: number;
  /** Since the start: tables taken out to make room; files that have no table; tables that found no room. */
  evicted: number;
  refused: number;
  noRoom: number;
}

export interface ProgramCost {
  name: string;
  /** From bpf_prog_info; zero unless kernel.bpf_stats_enabled. */
  runNs: bigint;
  runCount: bigint;
}

export class Profiler {
  /** Loads and attaches; throws an Error with `code` SW_BPF_… and leaves nothing behind. */
  constructor(options: ProfilerOptions);
  /** Monotonic nanoseconds now. */
  static now(): bigint;
  /**
   * Reads pending mapping records; call it a few times a second (cheap when there are none). Bounded work per call.
   * Returns the number of records.
   */
  poll(): number;
  /** Turns the two sets of maps around and gives what the other one holds. Runs on the thread pool. */
  drain(): Promise<Drained>;
  setScope(scope: Scope): void;
  /** Each file is given once; answer with installTable or refuseTable. */
  wantedTables(): WantedTables;
  /** `table`: as the symbolizer makes it (docs/unwinding.md). Files with the same build id (hex) share it. */
  installTable(id: number, buildId: string, table: Uint8Array): void;
  /** There is none; `later`: it may be asked for again. */
  refuseTable(id: number, later: boolean): void;
  /** Each process is given once; answer with setRuntime. */
  wantedRuntimes(): WantedRuntimes;
  /** `description`: as the symbolizer makes it (bpf/profile/jvm.h). Null: ask again, ever more seldom. */
  setRuntime(pid: number, start: number, description: Uint8Array | null): void;
  /** Each process is given once; answer with setPublisher. */
  wantedPublishers(): WantedPublishers;
  /** `place`: as the symbolizer makes it (bpf/profile/publisher.h). Null: ask again, ever more seldom. */
  setPublisher(pid: number, start: number, place: Uint8Array | null): void;
  programs(): ProgramCost[];
  /** Which program was chosen for each job on this kernel, e.g. { offCpuCapture: 'sched_exit_tp' }. */
  readonly chosen: Record<string, string>;
  /** Bytes of kernel memory in maps, and of the user-space tables. */
  readonly memory: {
    kernelBytes: number;
    userBytes: number;
    processes: number;
    tables: TableStats;
    /** Java virtual machines that are described, and descriptions that found no room since the start. */
    runtimes: number;
    runtimesRefused: number;
    /** Processes whose threads' traces are read, and those that found no room since the start. */
    publishers: number;
    publishersRefused: number;
  };
  /** Detaches everything. Idempotent; also on environment teardown. */
  close(): void;
}

export interface WatchOptions {
  /** Folder with the compiled *.bpf.o files. */
  objects: string;
  file: string;
  /** `const volatile` integers of the program, and arrays of 64-bit ones, by name. */
  knobs?: Record<string, number | bigint | boolean | (number | bigint)[]>;
  /** Entries of maps. */
  entries?: Record<string, number>;
  /** Programs that are left out. */
  omit?: string[];
  /** Of the CPU clock that `perf_event` programs run by, on every CPU. */
  periodNs?: number;
  /** Maps that are those of another one. */
  shared?: Record<string, Watch>;
}

/** Rows of a map; key i is at i × keyBytes, value i at i × words. */
export interface Rows {
  keyBytes: number;
  words: number;
  keys: Uint8Array;
  /** Those of a per-CPU map are added up, word by word. */
  values: BigUint64Array;
}

/**
 * The BPF object of one metric collector or event: every program of it is attached. Taken down with close(), with the
 * environment, and with the process.
 */
export class Watch {
  /** Throws an Error with `code` SW_BPF_LOAD, SW_NATIVE_MISSING or SW_USAGE, and leaves nothing behind. */
  constructor(options: WatchOptions);
  /** Number of arguments of a tracepoint of this kernel, or -1 where it has none of the name. Reads BTF: 20 ms. */
  static tracepointArguments(tracepoint: string): number;
  /** On the thread pool. */
  read(map: string): Promise<Rows>;
  /** Takes out rows, by their keys one after another. */
  erase(map: string, keys: Uint8Array): void;
  write(map: string, key: Uint8Array, value: Uint8Array): void;
  /** Records of a ring since the call before: of each its length (u32), 4 bytes of nothing, and it, padded to 8 bytes. */
  drain(ring: string): Uint8Array;
  /** CPUs that came online get their clock, too. */
  followCpus(): void;
  programs(): ProgramCost[];
  /** Of its own maps. */
  readonly kernelBytes: number;
  /** Idempotent. */
  close(): void;
}

/** What this kernel allows, without loading anything for good: used by `stackwell doctor`. */
export function probe(objects: string): Record<string, { ok: boolean; detail: string }>;
