// SPDX-License-Identifier: Apache-2.0
// Describes language runtimes to the kernel (Java virtual machines), so that it can follow their frames. One after
// another, in the background.
import type { Profiler, WantedRuntimes } from '#native/bpf';
import type { PerfMapRequests } from './attach/perf-map-requests.js';
import type { SymbolSource } from './symbols.js';

export type RuntimeProfiler = Pick<Profiler, 'wantedRuntimes' | 'setRuntime'>;

export class Runtimes {
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly profiler: RuntimeProfiler,
    private readonly symbols: Pick<SymbolSource, 'describeRuntime'>,
    private readonly perfMaps: PerfMapRequests,
  ) {}

  /** Processes whose runtimes are being described. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes up those that were noticed since the last call, or whose time has come again. */
  follow(): void {
    const wanted = this.profiler.wantedRuntimes();
    if (wanted.start.length === 0) return;
    this.#waiting += wanted.start.length;
    this.#work = this.#work.then(() => this.#answer(wanted));
  }

  async #answer(wanted: WantedRuntimes): Promise<void> {
    for (let row = 0; row < wanted.start.length; row++) {
      const pid = wanted.processes.pid[row]!;
      // When the child cannot be had, as when the runtime does not tell: another time.
      const description = await this.symbols.describeRuntime(wanted, row).catch(() => undefined);
      this.profiler.setRuntime(pid, wanted.start[row]!, description ?? null);
      if (description === null) this.perfMaps.refused(wanted, row);
      else if (description !== undefined) this.perfMaps.described(pid);
      this.#waiting--;
    }
  }
}
