// SPDX-License-Identifier: Apache-2.0
// The merge that answers a question, as one pprof.
import { clockComment, coverageComments, lateComments } from '../../profile/comments.js';
import { parseType } from '../../profile/types.js';
import type { Query } from './query.js';
import type { Question } from './question.js';

/** gzipped. @throws SW_SERVER_BUSY */
export function pprofOf(
  query: Query,
  question: Question,
  { sampleLabels = false, goOnly = false }: { sampleLabels?: boolean; goOnly?: boolean } = {},
): Promise<{ bytes: Uint8Array; warnings: string[] }> {
  const { sampleType, sampleUnit, periodType, periodUnit } = parseType(question.type)!;
  return query.answer(`pprof ${sampleLabels} ${goOnly}`, { ...question, sampleLabels }, [], async merged => {
    const { start, end } = merged.covered ?? {
      start: question.selection.from,
      end: question.selection.from,
    };
    return {
      bytes: await merged.merger.pprof({
        sampleType,
        sampleUnit,
        periodType,
        periodUnit,
        period: merged.period,
        timeNanos: BigInt(start) * 1_000_000n,
        durationNanos: BigInt(end - start) * 1_000_000n,
        comments: [
          ...merged.stats.clocks.map(clockComment),
          ...coverageComments(merged.stats),
          ...lateComments(merged.stats.late),
          ...merged.warnings.map(warning => `stackwell.warning ${warning}`),
        ],
        sampleLabels,
        goOnly,
      }),
      warnings: merged.warnings,
    };
  });
}
