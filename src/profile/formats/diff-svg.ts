// SPDX-License-Identifier: Apache-2.0
// Two flame graphs in one picture that stands alone: a frame is as wide as it is on both sides together, red where it got
// dearer, blue where it got cheaper, grey where that may be chance.
import type { FlameFunctions } from '../flamegraph.js';
import { formatValue } from '../units.js';
import { frameChunks } from './svg.js';

export interface DiffTree {
  functions: FlameFunctions;
  depth: ArrayLike<number>;
  function: ArrayLike<number>;
  omittedNodes: number;
  left: DiffTreeSide;
  right: DiffTreeSide;
}

interface DiffTreeSide {
  sum: bigint | number;
  start: ArrayLike<number>;
  total: ArrayLike<number>;
  self: ArrayLike<number>;
}

export interface DiffLooks {
  title: string;
  unit: string;
  /** What values of a side are multiplied with before they are compared. */
  scale: { left: number; right: number };
  /** Whether a function differs for sure, by name and file; null where nothing was tested, and all is coloured. */
  isReal: ((name: string, file: string) => boolean) | null;
}

/** From which relative change on the colour is the fullest. */
const FULL = 0.5;

export function diffSvgChunks(tree: DiffTree, { title, unit, scale, isReal }: DiffLooks): Generator<string> {
  const { left, right, functions } = tree;
  const mean = (of: 'start' | 'total') =>
    Float64Array.from(
      { length: tree.depth.length },
      (_, node) => (left[of][node]! * scale.left + right[of][node]! * scale.right) / 2,
    );
  const change = (node: number) => {
    const a = left.total[node]! * scale.left;
    const b = right.total[node]! * scale.right;
    return a === b ? 0 : a === 0 ? Number.POSITIVE_INFINITY : b / a - 1;
  };
  return frameChunks(
    {
      functions,
      depth: tree.depth as Uint16Array,
      function: tree.function as Uint32Array,
      omittedNodes: tree.omittedNodes,
      start: mean('start'),
      total: mean('total'),
    },
    {
      title,
      note: `${formatValue(Number(left.sum), unit)} against ${formatValue(Number(right.sum), unit)}; red is dearer, blue cheaper${
        isReal === null ? '' : ', grey may be chance'
      }`,
      facts: node => {
        const values = (side: DiffTreeSide) =>
          `total ${formatValue(side.total[node]!, unit)}, self ${formatValue(side.self[node]!, unit)}`;
        return `before: ${values(left)}\nafter: ${values(right)}\n${formatChange(change(node))}`;
      },
      fill: node => {
        const row = tree.function[node]!;
        const is = isReal === null || isReal(functions.name[row]!, functions.file[row]!);
        return is ? changeColour(change(node)) : 'hsl(0,0%,88%)';
      },
    },
  );
}

/** '+12.3 %', 'new', 'gone'. */
export function formatChange(change: number | null): string {
  if (change === null || change === Number.POSITIVE_INFINITY) return 'new';
  if (change === -1) return 'gone';
  return `${change >= 0 ? '+' : ''}${(100 * change).toFixed(1)} %`;
}

function changeColour(change: number): string {
  if (change === 0) return 'hsl(0,0%,88%)';
  const strength = Math.min(1, Math.abs(change) / FULL);
  return `hsl(${change > 0 ? 8 : 215},75%,${(90 - 28 * strength).toFixed(0)}%)`;
}
