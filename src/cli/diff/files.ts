// SPDX-License-Identifier: Apache-2.0
// Two pprof files, compared without a server.
import { readFileSync } from 'node:fs';
import { decode, Merger, matchingRules } from '#native/profile';
import { StackwellError } from '../../errors.js';
import {
  type NormalizationKind,
  normalizationOf,
  quantumOf,
} from '../../profile/statistics/normalization.js';
import { statisticsAnswer } from '../../server/api/comparing.js';
import { statistics } from '../../server/query/statistics.js';
import type { DiffAnswer } from './comparison.js';

interface Options {
  maxNodes: number;
  without: string[];
  normalization: NormalizationKind;
  factor: number;
  sampleType: string | undefined;
}

interface File {
  bytes: Buffer;
  seconds: number;
  /** One sample in units of the values; 0 when they count nothing. */
  quantum: number;
  type: string;
  unit: string;
}

/** @throws SW_PPROF_INVALID, SW_USAGE */
export async function compareFiles(left: string, right: string, options: Options): Promise<DiffAnswer> {
  if (options.normalization === 'cpu')
    throw new StackwellError('SW_USAGE', {
      reason: '--normalization cpu takes a server, which knows CPU time',
    });
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
  const measures = ({ seconds }: File, sum: bigint) => ({ sum: Number(sum), seconds, cpuSeconds: null });
  const asked = normalizationOf(
    options.normalization,
    options.factor,
    measures(a, diff.left.sum),
    measures(b, diff.right.sum),
  );
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
  const periods = periodType === null ? ['', ''] : [strings[periodType.type]!, strings[periodType.unit]!];
  const type = {
    sampleType: chosen.type,
    sampleUnit: chosen.unit,
    periodType: periods[0]!,
    periodUnit: periods[1]!,
  };
  return {
    bytes,
    // Without a duration there are no cores to tell; parts of all need none.
    seconds: durationNanos > 0n ? Number(durationNanos) / 1e9 : 1,
    quantum: quantumOf(type, Number(period)),
    ...chosen,
  };
}
