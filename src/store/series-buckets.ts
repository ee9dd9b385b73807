// SPDX-License-Identifier: Apache-2.0
// Sums of one series while they come in, in whatever order.
import type { Labels } from '../profile/types.js';
import type { Series } from './store.js';

export class SeriesBuckets {
  profiles = 0;
  readonly #buckets = new Map<number, { total: bigint; count: number }>();

  constructor(private readonly labels: Labels) {}

  add(time: number, total: bigint, count: number): void {
    const sum = this.#buckets.get(time) ?? { total: 0n, count: 0 };
    this.#buckets.set(time, sum);
    sum.total += total;
    sum.count += count;
  }

  /** In order of time. */
  series(): Series {
    const times = [...this.#buckets.keys()].sort((a, b) => a - b);
    const sums = times.map(time => this.#buckets.get(time)!);
    return {
      labels: this.labels,
      times,
      totals: sums.map(({ total }) => total),
      counts: sums.map(({ count }) => count),
      profiles: this.profiles,
    };
  }
}
