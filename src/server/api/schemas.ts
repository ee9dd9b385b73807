// SPDX-License-Identifier: Apache-2.0
// Shapes that several endpoints share. Answers are described by them (in /openapi.json) and not checked against them.
import { z } from 'zod';
import { NORMALIZATIONS } from '../../profile/statistics/normalization.js';
import { VERDICTS } from '../../profile/statistics/ranking.js';

export const ErrorAnswer = z
  .object({
    code: z.string().describe('from docs/errors.md'),
    message: z.string(),
    fix: z.string().describe('what to do'),
    position: z.int().optional().describe('0-based, in the text that is wrong'),
  })
  .describe('an error');

const errorAnswer = {
  description: 'an error of docs/errors.md',
  content: { 'application/json': { schema: ErrorAnswer } },
};
export const ERROR_ANSWERS = { '4xx': errorAnswer, '5xx': errorAnswer };

/** An answer that is a file, or one of several kinds. */
export function contentOf(description: string, schemas: Record<string, z.ZodType>) {
  const content = Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema }]));
  return { description, content };
}
/** Bytes, or text that is no JSON. */
export const FileAnswer = z.string().meta({ format: 'binary' });

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

const comparedSide = {
  ...range,
  profiles: z.int().describe('profiles merged'),
  limited: z.boolean(),
  stats,
  instances: z.int().nullable().describe('that were seen; null where they were not looked for'),
  seconds: z.number().nullable().describe('of all instances together'),
  sum: z.int(),
};
const diffSide = z.object({ ...comparedSide, start: numbers, total: numbers, self: numbers });
const normalization = z
  .object({
    kind: z.enum(NORMALIZATIONS).describe('total in place of stable where too little is stable'),
    left: z.number().describe('what values of the left are multiplied with'),
    right: z.number(),
  })
  .describe('what the sides are compared in');
const rules = z.array(
  z.object({ id: z.string(), what: z.string(), example: z.string(), becomes: z.string() }),
);
const matching = {
  matching: rules.describe('rules by which frames of both sides are the same'),
  matchingOff: rules.describe('rules that were turned off'),
};
const orNull = z.array(z.number().nullable());
const compared = z.object({
  left: numbers.describe('normalized'),
  right: numbers,
  change: orNull.describe('right / left - 1; null where left is 0 and right is not'),
  low: orNull.describe('of the change, 95 %; null where it has no bound'),
  high: orNull,
  q: numbers.describe('false discovery rate'),
});
const replicates = z.object({ instances: z.int(), blocks: z.int().describe('of time') });
const detectable = z
  .array(z.object({ share: z.number(), change: z.number().nullable() }))
  .describe(
    'the least change that would be found in a function with this part of all, in four of five cases',
  );

export const DiffAnswer = z.object({
  type: z.string(),
  unit: z.string(),
  functions,
  depth: numbers,
  function: numbers.describe('row of functions'),
  omittedNodes: z.int(),
  left: diffSide,
  right: diffSide,
  normalization,
  ...matching,
  statistics: z
    .object({
      functions,
      untested: z.int().describe('functions that are too small to be tested'),
      replicates: z.object({ left: replicates, right: replicates }),
      self: compared.describe('by function'),
      total: compared.describe('by function'),
      whole: compared.describe('of everything, one row: per instance-second, in units of the type'),
      work: compared.nullable().describe('of everything, against what is stable; null but for stable'),
      detectable,
    })
    .nullable(),
});

const rankedFunction = z.object({
  function: z.string(),
  file: z.string(),
  module: z.string(),
  reason: z.string(),
  base: z.number().describe('normalized'),
  head: z.number(),
  change: z.number().nullable().describe('head / base - 1; null when it is new'),
  interval: z.array(z.number().nullable()).describe('of the change, 95 %; null where it has no bound'),
  q: z.number().describe('false discovery rate'),
  baseCost: z.number().describe('CPU cores an instance uses (for other types, their unit a second)'),
  headCost: z.number(),
  cost: z.number().describe('what the change costs an instance'),
});
const comparedDeploy = z.object({
  deploy: z.string(),
  first: z.int().describe('seen first in the range, Unix milliseconds'),
  last: z.int(),
  hosts: z.int(),
  ...comparedSide,
});

const everything = z.object({
  base: z.number(),
  head: z.number(),
  change: z.number().nullable(),
  interval: z.array(z.number().nullable()),
  p: z.number(),
});

export const CompareDeploysAnswer = z.object({
  service: z.string(),
  type: z.string(),
  unit: z.string(),
  base: comparedDeploy,
  head: comparedDeploy,
  concurrent: z.boolean().describe('both ran at once, and are compared at the same time'),
  normalization,
  ...matching,
  verdict: z.enum(VERDICTS),
  whole: everything.describe('CPU cores an instance uses'),
  work: everything
    .nullable()
    .describe('what the same work costs: everything against what is stable, the base being 1'),
  by: z.enum(['self', 'total']),
  regressions: z.array(rankedFunction).describe('the dearest first'),
  improvements: z.array(rankedFunction),
  omitted: z.object({ regressions: z.int(), improvements: z.int() }),
  tested: z.int(),
  untested: z.int(),
  replicates: z.object({ base: replicates, head: replicates }),
  detectable,
  warnings: z.array(z.string()),
});

export const DeploysAnswer = z.object({
  type: z.string(),
  unit: z.string(),
  ...range,
  step: z.int().describe('milliseconds: how exact the times are, but of the newest 20'),
  deploys: z.array(
    z.object({
      service: z.string(),
      deploy: z.string(),
      first: z.int(),
      last: z.int(),
      hosts: z.int(),
      instances: z.int(),
      profiles: z.int(),
      total: z.int(),
    }),
  ),
  omitted: z.int(),
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
  series: z.array(
    z.object({
      labels,
      times: z.array(z.int()),
      totals: numbers,
      counts: z.array(z.int()).optional().describe('profiles in each bucket, of types that are snapshots'),
    }),
  ),
  omittedSeries: z.int(),
});

const renderedTimeline = z.object({
  startTime: z.int().describe('Unix seconds'),
  samples: numbers,
  durationDelta: z.int().describe('seconds'),
  watermarks: z.null(),
});

export const FlamebearerAnswer = z.object({
  version: z.literal(1),
  flamebearer: z.object({
    names: z.array(z.string()),
    levels: z
      .array(numbers)
      .describe('of each node: distance, total, self, row of names; in a diff the first three twice'),
    numTicks: z.number(),
    maxSelf: z.number(),
  }),
  metadata: z.object({
    format: z.enum(['single', 'double']),
    spyName: z.string(),
    sampleRate: z.int(),
    units: z.string(),
    name: z.string(),
  }),
  timeline: renderedTimeline.nullable(),
  groups: z.record(z.string(), renderedTimeline).nullable(),
  heatmap: z.null(),
  leftTicks: z.number().optional(),
  rightTicks: z.number().optional(),
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
