// SPDX-License-Identifier: Apache-2.0
// A comparison as the command line has it, whether a server made it or this process from two files.
import type { DiffTree } from '../../profile/formats/diff-svg.js';
import {
  costUnit,
  type Detectable,
  everythingOf,
  rankInputOf,
  type TestedAnswer,
} from '../../profile/statistics/answer.js';
import type { GateInput } from '../../profile/statistics/gate.js';

type Side<Of extends 'left' | 'right'> = DiffTree[Of] &
  TestedAnswer[Of] & {
    instances: number | null;
    profiles: number;
    from: number;
    until: number;
    warnings: string[];
  };

/** What GET /api/v1/diff answers, as far as it is used. */
export interface DiffAnswer extends DiffTree, TestedAnswer {
  type: string;
  left: Side<'left'>;
  right: Side<'right'>;
  matching: { id: string; what: string }[];
  statistics: TestedAnswer['statistics'] & {
    untested: number;
    replicates: Record<'left' | 'right', { instances: number; blocks: number }>;
    detectable: Detectable;
  };
}

export function gateInputOf(answer: DiffAnswer, by: 'self' | 'total'): GateInput {
  const { statistics, normalization, right, unit } = answer;
  return {
    input: rankInputOf(answer, by),
    all: Number(right.sum) * normalization.right,
    work: statistics.work && everythingOf(statistics.work),
    whole: everythingOf(statistics.whole, costUnit(unit)),
    detectable: statistics.detectable,
  };
}
