// SPDX-License-Identifier: Apache-2.0
// What a profile says about itself, as comments of the pprof (docs/pprof.md).
import { clockComment, coverageComments } from '../../profile/comments.js';
import type { Coverage } from '../../profile/coverage.js';

/** `reasons`: 1-based ids of the locations without a name. */
export function commentLines(
  kind: 'cpu' | 'offcpu',
  coverage: Coverage,
  reasons: ReadonlyMap<string, number[]>,
): string[] {
  return [
    // Off-CPU time is the difference of two readings of the kernel's monotonic clock.
    clockComment(kind === 'cpu' ? 'cpu-clock' : 'monotonic'),
    ...coverageComments(coverage),
    ...[...reasons].map(([reason, ids]) => `stackwell.reason ${reason} ${ids.join(',')}`),
  ];
}
