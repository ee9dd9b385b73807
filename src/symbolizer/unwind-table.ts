// SPDX-License-Identifier: Apache-2.0
// The unwind table of a file as the child sends it. The child reads what others wrote and may be in their hands: what
// it sends is checked before it goes on to the kernel, whose look-up then stays within the table.

const HEADER_BYTES = 16;
const TRAILER_BYTES = 12;
/** As in bpf/profile/table.h. */
const BLOCK_BYTES = 4096;
const LEAF_ROWS = 680;
const INNER_CHILDREN = 511;
const MAX_LEVELS = 3;

export interface UnwindTable {
  blocks: number;
  /** Of the blocks, the one where a look-up starts. */
  root: number;
  /** 1 = the root is a leaf; 0 = there are no rows. */
  levels: number;
  rows: number;
  /** Rows of code whose rule is known but cannot be said. */
  unsaid: number;
  /** Entries of frame information, or sections of it, that could not be read. */
  unreadable: number;
  /** There were too many rows, so there are none. */
  tooLarge: boolean;
}

/** `payload` is 4-byte aligned and passed `isTable`. */
export function describeTable(payload: Uint8Array): UnwindTable {
  const words = new Uint32Array(payload.buffer, payload.byteOffset, payload.byteLength >> 2);
  const [blocks, root, levels, rows] = words.subarray(0, 4) as unknown as [number, number, number, number];
  const [unsaid, unreadable, tooLarge] = words.subarray(-3) as unknown as [number, number, number];
  return { blocks, root, levels, rows, unsaid, unreadable, tooLarge: tooLarge !== 0 };
}

/** What the kernel gets of an answer: header and blocks. Null when the file has no rows. */
export function blocksOf(payload: Uint8Array): Uint8Array | null {
  return describeTable(payload).blocks === 0 ? null : payload.subarray(0, -TRAILER_BYTES);
}

/** Whether every path from the root has as many levels as it says and ends in a leaf with no more rows than fit. */
export function isTable(payload: Uint8Array): boolean {
  const bytes = payload.byteLength - HEADER_BYTES - TRAILER_BYTES;
  if (bytes < 0 || bytes % BLOCK_BYTES !== 0) return false;
  const { blocks, root, levels } = describeTable(payload);
  if (blocks !== bytes / BLOCK_BYTES || levels > MAX_LEVELS || (levels === 0) !== (blocks === 0))
    return false;
  if (levels === 0) return true;

  const view = new DataView(payload.buffer, payload.byteOffset + HEADER_BYTES, bytes);
  let level = [root];
  for (let left = levels; left > 1; left--) {
    const below: number[] = [];
    for (const block of level) {
      if (block >= blocks) return false;
      const children = view.getUint32(block * BLOCK_BYTES, true);
      if (children < 1 || children > INNER_CHILDREN) return false;
      // A block has one parent: no more are visited than there are.
      if (below.length + children > blocks) return false;
      for (let i = 0; i < children; i++)
        below.push(view.getUint32(block * BLOCK_BYTES + 8 + (INNER_CHILDREN + i) * 4, true));
    }
    level = below;
  }
  return level.every(block => {
    const rows = block < blocks ? view.getUint16(block * BLOCK_BYTES + 4, true) : 0;
    return rows >= 1 && rows <= LEAF_ROWS;
  });
}
