// SPDX-License-Identifier: Apache-2.0
import { StackwellError } from '../errors.js';

/** At most `max` at a time, at most `maxWaiting` in line. */
export class Gate {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly max: number,
    private readonly maxWaiting: number,
    private readonly what: string,
  ) {}

  /** @throws SW_SERVER_BUSY when the line is full */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.max) {
      if (this.#waiting.length >= this.maxWaiting)
        throw new StackwellError('SW_SERVER_BUSY', { what: `${this.#waiting.length} waiting ${this.what}` });
      // Whoever leaves hands over its place: #running stays as it is.
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
