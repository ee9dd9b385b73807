// SPDX-License-Identifier: Apache-2.0
// Two sides in one graph: how wide frames are, which of them are coloured, and how. A frame is grey unless its function is
// known to have changed, so that noise has no colour.

import type { Normalization } from '../../src/profile/statistics/normalization.js';
import { SIGNIFICANT } from '../../src/profile/statistics/ranking.js';
import type { DiffAnswer, TestedFunctions } from '../lib/api.js';
import type { Functions, Graph } from './graph.js';

type Tree = Pick<DiffAnswer, 'depth' | 'left' | 'right'>;

/**
 * Widths of both sides together: the mean of their normalized totals, so that what is on one side alone has a width, too,
 * and callees lie within their callers. From the left edge of the root, callees first, what a frame does itself at its right.
 */
export function mergedWidths(
  { depth, left, right }: Tree,
  { left: l, right: r }: Normalization,
): { start: Float64Array; total: Float64Array; self: Float64Array } {
  const rows = depth.length;
  const start = new Float64Array(rows);
  const total = new Float64Array(rows);
  const self = new Float64Array(rows);
  /** By depth: where the next callee begins. */
  const next: number[] = [];
  for (let row = 0; row < rows; row++) {
    const d = depth[row]!;
    total[row] = (Math.max(0, left.total[row]!) * l + Math.max(0, right.total[row]!) * r) / 2;
    self[row] = (Math.max(0, left.self[row]!) * l + Math.max(0, right.self[row]!) * r) / 2;
    const at = d === 0 ? 0 : next[d - 1]!;
    start[row] = at;
    if (d > 0) next[d - 1] = at + total[row]!;
    next[d] = at;
  }
  return { start, total, self };
}

/** Row of the tested functions for each function of a tree, by name and file; -1 for one that was not tested. */
export function testedRows(functions: Functions, tested: TestedFunctions['functions']): Int32Array {
  const key = (of: Functions, i: number) => `${of.name[i]}\0${of.file[i]}`;
  const rows = new Map(tested.name.map((_, i) => [key(tested, i), i]));
  return Int32Array.from(functions.name, (_, i) => rows.get(key(functions, i)) ?? -1);
}

/** Steps of colour for a side, by how many times as much the more is than the less: from 0, 10, 25, 50 and 100 % more. */
export const STEPS = [1, 1.1, 1.25, 1.5, 2] as const;
/** Shades of grey, so that neighbours can be told apart. */
export const GREYS = 4;

/** Colours by number: greys, cheaper from little to much, dearer from little to much. */
export const CHEAPER = GREYS;
export const DEARER = GREYS + STEPS.length;
export const COLOURS = GREYS + 2 * STEPS.length;

/** @param ratio right by left, ∞ for what is new */
export function colourOf(ratio: number): number {
  const times = ratio >= 1 ? ratio : 1 / ratio;
  let step = 0;
  while (step + 1 < STEPS.length && times >= STEPS[step + 1]!) step++;
  return (ratio >= 1 ? DEARER : CHEAPER) + step;
}

export interface Tested {
  /** By function of the tree. */
  rows: Int32Array;
  statistics: TestedFunctions;
  normalization: Normalization;
}

/**
 * Colour of each frame by how its own value changed, if its function is known to have changed that way; else grey.
 * @param by whether values and tests are of what functions do themselves or with what they call
 */
export function colourChanges(
  graph: Graph,
  { left, right }: Pick<DiffAnswer, 'left' | 'right'>,
  { rows, statistics, normalization }: Tested,
  by: 'self' | 'total',
  greyOf: (fn: number) => number,
): Uint16Array {
  const { q, left: before, right: after } = statistics[by];
  const ways = Int8Array.from(rows, row =>
    row >= 0 && q[row]! < SIGNIFICANT ? Math.sign(after[row]! - before[row]!) : 0,
  );
  const colours = new Uint16Array(graph.rows);
  for (let row = 0; row < graph.rows; row++) {
    const fn = graph.fn[row]!;
    const a = left[by][row]! * normalization.left;
    const b = right[by][row]! * normalization.right;
    colours[row] = row > 0 && ways[fn] !== 0 && Math.sign(b - a) === ways[fn] ? colourOf(b / a) : greyOf(fn);
  }
  return colours;
}
