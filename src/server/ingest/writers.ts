// SPDX-License-Identifier: Apache-2.0
// One SymbolWriter for each tenant, service and UTC day of arrival: what a service sends in a day shares its symbols. The day
// of arrival is never before that of the profile, so symbols that are kept by their day outlive the profiles.
import { SymbolWriter } from '#native/profile';
import { segmentPrefix } from '../../store/store.js';

const MAX_WRITERS = 512;
const MAX_BYTES = 128 * 1024 * 1024;
const MAX_STACKS = 100_000;

export class Writers {
  readonly #writers = new Map<string, SymbolWriter>();

  get(tenant: string, service: string, day: string): SymbolWriter {
    const key = segmentPrefix(tenant, service, day);
    const writer = this.#writers.get(key) ?? new SymbolWriter({ segmentPrefix: key, maxStacks: MAX_STACKS });
    // Reinserted: a Map iterates in order of insertion, so the first is the one that was used least recently.
    this.#writers.delete(key);
    this.#writers.set(key, writer);
    return writer;
  }

  /** Forgets what a writer believes to be in the store. */
  drop(tenant: string, service: string, day: string): void {
    this.#writers.delete(segmentPrefix(tenant, service, day));
  }

  /** After something was deleted from the store: what a writer counts on may be gone. */
  clear(): void {
    this.#writers.clear();
  }

  /** Writers grow while they are used, so this is checked after each use. The most recent one always stays. */
  trim(): void {
    let bytes = this.bytes;
    for (const [key, writer] of this.#writers) {
      if (this.#writers.size <= 1 || (this.#writers.size <= MAX_WRITERS && bytes <= MAX_BYTES)) return;
      bytes -= writer.size.bytes;
      this.#writers.delete(key);
    }
  }

  get bytes(): number {
    let sum = 0;
    for (const writer of this.#writers.values()) sum += writer.size.bytes;
    return sum;
  }

  get count(): number {
    return this.#writers.size;
  }
}
