// SPDX-License-Identifier: Apache-2.0
// Tells the kernel where processes publish what their threads work on, so that samples say it. One process after
// another, in the background.
import type { Profiler, WantedPublishers } from '#native/bpf';
import type { SymbolSource } from './symbols.js';

export type PublisherProfiler = Pick<Profiler, 'wantedPublishers' | 'setPublisher'>;

export class Publishers {
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly profiler: PublisherProfiler,
    private readonly symbols: Pick<SymbolSource, 'findThreads'>,
  ) {}

  /** Processes that are being looked at. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes up those that were noticed since the last call, or whose time has come again. */
  follow(): void {
    const wanted = this.profiler.wantedPublishers();
    const { pid } = wanted.processes;
    for (let from = 0; from < pid.length; ) {
      const rows: number[] = [];
      for (const one = pid[from]!; pid[from] === one; from++) rows.push(from);
      this.#waiting++;
      this.#work = this.#work.then(() => this.#answer(wanted, rows));
    }
  }

  async #answer(wanted: WantedPublishers, rows: number[]): Promise<void> {
    const first = rows[0]!;
    // When the child cannot be had, as when the process does not tell: another time.
    const place = await this.symbols.findThreads(wanted, rows).catch(() => null);
    this.profiler.setPublisher(wanted.processes.pid[first]!, wanted.start[first]!, place);
    this.#waiting--;
  }
}
