// SPDX-License-Identifier: Apache-2.0
// Parameters that every question takes.
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { parseDuration } from '../../profile/time.js';

const MAX_GROUP_LABELS = 4;
/** Of a flame graph, where it is not said how many. */
export const DEFAULT_NODES = 8192;

export const RangeParameters = z.object({
  type: z.string().max(2048).optional().describe('type id; on-CPU when absent, where one type is needed'),
  query: z
    .string()
    .max(16_384)
    .optional()
    .describe('Prometheus matchers, e.g. {service_name="checkout", pid=~"12|13"}'),
  from: z
    .string()
    .max(64)
    .optional()
    .describe('RFC 3339, Unix milliseconds or relative; now-15m when absent'),
  until: z.string().max(64).optional().describe('likewise, exclusive; now when absent'),
});

const labelList = z
  .string()
  .max(4096)
  .transform((text, context) => {
    const names = text
      .split(',')
      .map(name => name.trim())
      .filter(name => name !== '');
    if (names.length > MAX_GROUP_LABELS)
      context.addIssue({ code: 'custom', message: `at most ${MAX_GROUP_LABELS} labels` });
    return names;
  });

export const GroupBy = z.object({
  group_by: labelList.optional().describe('labels of profiles, with commas'),
});

export function count(max: number, otherwise: number, description: string) {
  return z.coerce.number().int().min(1).max(max).default(otherwise).describe(description);
}

export const flag = z
  .enum(['true', 'false', '1', '0', ''])
  .default('false')
  .transform(text => text === 'true' || text === '1' || text === '');

/** Milliseconds of '10', '10s', '1m'. @throws SW_REQUEST_INVALID */
export function parseStep(text: string): number {
  const step = /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (step === null || !Number.isSafeInteger(step) || step < 1000 || step % 1000 !== 0)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `step: ${JSON.stringify(text)} is not a number of seconds or a duration of whole seconds`,
    });
  return step;
}
