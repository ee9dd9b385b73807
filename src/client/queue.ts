// SPDX-License-Identifier: Apache-2.0
// Profiles that wait to be sent. Bounded in bytes: the oldest go first, and are counted.

export interface Waiting {
  /** What the server knows it by: sent again, it is stored once. */
  id: string;
  name: string;
  /** gzipped. */
  pprof: Buffer;
}

/** Why a profile was not delivered. */
export const CAUSES = ['queue_full', 'rejected', 'failed', 'stopped'] as const;
export type Cause = (typeof CAUSES)[number];

/** Beside its bytes, for what keeps them. */
const OVERHEAD = 512;

export class Queue {
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly dropped: (cause: Cause, count: number) => void,
  ) {}

  get length(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest; it stays until `done`. */
  first(): Waiting | undefined {
    return this.#waiting[0];
  }

  add(one: Waiting): void {
    const bytes = one.pprof.length + OVERHEAD;
    let count = 0;
    if (bytes > this.maxBytes) count = 1;
    else {
      while (this.#bytes + bytes > this.maxBytes) {
        this.#bytes -= this.#waiting.shift()!.pprof.length + OVERHEAD;
        count++;
      }
      this.#waiting.push(one);
      this.#bytes += bytes;
    }
    if (count > 0) this.dropped('queue_full', count);
  }

  /** False when it was dropped meanwhile. */
  done(one: Waiting): boolean {
    const at = this.#waiting.indexOf(one);
    if (at === -1) return false;
    this.#waiting.splice(at, 1);
    this.#bytes -= one.pprof.length + OVERHEAD;
    return true;
  }

  clear(cause: Cause): void {
    const count = this.#waiting.length;
    this.#waiting = [];
    this.#bytes = 0;
    if (count > 0) this.dropped(cause, count);
  }
}
