// SPDX-License-Identifier: Apache-2.0
// The timeline beside a rendered flame graph.
import type { FlamebearerTimeline } from '../../profile/formats/flamebearer.js';
import type { Range } from './selection.js';

const POINTS = 1500;
const LEAST_SECONDS = 15;
/** Steps that people read well, up to which interval each is taken; seconds. */
const STEPS = [
  [15, 17.5],
  [20, 25],
  [30, 45],
  [60, 90],
  [120, 210],
  [300, 450],
  [600, 750],
  [900, 1050],
  [1200, 1500],
  [1800, 2700],
  [3600, 5400],
  [7200, 9000],
  [10_800, 16_200],
  [21_600, 32_400],
  [43_200, 86_400],
  [86_400, 604_800],
  [604_800, 1_814_400],
  [2_592_000, 3_628_800],
] as const;
const YEAR = 31_536_000;

/** Seconds: about 1,500 points, and never less than 15. */
export function renderStep({ from, until }: Range): number {
  const interval = (until - 1 - from) / 1000 / POINTS;
  if (interval < LEAST_SECONDS) return LEAST_SECONDS;
  return STEPS.find(([, most]) => interval <= most)?.[0] ?? YEAR;
}

/** One sample for each step of the range, from the last multiple of `step` before it; 0 where there is nothing. */
export function toTimeline(
  points: { value: number; timestamp: number }[],
  { from, until }: Range,
  step: number,
): FlamebearerTimeline {
  const stepMs = step * 1000;
  const start = Math.floor(from / stepMs) * stepMs;
  const end = Math.floor((until - 1) / stepMs) * stepMs;
  const samples = new Array<number>(Math.max(0, (end - start) / stepMs)).fill(0);
  for (const { value, timestamp } of points) {
    const at = Math.floor((timestamp - start) / stepMs);
    if (at >= 0 && at < samples.length) samples[at] = Math.trunc(value);
  }
  return { startTime: start / 1000, samples, durationDelta: step, watermarks: null };
}
