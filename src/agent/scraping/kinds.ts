// SPDX-License-Identifier: Apache-2.0
// What is scraped, and what its numbers mean.
import type { ScrapeJob } from '../../config/scrape.js';

/** As Pyroscope names profiles: `__name__`. */
export const KINDS = ['memory', 'goroutine', 'mutex', 'block', 'process_cpu'] as const;
export type Kind = (typeof KINDS)[number];

/** How one profile of a target is asked for. */
export interface Ask {
  /** With a query string, if it has one. */
  path: string;
  /** How long the target samples or counts before it answers; 0 = it answers at once. */
  seconds: number;
}
export type Asks = Partial<Record<Kind, Ask>>;

/** Sample types that count since the process started, so that what was added is what matters. All others are snapshots. */
const COUNTERS: Record<Kind, readonly string[]> = {
  memory: ['alloc_objects', 'alloc_space'],
  goroutine: [],
  mutex: ['contentions', 'delay'],
  block: ['contentions', 'delay'],
  process_cpu: [],
};

/** Counters of what is asked for: none where the target works out the growth itself. */
export function countersOf(kind: Kind, { path, seconds }: Ask): readonly string[] {
  // godeltaprof's paths: delta_heap, delta_mutex, delta_block.
  const grown = seconds > 0 || /\/delta_[^/]*$/.test(path.split('?', 1)[0]!);
  return grown ? [] : COUNTERS[kind];
}

/** What a job takes. */
export function asksOf(profiles: ScrapeJob['profiles']): Asks {
  const asks: Asks = {};
  for (const kind of KINDS) {
    const { enabled, path, seconds = 0 } = profiles[kind] as Ask & { enabled: boolean };
    if (enabled) asks[kind] = { path, seconds };
  }
  return asks;
}
