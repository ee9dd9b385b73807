// SPDX-License-Identifier: Apache-2.0
// Gets the unwind tables that the kernel asks for: the file is found as for symbols, the child makes its table, and
// native/bpf puts it into the kernel. One file after another, in the background.
import type { Profiler, WantedTables } from '#native/bpf';
import type { SymbolSource } from './symbols.js';

export type TableProfiler = Pick<Profiler, 'wantedTables' | 'installTable' | 'refuseTable'>;

export class UnwindTables {
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly profiler: TableProfiler,
    private readonly symbols: Pick<SymbolSource, 'unwindTable'>,
  ) {}

  /** Files whose tables are being made. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes up what the kernel has asked for since the last call. */
  follow(): void {
    const wanted = this.profiler.wantedTables();
    if (wanted.id.length === 0) return;
    this.#waiting += wanted.id.length;
    this.#work = this.#work.then(() => this.#answer(wanted));
  }

  /** Resolves when all that was asked for so far is answered. */
  settled(): Promise<void> {
    return this.#work;
  }

  async #answer(wanted: WantedTables): Promise<void> {
    for (let row = 0; row < wanted.id.length; row++) {
      const id = wanted.id[row]!;
      try {
        const answer = await this.symbols.unwindTable(wanted, row);
        if (answer.table === null) this.profiler.refuseTable(id, answer.later);
        else this.profiler.installTable(id, answer.buildId, answer.table);
      } catch {
        this.profiler.refuseTable(id, true); // The child could not be had.
      }
      this.#waiting--;
    }
  }
}
