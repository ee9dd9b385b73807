// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

export const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/)
  .describe('a number and a unit: 500ms, 10s, 15m, 24h, 31d');

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of '10s', '15m', … */
export function durationMs(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  if (match === null) throw new RangeError(`not a duration: ${text}`);
  return Number(match[1]) * UNITS[match[2]!]!;
}
