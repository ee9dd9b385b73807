// SPDX-License-Identifier: Apache-2.0
// What the two sides of a comparison are measured in.
import { StackwellError } from '../../errors.js';
import type { ProfileType } from '../types.js';

export const NORMALIZATIONS = ['stable', 'none', 'total', 'duration', 'cpu', 'factor'] as const;
export type NormalizationKind = (typeof NORMALIZATIONS)[number];

/** What values of each side are multiplied with before they are compared. */
export interface Normalization {
  kind: NormalizationKind;
  left: number;
  right: number;
}

/** What a side may be divided by. */
export interface Measures {
  /** Of all its values. */
  sum: number;
  /** Instance-seconds; null where they are not known, as CPU seconds. */
  seconds: number | null;
  cpuSeconds: number | null;
}

/**
 * Of 'stable' what is known before statistics have found what is stable, which is 'total'.
 * @param factor of the right, for 'factor'
 * @throws SW_REQUEST_INVALID for 'cpu' without CPU time on both sides
 */
export function normalizationOf(
  kind: NormalizationKind,
  factor: number,
  left: Measures,
  right: Measures,
): Normalization {
  const over = (whole: number | null) => (whole !== null && whole > 0 ? 1 / whole : 0);
  const by = (of: (side: Measures) => number) => ({ kind, left: of(left), right: of(right) });
  switch (kind) {
    case 'none':
      return by(() => 1);
    case 'factor':
      return { kind, left: 1, right: factor };
    case 'stable':
    case 'total':
      return by(({ sum }) => over(sum));
    case 'duration':
      return by(({ seconds }) => over(seconds));
    case 'cpu':
      if (!(Number(left.cpuSeconds) > 0 && Number(right.cpuSeconds) > 0))
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'normalization: cpu needs on-CPU profiles of both selections, and there are none',
        });
      return by(({ cpuSeconds }) => over(cpuSeconds));
  }
}

/**
 * One sample in units of the values: of a clock its period, of a count 1. 0 where values count nothing, as those that were
 * measured and not sampled (a period of 1).
 */
export function quantumOf(
  { sampleType, sampleUnit, periodType, periodUnit }: Omit<ProfileType, 'name'>,
  period: number,
): number {
  if (sampleUnit === 'count') return 1;
  return sampleType === periodType && sampleUnit === periodUnit && period > 1 ? period : 0;
}
