// SPDX-License-Identifier: Apache-2.0
// Answers that were given, by file and offset. Two generations: what is used moves to the young one; when that is
// full, the old one is dropped whole, with its strings. No object per location: columns and an open hash table.

import type { LookupAnswer } from './protocol.js';

const NO_ENTRY = 0xffff_ffff;

/** Of each frame: name, system name, file, line, first line of the function. */
export const FRAME_WORDS = 5;

/** Frames of one generation. Rows of `strings` are its own. */
export class Generation {
  readonly strings: string[] = [''];
  stringBytes = 0;
  entries = 0;
  frames = 0;
  frame: Uint32Array;
  readonly start: Uint32Array;
  /** For whoever copies strings out: see SymbolsBuilder. */
  remap = new Uint32Array(0);
  remapOwner = 0;
  readonly #ids = new Map<string, number>([['', 0]]);
  readonly #file: Uint32Array;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #entry: Uint32Array;
  readonly #mask: number;

  constructor(readonly capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, capacity * 2)));
    this.#mask = slots - 1;
    this.#file = new Uint32Array(slots);
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    this.#entry = new Uint32Array(slots).fill(NO_ENTRY);
    this.start = new Uint32Array(capacity + 1);
    this.frame = new Uint32Array(FRAME_WORDS * 1024);
  }

  /** The entry, or -1. */
  find(file: number, offset: number): number {
    const entry = this.#entry[this.#slot(file, offset)]!;
    return entry === NO_ENTRY ? -1 : entry;
  }

  /** Starts the entry that `push` appends to. The caller keeps to the capacity. */
  begin(file: number, offset: number): number {
    const slot = this.#slot(file, offset);
    this.#file[slot] = file;
    this.#low[slot] = offset % 2 ** 32;
    this.#high[slot] = Math.floor(offset / 2 ** 32);
    const entry = this.entries++;
    this.#entry[slot] = entry;
    this.start[entry] = this.frames;
    this.start[entry + 1] = this.frames;
    return entry;
  }

  push(name: string, systemName: string, file: string, line: number, startLine: number): void {
    if ((this.frames + 1) * FRAME_WORDS > this.frame.length) {
      const grown = new Uint32Array(this.frame.length * 2);
      grown.set(this.frame);
      this.frame = grown;
    }
    const at = this.frames++ * FRAME_WORDS;
    this.frame[at] = this.#id(name);
    this.frame[at + 1] = this.#id(systemName);
    this.frame[at + 2] = this.#id(file);
    this.frame[at + 3] = line;
    this.frame[at + 4] = startLine;
    this.start[this.entries] = this.frames;
  }

  #id(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.strings.length;
      this.strings.push(text);
      this.#ids.set(text, id);
      this.stringBytes += text.length + 48; // About what an entry of map and list takes.
    }
    return id;
  }

  #slot(file: number, offset: number): number {
    const low = offset % 2 ** 32;
    const high = Math.floor(offset / 2 ** 32);
    let hash = Math.imul(low ^ (low >>> 15), 0x2c1b_3c6d) ^ Math.imul(file + 1, 0x297a_2d39) ^ high;
    hash = Math.imul(hash ^ (hash >>> 12), 0x85eb_ca6b);
    let slot = (hash ^ (hash >>> 15)) & this.#mask;
    while (
      this.#entry[slot] !== NO_ENTRY &&
      (this.#low[slot] !== low >>> 0 || this.#file[slot] !== file || this.#high[slot] !== high)
    )
      slot = (slot + 1) & this.#mask;
    return slot;
  }
}

/** What the strings of one generation may take: with demangled C++ templates a name can be kilobytes. */
const MAX_STRING_BYTES = 32 * 1024 * 1024;
const FRAMES_PER_LOCATION = 4;

export class LocationCache {
  #young: Generation;
  #old: Generation;
  readonly #capacity: number;

  /** At most `locations` answers are kept. */
  constructor(locations: number) {
    this.#capacity = Math.max(1, Math.floor(locations / 2));
    this.#young = new Generation(this.#capacity);
    this.#old = new Generation(0);
  }

  get size(): number {
    return this.#young.entries + this.#old.entries;
  }

  /** Where the last entry that was found or inserted is; valid until the next call. */
  get generation(): Generation {
    return this.#young;
  }

  /** The entry in `generation`, or -1. */
  find(file: number, offset: number): number {
    const entry = this.#young.find(file, offset);
    if (entry >= 0) return entry;
    const old = this.#old.find(file, offset);
    if (old < 0) return -1;
    const from = this.#old;
    const into = this.begin(file, offset);
    for (let at = from.start[old]! * FRAME_WORDS; at < from.start[old + 1]! * FRAME_WORDS; at += FRAME_WORDS)
      this.push(
        from.strings[from.frame[at]!]!,
        from.strings[from.frame[at + 1]!]!,
        from.strings[from.frame[at + 2]!]!,
        from.frame[at + 3]!,
        from.frame[at + 4]!,
      );
    return into;
  }

  /**
   * The entry in `generation` of what the child answered: frames `from` to `to`. Two rows of one answer can be the same
   * place (a leaf and a return address, two mappings of one file), which is kept once.
   */
  keep(file: number, offset: number, answer: LookupAnswer, from: number, to: number): number {
    const known = this.find(file, offset);
    if (known >= 0) return known;
    const entry = this.begin(file, offset);
    const { strings, name, systemName, line, startLine } = answer;
    for (let at = from; at < to; at++)
      this.push(
        strings[name[at]!]!,
        strings[systemName[at]!]!,
        strings[answer.file[at]!]!,
        line[at]!,
        startLine[at]!,
      );
    return entry;
  }

  /** Starts an entry without frames, in `generation`; `push` adds some. */
  begin(file: number, offset: number): number {
    const full =
      this.#young.entries >= this.#capacity ||
      this.#young.frames >= this.#capacity * FRAMES_PER_LOCATION ||
      this.#young.stringBytes >= MAX_STRING_BYTES;
    if (full) {
      this.#old = this.#young;
      this.#young = new Generation(this.#capacity);
    }
    return this.#young.begin(file, offset);
  }

  push(name: string, systemName: string, file: string, line: number, startLine: number): void {
    this.#young.push(name, systemName, file, line, startLine);
  }
}
