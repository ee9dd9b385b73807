// SPDX-License-Identifier: Apache-2.0
import type { Drained, WantedTables } from '#native/bpf';

/** Names for the locations of one drain, by row. */
export interface Symbols {
  strings: string[];
  /** 0 when named, else 1 + index into REASONS (src/profile/types.ts). */
  reason: Uint8Array;
  /** n + 1 offsets into `frames`; innermost inlined frame first; none when there is a reason. */
  frameOffset: Uint32Array;
  frames: {
    /** Demangled, row of `strings`. */
    name: Uint32Array;
    /** As in the symbol table. */
    systemName: Uint32Array;
    file: Uint32Array;
    /** 0 when unknown. */
    line: Uint32Array;
    /** First line of the function, 0 when unknown. */
    startLine: Uint32Array;
  };
  /** Build id of each mapping of the drain ('' where there is none): what the kernel did not know, the file told. */
  buildIds: string[];
}

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
  stats(): { restarts: number; cachedLocations: number; residentBytes: number; pid: number | null };
  close(): Promise<void>;
}
