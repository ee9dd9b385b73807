// SPDX-License-Identifier: Apache-2.0
// What was lost, cut or not named in the profiles that an answer is made of.
import type { Weights } from '#native/profile';
import { addCount, addCoverage, type Coverage, noCoverage } from '../../profile/coverage.js';
import { labelOf } from '../../profile/labels.js';
import type { ProfileRecord } from '../../store/store.js';

export interface Stats extends Coverage {
  /** Of `named`, those that had no name when they were recorded, by the reason they had. */
  late: Record<string, number>;
  clocks: string[];
}

/**
 * Adds up statistics of profiles that come in order of their start. An agent reports losses for its whole host with each
 * profile of a window, so of the profiles of one host and start only the largest count is taken.
 */
export class Quality {
  readonly #coverage = noCoverage();
  readonly #clocks = new Set<string>();
  #windowStart = Number.NaN;
  /** Host → cause → count, of the current start only. */
  #window = new Map<string, Map<string, number>>();

  add({ stats, start, labels }: ProfileRecord): void {
    // Before frames were counted, those without a name were: of how many they are a part is not known.
    const unresolved = stats.frames > 0 ? stats.unresolved : {};
    addCoverage(this.#coverage, { ...stats, unresolved, lost: {} });
    for (const clock of stats.clock.split(', ')) if (clock !== '') this.#clocks.add(clock);
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
      for (const [cause, count] of causes) addCount(this.#coverage.lost, cause, count);
    this.#window.clear();
  }

  finish(): Stats {
    this.#closeWindow();
    return { ...this.#coverage, late: {}, clocks: [...this.#clocks].sort() };
  }
}

/**
 * Counts what was named late. Profiles tell how many samples' frames had no name, but rows have only values; so of each
 * reason that share of the count moves which the named frames have of the values. It is exact where every sample has
 * the same value (on-CPU), else an estimate (off-CPU, by time).
 */
export function nameLate(stats: Stats, weights: Weights): void {
  weights.reason.forEach((reason, row) => {
    const all = weights.all[row]!;
    if (!Object.hasOwn(stats.unresolved, reason) || all === 0) return;
    const count = stats.unresolved[reason]!;
    const named = Math.round((count * weights.named[row]!) / all);
    if (named === 0) return;
    stats.late[reason] = named;
    stats.named += named;
    if (named === count) delete stats.unresolved[reason];
    else stats.unresolved[reason] = count - named;
  });
}
