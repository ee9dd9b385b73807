// SPDX-License-Identifier: Apache-2.0
// Two pprof files, compared without a server.
import { readFileSync } from 'node:fs';
import { decode, Merger, matchingRules } from '#native/profile';
import { StackwellError } from '../../errors.js';
import { statisticsAnswer } from '../../server/api/comparing.js';
import { type Normalization, statistics } from '../../server/query/statistics.js';
import type { DiffAnswer } from './comparison.js';

interface Options {
  maxNodes: number;
  without: string[];
  normalization: Normalization['kind'];
  factor: number;
  sampleType: string | undefined;
}

interface File {
  bytes: Buffer;
  seconds: number;
  period: number;
  /** One sample in units of the values; 0 when they count nothing. */
  quantum: number;
  type: string;
  unit: string;
}

/** @throws SW_PPROF_INVALID, SW_USAGE */
export async function compareFiles(left: string, right: string, options: Options): Promise<DiffAnswer> {
  const [a, b] = [await read(left, options.sampleType), await read(right, options.sampleType)];
  if (a.type !== b.type || a.unit !== b.unit)
    throw new StackwellError('SW_USAGE', {
      reason: `${left} has ${a.type} in ${a.unit}, ${right} has ${b.type} in ${b.unit}: choose what both have with --sample-type`,
    });
  const merger = new Merger({ sampleLabels: false });
  await merger.addPprof(a.bytes, { sampleType: a.type, side: 'left', replicate: 0 });
  await merger.addPprof(b.bytes, { sampleType: b.type, side: 'right', replicate: 1 });
  const diff = await merger.diff({
    maxNodes: options.maxNodes,
    matchingWithout: options.without,
    functions: 1000,
  });
  const cells = ({ seconds }: File, first: number) => ({
    groups: 1,
    blocks: 1,
    seconds: Float64Array.of(seconds),
    joined: 1,
    given: 1,
    first,
    instances: 1,
  });
  const asked = normalize(options, diff, a, b);
  const tested = await statistics(
    diff.matrix!,
    cells(a, 0),
    cells(b, 1),
    asked,
    Math.max(a.quantum, b.quantum),
  );
  const { matrix: _, left: leftTree, right: rightTree, ...tree } = diff;
  const about = ({ seconds }: File) => ({
    seconds,
    instances: 1,
    profiles: 1,
    from: 0,
    until: 0,
    warnings: [],
  });
  return {
    type: a.type,
    unit: a.unit,
    ...tree,
    left: { ...about(a), ...leftTree },
    right: { ...about(b), ...rightTree },
    normalization: tested.normalization,
    matching: matchingRules().filter(({ id }) => !options.without.includes(id)),
    statistics: statisticsAnswer(tested.statistics),
  };
}

async function read(path: string, sampleType: string | undefined): Promise<File> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new StackwellError('SW_USAGE', { reason: `${path}: ${(error as Error).message}` }, error);
  }
  const { strings, sampleTypes, periodType, period, durationNanos } = await decode(bytes);
  const names = sampleTypes.map(({ type, unit }) => ({ type: strings[type]!, unit: strings[unit]! }));
  const chosen = sampleType === undefined ? names.at(-1) : names.find(({ type }) => type === sampleType);
  if (chosen === undefined)
    throw new StackwellError('SW_USAGE', {
      reason: `${path} has no sample type ${sampleType ?? ''}; it has ${names.map(({ type }) => type).join(', ') || 'none'}`,
    });
  const isPeriod = periodType !== null && strings[periodType.type] === chosen.type;
  const own = isPeriod && period > 1n ? Number(period) : 0;
  return {
    bytes,
    // Without a duration there are no cores to tell; parts of all need none.
    seconds: durationNanos > 0n ? Number(durationNanos) / 1e9 : 1,
    period: Number(period),
    quantum: chosen.unit === 'count' ? 1 : own,
    ...chosen,
  };
}

function normalize(
  { normalization: kind, factor }: Options,
  { left, right }: { left: { sum: bigint }; right: { sum: bigint } },
  a: File,
  b: File,
): Normalization {
  const over = (whole: number) => (whole > 0 ? 1 / whole : 0);
  switch (kind) {
    case 'stable':
    case 'total':
      return { kind, left: over(Number(left.sum)), right: over(Number(right.sum)) };
    case 'duration':
      return { kind, left: over(a.seconds), right: over(b.seconds) };
    case 'none':
      return { kind, left: 1, right: 1 };
    case 'factor':
      return { kind, left: 1, right: factor };
    case 'cpu':
      throw new StackwellError('SW_USAGE', {
        reason: '--normalization cpu takes a server, which knows CPU time',
      });
  }
}
