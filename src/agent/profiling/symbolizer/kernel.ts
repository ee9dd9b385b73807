// SPDX-License-Identifier: Apache-2.0
// Kernel names. The kernel's own text never changes; modules and BPF programs come and go, so what is outside of it
// is only believed for some time.
import { closeSync, openSync } from 'node:fs';
import type { LookupAnswer } from '../../../symbolizer/protocol.js';
import type { Reader } from '../../../symbolizer/reader.js';
import type { FileTable } from '../../../symbolizer/source-file.js';

/** Reading 200,000 names takes some 50 ms of CPU. */
const OUTSIDE_MS = 300_000;
/** Sooner if something has no name, for it may be new: at once, then after this, and twice as long each time in vain. */
const UNNAMED_MS = 5_000;

export class Kernel {
  /** Stand for the kernel's text and for all else in the cache. */
  readonly textNumber: number;
  outsideNumber: number;
  #number = 0;
  #run = 0;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #text = { start: 0, end: 0 };
  #hidden = false;
  #patienceMs = 0;

  constructor(
    readonly table: FileTable,
    readonly reader: Reader,
  ) {
    this.textNumber = table.nextNumber();
    this.outsideNumber = table.nextNumber();
  }

  /** Not in the kernel's own text. */
  isOutside(address: number): boolean {
    return address < this.#text.start || address >= this.#text.end;
  }

  /** Which of the two an address belongs to, for the cache. */
  numberOf(address: number): number {
    return this.isOutside(address) ? this.outsideNumber : this.textNumber;
  }

  /** Forgets old answers outside the kernel's text; call once a batch before looking into the cache. */
  age(now: number): void {
    if (now - this.#loadedAt > OUTSIDE_MS) this.outsideNumber = this.table.nextNumber();
  }

  /** Names for addresses that are not in the cache. Null when the kernel hides its addresses. */
  async lookup(addresses: number[], now: number): Promise<LookupAnswer | null> {
    const outside = addresses.some(address => this.isOutside(address));
    await this.#load(outside && now - this.#loadedAt > OUTSIDE_MS, now);
    if (this.#hidden) return null;
    const answer = await this.reader.lookupKernel(this.#number, addresses);
    if (!this.#lacks(answer, addresses) || now - this.#loadedAt < this.#patienceMs) return answer;
    await this.#load(true, now);
    const again = await this.reader.lookupKernel(this.#number, addresses);
    const inVain = this.#lacks(again, addresses);
    this.#patienceMs = inVain ? Math.min(Math.max(this.#patienceMs * 2, UNNAMED_MS), OUTSIDE_MS) : 0;
    return again;
  }

  /** True if something that can come and go has no name. */
  #lacks(answer: LookupAnswer | null, addresses: number[]): boolean {
    return answer?.counts.some((count, i) => count === 0 && this.isOutside(addresses[i]!)) === true;
  }

  async #load(again: boolean, now: number): Promise<void> {
    const run = await this.reader.running();
    if (run === this.#run && !again) return;
    if (run === this.#run && this.#number !== 0) await this.reader.closeKernel(this.#number);
    this.#number = this.table.nextNumber();
    // What it shows is decided when it is opened, by who opens it.
    const descriptor = openSync('/proc/kallsyms', 'r');
    try {
      const text = await this.reader.openKernel(this.#number, descriptor);
      this.#hidden = text === null;
      this.#text = text ?? this.#text;
    } finally {
      closeSync(descriptor);
    }
    this.#run = run;
    this.#loadedAt = now;
  }
}
