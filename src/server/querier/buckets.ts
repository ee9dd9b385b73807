// SPDX-License-Identifier: Apache-2.0
// Points in time as Pyroscope has them: each stands for the step that ends with it, and `start` is one of them.
import { StackwellError } from '../../errors.js';
import { MAX_BUCKETS } from '../query/timeline.js';
import type { Range } from './selection.js';

export interface Points {
  stepMs: number;
  /** Of the first and of the last point. */
  first: number;
  last: number;
  /** What all points together stand for. */
  range: Range;
  /** Where the first one begins; it has its end, and not its start. */
  origin: number;
}

/** @param step seconds @throws SW_REQUEST_INVALID */
export function pointsOf({ from, until }: Range, step: number): Points {
  const stepMs = Math.trunc(step * 1000);
  if (!(stepMs >= 1) || !Number.isSafeInteger(stepMs))
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'step: at least 0.001 seconds' });
  const end = until - 1;
  if ((end - from) / stepMs > MAX_BUCKETS)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `step: more than ${MAX_BUCKETS} points in this range`,
    });
  const last = from + Math.floor((end - from) / stepMs) * stepMs;
  const origin = from - stepMs;
  return { stepMs, first: from, last, range: { from: origin + 1, until: last + 1 }, origin };
}

/** The point that stands for a moment. */
export function pointAt({ stepMs, origin }: Points, time: number): number {
  return Math.ceil((time - origin) / stepMs) * stepMs + origin;
}
