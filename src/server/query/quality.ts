// SPDX-License-Identifier: Apache-2.0
// What was lost, cut or not named in the profiles that an answer is made of.
import type { Weights } from '#native/profile';
import { labelOf } from '../../profile/labels.js';
import type { ProfileRecord } from '../../store/store.js';

export interface Stats {
  samples: number;
  truncated: number;
  lost: Record<string, number>;
  /** Frames without a name. */
  unresolved: Record<string, number>;
  /** Frames that had none when they were recorded, and have one in this answer; by the reason they had. */
  named: Record<string, number>;
  clocks: string[];
}

/**
 * Adds up statistics of profiles that come in order of their start. An agent reports losses for its whole host with each
 * profile of a window, so of the profiles of one host and start only the largest count is taken.
 */
export class Quality {
  #samples = 0;
  #truncated = 0;
  readonly #lost = new Map<string, number>();
  readonly #unresolved = new Map<string, number>();
  readonly #clocks = new Set<string>();
  #windowStart = Number.NaN;
  /** Host → cause → count, of the current start only. */
  #window = new Map<string, Map<string, number>>();

  add({ stats, start, labels }: ProfileRecord): void {
    this.#samples += stats.samples;
    this.#truncated += stats.truncated;
    if (stats.clock !== '') this.#clocks.add(stats.clock);
    for (const [reason, count] of Object.entries(stats.unresolved)) increase(this.#unresolved, reason, count);
    if (start !== this.#windowStart) {
      this.#closeWindow();
      this.#windowStart = start;
    }
    for (const [cause, count] of Object.entries(stats.lost)) {
      const host = labelOf(labels, 'host');
      const causes = this.#window.get(host) ?? new Map<string, number>();
      this.#window.set(host, causes);
      causes.set(cause, Math.max(causes.get(cause) ?? 0, count));
    }
  }

  #closeWindow(): void {
    for (const causes of this.#window.values())
      for (const [cause, count] of causes) increase(this.#lost, cause, count);
    this.#window.clear();
  }

  finish(): Stats {
    this.#closeWindow();
    return {
      samples: this.#samples,
      truncated: this.#truncated,
      lost: Object.fromEntries(this.#lost),
      unresolved: Object.fromEntries(this.#unresolved),
      named: {},
      clocks: [...this.#clocks].sort(),
    };
  }
}

/**
 * Moves what was named late from `unresolved` to `named`. Profiles tell how many samples' frames had no name, but rows
 * have only values; so of each reason that share of the count moves which the named frames have of the values. It is
 * exact where every sample has the same value (on-CPU), else an estimate (off-CPU, by time).
 */
export function nameLate(stats: Stats, weights: Weights): void {
  weights.reason.forEach((reason, row) => {
    const all = weights.all[row]!;
    if (!Object.hasOwn(stats.unresolved, reason) || all === 0) return;
    const count = stats.unresolved[reason]!;
    const named = Math.round((count * weights.named[row]!) / all);
    if (named === 0) return;
    stats.named[reason] = named;
    if (named === count) delete stats.unresolved[reason];
    else stats.unresolved[reason] = count - named;
  });
}

function increase(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
