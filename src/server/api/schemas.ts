// SPDX-License-Identifier: Apache-2.0
// Shapes that several endpoints share. Answers are described by them (in /openapi.json) and not checked against them.
import { z } from 'zod';

export const ErrorAnswer = z
  .object({
    code: z.string().describe('from docs/errors.md'),
    message: z.string(),
    fix: z.string().describe('what to do'),
    position: z.int().optional().describe('0-based, in the text that is wrong'),
  })
  .describe('an error');

export const ERROR_ANSWERS = { '4xx': ErrorAnswer, '5xx': ErrorAnswer } as const;

const range = {
  from: z.int().describe('Unix milliseconds, as used'),
  until: z.int().describe('Unix milliseconds, as used'),
  warnings: z.array(z.string()),
};
const functions = z.object({
  name: z.array(z.string()),
  file: z.array(z.string()),
  module: z.array(z.string()),
  reason: z.array(z.string()).describe('why it has no name; empty when it has one'),
  buildId: z.array(z.string()).describe('of its file, when it has no name'),
});
const counts = z.record(z.string(), z.int());
const stats = z
  .object({
    samples: z.int().describe('samples (on-CPU) or intervals (off-CPU)'),
    complete: z.int().describe('of them, with a stack that reaches its root'),
    incomplete: counts.describe('of them, with one that does not, by how it ends'),
    truncated: z.int().describe('of them, with one that was cut because it is too deep'),
    frames: z.int().describe('each as often as it was sampled'),
    named: z.int().describe('of them, with a name'),
    perfmap: z.int().describe('of the named, those of Java virtual machines that were asked for a perf map'),
    late: counts.describe('of them, without one when they were recorded, by the reason they had'),
    unresolved: counts.describe('of them, without one, by reason'),
    lost: counts.describe('samples that could not be taken, by cause; of whole hosts'),
    clocks: z.array(z.string()).describe('what drove the samples'),
  })
  .describe('sums over the profiles that tell; ends and reasons are explained in docs/coverage.md');
const labels = z.record(z.string(), z.string());
const numbers = z.array(z.number());
const merged = {
  type: z.string(),
  unit: z.string(),
  ...range,
  profiles: z.int().describe('profiles merged'),
  limited: z.boolean().describe('a limit cut something; warnings say what'),
};

const diffSide = z.object({
  ...range,
  profiles: z.int().describe('profiles merged'),
  limited: z.boolean(),
  stats,
  sum: z.int(),
  start: numbers,
  total: numbers,
  self: numbers,
});

export const DiffAnswer = z.object({
  type: z.string(),
  unit: z.string(),
  functions,
  depth: numbers,
  function: numbers.describe('row of functions'),
  omittedNodes: z.int(),
  left: diffSide,
  right: diffSide,
});

export const TypesAnswer = z.object({
  ...range,
  types: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      sampleType: z.string(),
      sampleUnit: z.string(),
      periodType: z.string(),
      periodUnit: z.string(),
    }),
  ),
});

export const LabelsAnswer = z.object({
  ...range,
  names: z.array(z.string()).describe('labels of profiles'),
  sampleNames: z.array(z.string()).describe('labels of samples'),
});

export const LabelValuesAnswer = z.object({
  name: z.string(),
  ...range,
  values: z.array(z.string()),
  omitted: z.int(),
});

export const TimelineAnswer = z.object({
  ...merged,
  step: z.int().describe('milliseconds'),
  series: z.array(z.object({ labels, times: z.array(z.int()), totals: numbers })),
  omittedSeries: z.int(),
});

export const FlameGraphAnswer = z.object({
  ...merged,
  sum: z.number().describe('exact integer'),
  functions,
  depth: numbers,
  start: numbers,
  total: numbers,
  self: numbers,
  function: numbers.describe('rows of functions'),
  omittedNodes: z.int(),
  stats,
});

const top = { sum: z.number(), functions, self: numbers, total: numbers, omitted: z.int() };

export const TopAnswer = z.object({
  ...merged,
  ...top,
  stats,
  groups: z.array(z.object({ labels, profiles: z.int(), ...top })).optional(),
  omittedGroups: z.int().optional(),
});
