// SPDX-License-Identifier: Apache-2.0
// What was lost, cut or not named in the profiles that an answer is made of.
import { addCount, addCoverage, type Coverage, noCoverage } from '../../profile/coverage.js';
import { labelOf } from '../../profile/labels.js';
import type { ProfileRecord } from '../../store/store.js';

export interface Stats extends Coverage {
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
    if (stats.clock !== '') this.#clocks.add(stats.clock);
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
    return { ...this.#coverage, clocks: [...this.#clocks].sort() };
  }
}
