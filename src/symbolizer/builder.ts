// SPDX-License-Identifier: Apache-2.0
// Puts the answer to one batch together: rows come in any order, columns go out in theirs.
import { REASONS, type Reason } from '../profile/types.js';
import { FRAME_WORDS, type Generation } from './cache.js';
import type { Symbols } from './symbols.js';

let builders = 0;

export class SymbolsBuilder {
  /** Marks the tables that were made for this batch. */
  readonly #serial = ++builders;
  readonly buildIds: string[];
  readonly reason: Uint8Array;
  readonly #strings: string[] = [''];
  readonly #ids = new Map<string, number>([['', 0]]);
  readonly #start: Uint32Array;
  readonly #count: Uint32Array;
  #frame = new Uint32Array(FRAME_WORDS * 1024);
  #frames = 0;

  constructor(rows: number, buildIds: string[]) {
    this.buildIds = buildIds.slice();
    this.reason = new Uint8Array(rows);
    this.#start = new Uint32Array(rows);
    this.#count = new Uint32Array(rows);
  }

  fail(row: number, reason: Reason): void {
    this.reason[row] = 1 + REASONS.indexOf(reason);
  }

  /** Copies the frames of a cached answer; one without frames is `unnamed`. */
  copy(row: number, from: Generation, entry: number, unnamed: Reason): void {
    const first = from.start[entry]!;
    const count = from.start[entry + 1]! - first;
    if (count === 0) {
      this.fail(row, unnamed);
      return;
    }
    this.reason[row] = 0;
    const words = (this.#frames + count) * FRAME_WORDS;
    if (words > this.#frame.length) {
      const grown = new Uint32Array(Math.max(this.#frame.length * 2, words));
      grown.set(this.#frame);
      this.#frame = grown;
    }
    this.#start[row] = this.#frames;
    this.#count[row] = count;
    for (let at = first * FRAME_WORDS; at < (first + count) * FRAME_WORDS; at += FRAME_WORDS) {
      const into = this.#frames++ * FRAME_WORDS;
      this.#frame[into] = this.#string(from, from.frame[at]!);
      this.#frame[into + 1] = this.#string(from, from.frame[at + 1]!);
      this.#frame[into + 2] = this.#string(from, from.frame[at + 2]!);
      this.#frame[into + 3] = from.frame[at + 3]!;
      this.#frame[into + 4] = from.frame[at + 4]!;
    }
  }

  build(): Symbols {
    const rows = this.reason.length;
    const offset = new Uint32Array(rows + 1);
    for (let row = 0; row < rows; row++) offset[row + 1] = offset[row]! + this.#count[row]!;
    const total = offset[rows]!;
    const frames = {
      name: new Uint32Array(total),
      systemName: new Uint32Array(total),
      file: new Uint32Array(total),
      line: new Uint32Array(total),
      startLine: new Uint32Array(total),
    };
    for (let row = 0; row < rows; row++) {
      let from = this.#start[row]! * FRAME_WORDS;
      for (let into = offset[row]!; into < offset[row + 1]!; into++, from += FRAME_WORDS) {
        frames.name[into] = this.#frame[from]!;
        frames.systemName[into] = this.#frame[from + 1]!;
        frames.file[into] = this.#frame[from + 2]!;
        frames.line[into] = this.#frame[from + 3]!;
        frames.startLine[into] = this.#frame[from + 4]!;
      }
    }
    return {
      strings: this.#strings,
      reason: this.reason,
      frameOffset: offset,
      frames,
      buildIds: this.buildIds,
    };
  }

  /** A string of a generation as one of ours; hashed once a batch, then an array look-up. */
  #string(from: Generation, id: number): number {
    if (from.remapOwner !== this.#serial) {
      from.remapOwner = this.#serial;
      from.remap = new Uint32Array(from.strings.length + 256);
    } else if (id >= from.remap.length) {
      const grown = new Uint32Array(from.strings.length * 2);
      grown.set(from.remap);
      from.remap = grown;
    }
    const known = from.remap[id]!;
    if (known !== 0) return known - 1;
    const text = from.strings[id]!;
    let ours = this.#ids.get(text);
    if (ours === undefined) {
      ours = this.#strings.length;
      this.#strings.push(text);
      this.#ids.set(text, ours);
    }
    from.remap[id] = ours + 1;
    return ours;
  }
}
