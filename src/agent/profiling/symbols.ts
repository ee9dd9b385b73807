// SPDX-License-Identifier: Apache-2.0
import type { Drained, WantedPublishers, WantedRuntimes, WantedTables } from '#native/bpf';
import type { Symbols } from '../../symbolizer/symbols.js';

export type { Symbols };

export type SymbolInput = Pick<Drained, 'locations' | 'mappings' | 'processes' | 'strings'>;

/** A file's unwind table, as native/bpf takes it; null when there is none, `later` when there may be one another time. */
export interface UnwindTable {
  buildId: string;
  table: Uint8Array | null;
  later: boolean;
}

export interface SymbolSource {
  /** Never rejects for what a file contains: such locations get a reason. */
  symbolize(input: SymbolInput): Promise<Symbols>;
  /** The unwind table of a row of `wanted`. Rejects with SW_SYMBOLIZER when the child cannot be had. */
  unwindTable(wanted: WantedTables, row: number): Promise<UnwindTable>;
  /** What the unwinder must know of a row of `wanted`; null when the runtime does not tell, or not yet. */
  describeRuntime(wanted: WantedRuntimes, row: number): Promise<Uint8Array | null>;
  /** Where the process whose files are these rows of `wanted` has its threads' context; null when it does not tell, or not yet. */
  findThreads(wanted: WantedPublishers, rows: number[]): Promise<Uint8Array | null>;
  stats(): { restarts: number; cachedLocations: number; residentBytes: number; pid: number | null };
  close(): Promise<void>;
}
