// SPDX-License-Identifier: Apache-2.0
// What a profile says about itself, and how it travels: as comments of the pprof (docs/pprof.md).

export interface WindowStats {
  /** Samples (on-CPU) or intervals (off-CPU). */
  samples: number;
  /** Of them, with a stack that was cut. */
  truncated: number;
  /** By cause, on the whole host in this window. */
  lost: Record<string, number>;
  /** Frames without a name, by reason, each as often as it was sampled. */
  unresolved: Record<string, number>;
}

/** Sums `more` into `total`. */
export function addStats(total: WindowStats, more: WindowStats): void {
  total.samples += more.samples;
  total.truncated += more.truncated;
  for (const key of ['lost', 'unresolved'] as const)
    for (const [name, count] of Object.entries(more[key])) total[key][name] = (total[key][name] ?? 0) + count;
}

/** `reasons`: 1-based ids of the locations without a name. */
export function commentLines(
  kind: 'cpu' | 'offcpu',
  stats: WindowStats,
  reasons: ReadonlyMap<string, number[]>,
): string[] {
  return [
    // Off-CPU time is the difference of two readings of the kernel's monotonic clock.
    `stackwell.clock ${kind === 'cpu' ? 'cpu-clock' : 'monotonic'}`,
    `stackwell.samples ${stats.samples}`,
    `stackwell.truncated ${stats.truncated}`,
    ...Object.entries(stats.lost).map(([cause, count]) => `stackwell.lost.${cause} ${count}`),
    ...Object.entries(stats.unresolved).map(([reason, count]) => `stackwell.unresolved.${reason} ${count}`),
    ...[...reasons].map(([reason, ids]) => `stackwell.reason ${reason} ${ids.join(',')}`),
  ];
}
