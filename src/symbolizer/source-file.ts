// SPDX-License-Identifier: Apache-2.0
// Files that the child reads, as the agent sees them. The agent decides what is open: it keeps the descriptors, so a
// child that was restarted gets the same files again, also those of processes that are long gone.
import type { Opened } from '#native/descriptors';
import { closeDescriptor } from './opener.js';

export type Kind = 'elf' | 'perf-map' | 'jit-dump' | 'java' | 'v8' | 'threads';

/** An open file that is read; its descriptor is closed by whoever holds it last. */
export type Held = Pick<Opened, 'descriptor' | 'size'>;

/** How much of a file is read. It goes down when reading it ended the child; there is no way up but a new file. */
export type Level = 'lines' | 'symbols' | 'none';

export class SourceFile {
  level: Level = 'lines';
  /** Hex; as the kernel or the file tells. */
  buildId = '';
  /** Without a name here; what an address that is in the file but in no symbol gets. */
  notElf = false;
  /** The file, and its debug files in the order they were attached. Empty when it is not open. */
  readonly opened: { id: number; file: Held; role: 'self' | 'debug' | 'supplement' }[] = [];
  /** The run of the child that has it open; 0 = none. */
  run = 0;
  /** What it took the child to open it and to answer for the first time, milliseconds: the price of closing it. */
  reopenMs = 0;
  /** FileTable's clock when it was used last. */
  usedAt = 0;
  /** A look-up was answered in that run: the tables are built, the next answer is quick. */
  warm = false;
  /** Killed from outside while it was read: once may be chance. */
  killed = false;

  constructor(
    readonly key: string,
    /** Stands for the file in the cache and in the child. Never used again. */
    readonly number: number,
    readonly kind: Kind,
  ) {}

  /** Bytes that the child maps, or reads. */
  get bytes(): number {
    let sum = 0;
    for (const { file } of this.opened) sum += file.size;
    return sum;
  }

  get isOpen(): boolean {
    return this.opened.length > 0;
  }

  /** Closes the agent's side. */
  release(): void {
    for (const { file } of this.opened.splice(0)) closeDescriptor(file.descriptor);
    this.run = 0;
    this.warm = false;
  }

  /** Next lower level. */
  demote(): void {
    this.level = this.level === 'lines' && this.kind === 'elf' ? 'symbols' : 'none';
    this.killed = false;
  }
}

/** What is known of a file without its content: level and number. Small, so many are kept. */
const MAX_KNOWN = 4096;

export interface TableLimits {
  /** Files open at once, and the bytes mapped by them. */
  files: number;
  bytes: number;
}

/**
 * All files, least recently used first. Open ones are closed by age and by what opening them again would take
 * (GreedyDual, Young 1994): the clock shows the worth of what was closed last, and a file is worth the clock at its last
 * use plus its price. So debug information that is decompressed outlives ten libraries without, and goes in the end.
 */
export class FileTable {
  readonly #files = new Map<string, SourceFile>();
  #numbers = 0;
  #clock = 0;

  constructor(readonly limits: TableLimits) {}

  /** A number for files and descriptors; the child sees one space of them. */
  nextNumber(): number {
    return ++this.#numbers;
  }

  get(key: string): SourceFile | undefined {
    return this.#files.get(key);
  }

  /** The file of this identity; new ones displace the one that was not used for longest. */
  use(key: string, kind: Kind): SourceFile {
    let file = this.#files.get(key);
    if (file === undefined) {
      file = new SourceFile(key, this.nextNumber(), kind);
      if (this.#files.size >= MAX_KNOWN) {
        for (const old of this.#files.values()) {
          // An open one is closed first, in the child too, and is forgotten then.
          if (old.isOpen) continue;
          this.#files.delete(old.key);
          break;
        }
      }
    } else {
      this.#files.delete(key);
    }
    this.#files.set(key, file);
    file.usedAt = this.#clock;
    return file;
  }

  /** The open file that is to be closed next, if there are too many, too big ones or `pressed`. */
  excess(except: SourceFile | null, pressed: boolean): SourceFile | null {
    let count = 0;
    let bytes = 0;
    let least: SourceFile | null = null;
    for (const file of this.#files.values()) {
      if (!file.isOpen) continue;
      count++;
      bytes += file.bytes;
      if (file !== except && (least === null || worth(file) < worth(least))) least = file;
    }
    if (!pressed && count <= this.limits.files && bytes <= this.limits.bytes) return null;
    if (least !== null) this.#clock = Math.max(this.#clock, worth(least));
    return least;
  }

  releaseAll(): void {
    for (const file of this.#files.values()) file.release();
  }
}

function worth(file: SourceFile): number {
  return file.usedAt + file.reopenMs;
}
