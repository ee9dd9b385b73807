// SPDX-License-Identifier: Apache-2.0
// What a comparison's functions are measured in, and which of their differences are more than noise.
import { setImmediate } from 'node:timers/promises';
import type { FunctionMatrix } from '#native/profile';
import type { Detectable } from '../../profile/statistics/answer.js';
import {
  type CompareOptions,
  type Comparison,
  compare,
  detectable,
  OF_PARTS,
  OF_RATES,
  pooledRates,
  test,
} from '../../profile/statistics/compare.js';
import type { Normalization } from '../../profile/statistics/normalization.js';
import { SIGNIFICANT } from '../../profile/statistics/ranking.js';
import type { Cells, Noise } from '../../profile/statistics/variance.js';
import type { SideCells } from './replicates.js';

export interface Statistics {
  functions: FunctionMatrix['functions'];
  /** Functions that are too small to be tested. */
  untested: number;
  self: Comparison;
  total: Comparison;
  /** Of everything, in units of the type per instance-second; one row. */
  whole: Comparison;
  /** Of everything, against what did not change: what the same work costs. One row; null but for 'stable'. */
  work: Comparison | null;
  replicates: { left: ReplicateCount; right: ReplicateCount };
  detectable: Detectable;
}

export interface ReplicateCount {
  instances: number;
  blocks: number;
}

const SHARES = [0.02, 0.05, 0.1, 0.2, 0.5];

/**
 * Of what is partly in its weight and partly not, and which part is not known: what is above 1 is not in it. Without
 * replicates, which tell the noise by themselves, all that may not be in it is taken not to be.
 */
const ofMixed: Noise = (rate, _, isReplicated) =>
  rate > 1 ? rate * (rate - 1) : Math.max(0, isReplicated ? rate * (1 - rate) : rate * (1 + rate));

/** With fewer than this part of all unchanged, there is nothing to compare with. */
const LEAST_STABLE = 0.2;
const MOST_ROUNDS = 20;
/** Part of what is left that makes up most of it. */
const MOST_OF_REST = 0.8;
/** Parts of the greatest clearness from which on two are as clear. */
const ALIKE = 0.9;

/**
 * `quantum`: one sample in units of the values, 0 where values count nothing. Where `scale` is 'stable', it is found here
 * and told in the answer; 'total' takes its place where too little is stable.
 */
export async function statistics(
  matrix: FunctionMatrix,
  left: SideCells,
  right: SideCells,
  asked: Normalization,
  quantum: number,
): Promise<{ statistics: Statistics; normalization: Normalization }> {
  const { functions, omitted, replicates } = matrix;
  const columns = replicates.sum.length;
  const count = functions.name.length;
  const sides = [left, right] as const;
  const self = sides.map(side => fold(replicates.self, count, columns, side));
  const total = sides.map(side => fold(replicates.total, count, columns, side));
  const sums = sides.map(side => fold(replicates.sum, 1, columns, side));
  const cells = (values: Float64Array[], weights: Float64Array[]) =>
    sides.map(
      (side, at): Cells => ({
        instances: side.groups,
        blocks: side.blocks,
        weight: weights[at]!,
        value: values[at]!,
        quantum,
      }),
    ) as [Cells, Cells];

  const all = sums.map(column => column.reduce((sum, one) => sum + one, 0));
  const seconds = sides.map(side => side.seconds);
  const parts = sums.map(column => column.map(one => Math.max(0, one)));
  let normalization = asked;
  let weights = seconds;
  let options: CompareOptions = { noise: OF_RATES, scales: [1, 1] };
  let ofTotals = OF_RATES;
  const stable = asked.kind === 'stable' ? await stableParts(cells(self, parts), parts) : null;
  if (asked.kind === 'stable') {
    if (stable === null) normalization = { ...asked, kind: 'total' };
    else {
      weights = stable.parts;
      const [a, b] = weights.map(column => column.reduce((sum, one) => sum + one, 0)) as [number, number];
      const part = a / all[0]!;
      const outside: Noise = rate => Math.max(0, rate * (1 + rate));
      options = {
        noise: (rate, row) => (stable.isOut[row] === 1 ? outside : OF_PARTS)(rate, row, true),
        scales: [part, part],
      };
      ofTotals = ofMixed;
      normalization = { kind: 'stable', left: 1 / all[0]!, right: part / b };
    }
  }
  if (normalization.kind === 'total') {
    weights = parts;
    options = { noise: OF_PARTS, scales: [1, 1] };
    ofTotals = OF_PARTS;
  } else if (
    normalization.kind === 'none' ||
    normalization.kind === 'cpu' ||
    normalization.kind === 'factor'
  ) {
    const [a, b] = seconds.map(column => column.reduce((sum, one) => sum + one, 0)) as [number, number];
    options = { noise: OF_RATES, scales: [normalization.left * a, normalization.right * b] };
  }
  // Each is some milliseconds of work: others get their turn in between.
  const ofSelf = compare(...cells(self, weights), count, options);
  await setImmediate();
  const ofTotal = compare(...cells(total, weights), count, { ...options, noise: ofTotals });
  await setImmediate();
  let work: Comparison | null = null;
  if (stable !== null) {
    // What is stable is what was not seen to change: the one of it that is known least may have changed by its error.
    const unseen = ofSelf.error.reduce(
      (most, one, row) => (stable.isOut[row] === 1 ? most : Math.max(most, one)),
      0,
    );
    work = compare(...cells(sums, weights), 1, { noise: ofMixed, scales: options.scales, unseen });
  }
  return {
    normalization,
    statistics: {
      functions,
      untested: omitted,
      self: ofSelf,
      total: ofTotal,
      whole: compare(...cells(sums, seconds), 1, { noise: OF_RATES, scales: [1, 1] }),
      work,
      replicates: {
        left: { instances: left.instances, blocks: left.blocks },
        right: { instances: right.instances, blocks: right.blocks },
      },
      detectable: SHARES.map(share => ({ share, change: detectable(ofSelf, share, SIGNIFICANT) })),
    },
  };
}

/**
 * What of each cell did not change. Parts of a whole cannot change alone: when one function gets dearer, the parts of all
 * others shrink, and would look like improvements. So the function that differs most clearly is taken out of the whole,
 * with those that differ in its direction, and the others are compared by what is left, until nothing differs. What is left is the measure for everything, and so
 * a function that does a fifth more comes out as a fifth dearer, whatever part of all it is. Null where too little is left.
 */
async function stableParts(
  [base, head]: [Cells, Cells],
  parts: Float64Array[],
): Promise<{ parts: Float64Array[]; isOut: Uint8Array } | null> {
  const weights = parts.map(column => column.slice());
  const all = parts.map(column => column.reduce((sum, one) => sum + one, 0));
  const count = base.value.length / base.weight.length;
  const isOut = new Uint8Array(count);
  const whole = [base, head].map((side, at) => ({ ...side, weight: weights[at]! })) as [Cells, Cells];
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { left, right, error, q, change } = test(...whole, count, { noise: OF_PARTS, scales: [1, 1] });
    await setImmediate();
    const clearness = left.rate.map((rate, row) =>
      isOut[row] === 0 && q[row]! < SIGNIFICANT && error[row]! > 0
        ? Math.abs(right.rate[row]! - rate) / error[row]!
        : 0,
    );
    const most = clearness.reduce((greatest, one) => Math.max(greatest, one), 0);
    // Two that make up most of all mirror each other, and are as clear but for chance: then it is the one that grew, since
    // a release adds more often than it takes away.
    let clearest = -1;
    for (let row = 0; row < count; row++)
      if (
        clearness[row]! > 0 &&
        clearness[row]! >= ALIKE * most &&
        (clearest < 0 || change[row]! > change[clearest]!)
      )
        clearest = row;
    if (clearest < 0) return { parts: weights, isOut };
    // What it does to others has the other sign: those with its own changed by themselves.
    const alike: number[] = [];
    for (let row = 0; row < count; row++)
      if (
        isOut[row] === 0 &&
        q[row]! < SIGNIFICANT &&
        Math.sign(change[row]!) === Math.sign(change[clearest]!)
      )
        alike.push(row);
    const rest = Array.from({ length: count }, (_, row) => row).filter(
      row => isOut[row] === 0 && !alike.includes(row),
    );
    const taken = mirrored(alike, rest, pooledRates(...whole, count)) ?? alike;
    for (const row of taken) isOut[row] = 1;
    for (const [at, { value }] of [base, head].entries()) {
      const size = weights[at]!.length;
      const column = weights[at]!;
      for (const row of taken)
        for (let cell = 0; cell < size; cell++) column[cell] = column[cell]! - value[row * size + cell]!;
      let left = 0;
      for (let cell = 0; cell < size; cell++) {
        column[cell] = Math.max(0, column[cell]!);
        left += column[cell]!;
      }
      if (left < LEAST_STABLE * all[at]!) return null;
    }
  }
  return null;
}

/**
 * Where several functions that differ alike are but the mirror of what is left: the few of it that make up most of it, when
 * they are fewer and a smaller part of all. Which of the two is clearest is chance then; that little changed, and the
 * greater part did not, is likelier. Null where that is not so.
 */
function mirrored(alike: number[], rest: number[], part: Float64Array): number[] | null {
  const sumOf = (rows: number[]) => rows.reduce((sum, row) => sum + part[row]!, 0);
  const most = MOST_OF_REST * sumOf(rest);
  const few: number[] = [];
  for (const row of rest.sort((a, b) => part[b]! - part[a]!).slice(0, alike.length - 1)) {
    few.push(row);
    if (sumOf(few) >= most) return sumOf(few) < sumOf(alike) ? few : null;
  }
  return null;
}

/** Columns of one side, with blocks joined. */
function fold(values: Float64Array, rows: number, columns: number, side: SideCells): Float64Array {
  const { groups, blocks, joined, given, first } = side;
  const size = groups * blocks;
  const folded = new Float64Array(rows * size);
  for (let row = 0; row < rows; row++)
    for (let group = 0; group < groups; group++)
      for (let block = 0; block < given; block++) {
        const column = first + group * given + block;
        if (column < columns)
          folded[row * size + group * blocks + Math.floor(block / joined)]! +=
            values[row * columns + column]!;
      }
  return folded;
}
