// SPDX-License-Identifier: Apache-2.0
import type { Drained } from '#native/bpf';
import type { Symbols } from '../../symbolizer/symbols.js';

export type { Symbols };

export type SymbolInput = Pick<Drained, 'locations' | 'mappings' | 'processes' | 'strings'>;

export interface SymbolSource {
  /** Never rejects for what a file contains: such locations get a reason. */
  symbolize(input: SymbolInput): Promise<Symbols>;
  stats(): { restarts: number; cachedLocations: number; residentBytes: number; pid: number | null };
  close(): Promise<void>;
}
