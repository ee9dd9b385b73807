// SPDX-License-Identifier: Apache-2.0
// Asks Java virtual machines whose structures cannot be read for perf maps: at first, and again when there is code that
// the map does not name. One machine after another, in the background.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Drained, WantedRuntimes } from '#native/bpf';
import { BoundedMap } from '../../../profile/bounded-map.js';
import { REASONS } from '../../../profile/types.js';
import { monotonicNs, suspendedNs } from '../../procfs/clock.js';
import type { Symbols } from '../symbols.js';
import { type Machine, requestPerfMap } from './attachment.js';
import { ATTACH_RESULTS, type AttachResult } from './result.js';

interface Entry extends Machine {
  /** CLOCK_MONOTONIC nanoseconds, as drains have it. */
  startedNs: bigint;
  pending: boolean;
  /** Not before this time, by performance.now(). */
  again: number;
  outcome: 'ok' | 'failed' | null;
  /** That this was the outcome, in a row. */
  times: number;
  /** It has written a map. */
  mapped: boolean;
}

const NS_PER_TICK = 10_000_000n;
/** A machine that has not told by then what the unwinder needs will not. */
const SETTLED_NS = 10_000_000_000n;
/** Start times are in steps of 10 ms. */
const SAME_START_NS = 1_000_000_000n;
const MAX_MACHINES = 1024;
/** Until it is asked again, ever more seldom. After a success soon at first: what a young machine compiles is new. */
const PAUSE_MS = { ok: 1000, failed: 60_000 };
const LONGEST_PAUSE_MS = { ok: 60_000, failed: 3_600_000 };
const CLOSE_MS = 1000;
/** These do not change while a process lives. */
const FINAL: ReadonlySet<AttachResult> = new Set(['unsupported', 'disabled', 'gone']);

const JIT = 2;
const JIT_UNKNOWN = 1 + REASONS.indexOf('jit_unknown');

export class PerfMapRequests {
  readonly results = Object.fromEntries(ATTACH_RESULTS.map(result => [result, 0])) as Record<
    AttachResult,
    number
  >;
  readonly #machines = new BoundedMap<number, Entry>(MAX_MACHINES);
  readonly #stop = new AbortController();
  /** A file system that does not answer holds this up, and with it one thread of the pool, not more. */
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly enabled: boolean,
    private readonly request: typeof requestPerfMap = requestPerfMap,
  ) {}

  /** Machines that are being asked. */
  get waiting(): number {
    return this.#waiting;
  }

  /** A row of `wanted` does not tell what the unwinder needs; perhaps only because it is still starting. */
  refused(wanted: WantedRuntimes, row: number): void {
    const pid = wanted.processes.pid[row]!;
    const startNs = BigInt(wanted.start[row]!) * NS_PER_TICK;
    if (!this.enabled || this.#machines.get(pid)?.startNs === startNs) return;
    const startedNs = startNs - suspendedNs();
    if (monotonicNs() - startedNs < SETTLED_NS) return;
    const machine = {
      pid,
      startNs,
      startedNs,
      woken: false,
      pending: false,
      again: 0,
      outcome: null,
      times: 0,
      mapped: false,
    };
    this.#machines.set(pid, machine);
    this.#ask(machine);
  }

  /** It has told after all. */
  described(pid: number): void {
    this.#machines.delete(pid);
  }

  /** Looks for code that has no name. */
  learn({ locations, processes }: Pick<Drained, 'locations' | 'processes'>, { reason }: Symbols): void {
    if (this.#machines.size === 0) return;
    const unnamed = new Set<number>();
    for (let row = 0; row < reason.length; row++)
      if (reason[row] === JIT_UNKNOWN && locations.space[row] === JIT) unnamed.add(locations.process[row]!);
    for (const process of unnamed) {
      const machine = this.#of(processes, process);
      if (machine !== null) this.#ask(machine);
    }
  }

  /** For each process row 1 if the names of its code made at run time come from a map that it was asked for. */
  mapped(processes: Drained['processes']): Uint8Array {
    const rows = new Uint8Array(processes.pid.length);
    if (this.#machines.size > 0)
      for (let row = 0; row < rows.length; row++) rows[row] = this.#of(processes, row)?.mapped ? 1 : 0;
    return rows;
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.race([this.#work, sleep(CLOSE_MS, undefined, { ref: false })]);
  }

  #of(processes: Drained['processes'], row: number): Entry | null {
    const machine = this.#machines.get(processes.pid[row]!);
    if (machine === undefined) return null;
    const difference = processes.startNs[row]! - machine.startedNs;
    return difference < SAME_START_NS && difference > -SAME_START_NS ? machine : null;
  }

  #ask(machine: Entry): void {
    if (machine.pending || performance.now() < machine.again) return;
    machine.pending = true;
    this.#waiting++;
    this.#work = this.#work.then(async () => {
      const { signal } = this.#stop;
      const result = signal.aborted
        ? 'stopped'
        : await this.request(machine, signal).catch(() => 'refused' as const);
      this.results[result]++;
      machine.pending = false;
      if (result === 'ok') machine.mapped = true;
      const outcome = result === 'ok' ? 'ok' : 'failed';
      machine.times = outcome === machine.outcome ? machine.times + 1 : 0;
      machine.outcome = outcome;
      const pause = Math.min(LONGEST_PAUSE_MS[outcome], PAUSE_MS[outcome] * 2 ** machine.times);
      machine.again = FINAL.has(result) ? Number.POSITIVE_INFINITY : performance.now() + pause;
      this.#waiting--;
    });
  }
}
