// SPDX-License-Identifier: Apache-2.0
// Answers of /api/v1/diff made in code: a tree of the left, and what functions do on the right.
import type { DiffAnswer, TestedColumns } from '../../web/lib/api.js';
import type { Tree } from './fixture-data.js';
import { STATS } from './fixture-server.js';

/** Totals and places from what frames do themselves; callees stand at the left of their caller. */
export function treeOfSelf(
  depth: number[],
  self: number[],
): { start: number[]; total: number[]; self: number[] } {
  const total = self.slice();
  const path: number[] = [];
  const parent = depth.map((d, row) => {
    path.length = d;
    path.push(row);
    return d === 0 ? -1 : path[d - 1]!;
  });
  for (let row = depth.length - 1; row > 0; row--) total[parent[row]!]! += total[row]!;
  const next: number[] = [];
  const start = depth.map((_, row) => {
    const at = row === 0 ? 0 : next[parent[row]!]!;
    if (row > 0) next[parent[row]!]! += total[row]!;
    next[row] = at;
    return at;
  });
  return { start, total, self };
}

/**
 * @param times what a function does on the right by what it does on the left
 * @param isReal whether that is told from noise
 */
export function diffOf(
  tree: Tree,
  times: (fn: number) => number,
  isReal: (fn: number) => boolean = fn => times(fn) !== 1,
): DiffAnswer {
  const { depth, functions } = tree;
  const left = treeOfSelf(depth, tree.self);
  const right = treeOfSelf(
    depth,
    tree.self.map((self, row) => Math.round(self * times(tree.function[row]!))),
  );
  const sum = (side: { total: number[] }) => side.total[0]!;
  const count = functions.name.length;
  const columns = (by: 'self' | 'total'): TestedColumns => {
    const a = new Array<number>(count).fill(0);
    const b = new Array<number>(count).fill(0);
    const until = new Array<number>(count).fill(-1);
    for (let row = 0; row < depth.length; row++) {
      const fn = tree.function[row]!;
      if (by === 'total' && left.start[row]! < until[fn]!) continue;
      until[fn] = left.start[row]! + left.total[row]!;
      a[fn]! += left[by][row]! / sum(left);
      b[fn]! += right[by][row]! / sum(left);
    }
    const change = a.map((one, fn) => (one > 0 ? b[fn]! / one - 1 : b[fn]! > 0 ? null : 0));
    return {
      left: a,
      right: b,
      change,
      low: change.map(one => (one === null ? null : one - 0.05)),
      high: change.map(one => (one === null ? null : one + 0.05)),
      q: a.map((_, fn) => (isReal(fn) ? 0.001 : 0.6)),
    };
  };
  const one = (a: number, b: number): TestedColumns => ({
    left: [a],
    right: [b],
    change: [b / a - 1],
    low: [b / a - 1.02],
    high: [b / a - 0.98],
    q: [0.001],
  });
  const side = (values: { start: number[]; total: number[]; self: number[] }) => ({
    from: 0,
    until: 600_000,
    warnings: [],
    profiles: 60,
    limited: false,
    stats: STATS,
    instances: 3,
    seconds: 1800,
    sum: sum(values),
    ...values,
  });
  return {
    type: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
    unit: 'nanoseconds',
    functions,
    depth,
    function: tree.function,
    omittedNodes: 0,
    left: side(left),
    right: side(right),
    // What did not change is what both are measured by, so both in units of the left's sum.
    normalization: { kind: 'stable', left: 1 / sum(left), right: 1 / sum(left) },
    matching: [{ id: 'files', what: 'folders of source files', example: '/a/b.c', becomes: 'b.c' }],
    matchingOff: [],
    statistics: {
      functions,
      untested: 0,
      replicates: { left: { instances: 3, blocks: 16 }, right: { instances: 3, blocks: 16 } },
      self: columns('self'),
      total: columns('total'),
      whole: one(sum(left) / 1800, sum(right) / 1800),
      work: one(1, sum(right) / sum(left)),
      detectable: [{ share: 0.2, change: 0.08 }],
    },
  };
}
