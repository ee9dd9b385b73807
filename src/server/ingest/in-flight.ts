// SPDX-License-Identifier: Apache-2.0
// How much memory request bodies may hold at once. Past it clients are asked to come again, rather than the process
// being killed for its size.
import { StackwellError } from '../../errors.js';

export class InFlight {
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  open(): Reservation {
    return new Reservation(bytes => {
      if (bytes > 0 && this.#bytes + bytes > this.maxBytes)
        throw new StackwellError('SW_SERVER_BUSY', { what: `${this.#bytes} bytes of request bodies` });
      this.#bytes += bytes;
    });
  }
}

/** What one request holds. Grows with what has arrived, not with what was announced. */
export class Reservation {
  #bytes = 0;

  constructor(private readonly change: (bytes: number) => void) {}

  /** @throws SW_SERVER_BUSY */
  grow(bytes: number): void {
    this.change(bytes);
    this.#bytes += bytes;
  }

  release(): void {
    this.change(-this.#bytes);
    this.#bytes = 0;
  }
}
