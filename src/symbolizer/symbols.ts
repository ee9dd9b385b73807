// SPDX-License-Identifier: Apache-2.0

/** Names for a batch of locations, by row. */
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
  /** Build id of each mapping of the batch ('' where there is none): what the kernel did not know, the file told. */
  buildIds: string[];
}
