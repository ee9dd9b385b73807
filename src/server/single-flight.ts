// SPDX-License-Identifier: Apache-2.0

/** Whoever asks for what is being worked out already waits for that, and gets the same answer or the same error. */
export class SingleFlight<V> {
  readonly #underWay = new Map<string, Promise<V>>();

  do(key: string, work: () => Promise<V>): Promise<V> {
    const other = this.#underWay.get(key);
    if (other !== undefined) return other;
    const own = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, own);
    return own;
  }
}
