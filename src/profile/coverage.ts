// SPDX-License-Identifier: Apache-2.0
// How far a profile can be trusted: how much of it is whole and named, and why the rest is not. All of it are counts, so
// that any number of profiles are added up before a share is made of them.
import { formatShare } from './units.js';

export interface Coverage {
  /** Samples (on-CPU) or intervals (off-CPU). */
  samples: number;
  /** Of them, with a stack that reaches its root. */
  complete: number;
  /** Of them, with one that does not, by how it ends (STACK_ENDS). */
  incomplete: Record<string, number>;
  /** Of them, with one that was cut because it is too deep. */
  truncated: number;
  /** Each as often as it was sampled; inlined ones are frames of their own. */
  frames: number;
  /** Of them, with a name. */
  named: number;
  /** Of the named, those of Java virtual machines that had to be asked for a perf map: no lines, no inlined calls. */
  perfmap: number;
  /** Of the frames, those without a name, by reason (REASONS). */
  unresolved: Record<string, number>;
  /** Samples that could not be taken, by cause; of the whole host. */
  lost: Record<string, number>;
}

export const SCALARS = ['samples', 'complete', 'truncated', 'frames', 'named', 'perfmap'] as const;
export const BY_CAUSE = ['incomplete', 'lost', 'unresolved'] as const;

export function noCoverage(): Coverage {
  return {
    samples: 0,
    complete: 0,
    incomplete: {},
    truncated: 0,
    frames: 0,
    named: 0,
    perfmap: 0,
    unresolved: {},
    lost: {},
  };
}

/** Causes may come from outside: one called `constructor` is none that was counted before. */
export function addCount(counts: Record<string, number>, cause: string, by: number): void {
  counts[cause] = (Object.hasOwn(counts, cause) ? counts[cause]! : 0) + by;
}

/** Adds `more` to `total`. */
export function addCoverage(total: Coverage, more: Partial<Coverage>): void {
  for (const key of SCALARS) total[key] += more[key] ?? 0;
  for (const key of BY_CAUSE)
    for (const [cause, count] of Object.entries(more[key] ?? {})) addCount(total[key], cause, count);
}

export function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Samples of which it is known how their stack ends. Other writers, and the agent before it knew, do not say. */
export function stacksOf({ complete, incomplete }: Coverage): number {
  return complete + sumOf(incomplete);
}

/** Most first, none that is nothing. */
export function ranked(counts: Record<string, number>): [cause: string, count: number][] {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
}

/**
 * For a terminal: `99.4 % of samples reach the root; 0.40 % no_table, 0.20 % unreadable` and the like for names. Nothing
 * where nothing is known.
 */
export function coverageLines(coverage: Coverage): string[] {
  const line = (part: number, whole: number, what: string, rest: Record<string, number>) => {
    const why = ranked(rest).map(([cause, count]) => `${formatShare(count, whole)} ${cause}`);
    return [`${formatShare(part, whole)} of ${what}`, ...(why.length > 0 ? [why.join(', ')] : [])].join('; ');
  };
  const { complete, incomplete, frames, named, perfmap, unresolved } = coverage;
  const stacks = stacksOf(coverage);
  return [
    ...(stacks > 0 ? [line(complete, stacks, 'samples reach the root', incomplete)] : []),
    ...(frames > 0 ? [line(named, frames, 'frames named', unresolved)] : []),
    ...(perfmap > 0 ? [line(perfmap, frames, 'frames named by perf maps that Java was asked for', {})] : []),
  ];
}
