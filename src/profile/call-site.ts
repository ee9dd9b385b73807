// SPDX-License-Identifier: Apache-2.0
// Of a call tree, the part below a call site: stacks that begin with its functions.
import { type FlameFunctions, frameName } from './flamegraph.js';

interface Tree {
  functions: FlameFunctions;
  depth: Uint16Array;
  function: Uint32Array;
}

/** Values of one side. */
export interface Side {
  sum: bigint;
  total: Float64Array;
  self: Float64Array;
}

/**
 * Rows in which stacks begin with these functions, root first: the way there, and all that is below. On the way there,
 * nodes have no value of their own, and the total of what is chosen. Functions of one name are one function.
 */
export function atCallSite(
  { functions, depth, function: rows }: Tree,
  sides: Side[],
  callSite: string[],
): { depth: Uint16Array; function: Uint32Array; sides: Side[] } {
  const kept: number[] = [];
  /** On the way to a call site: nodes of which it is not known yet whether they lead to one. */
  const way: number[] = [];
  /** Depth of the last node that matches, as the nodes before it on its path do. */
  let matched = 0;
  for (let node = 0; node < depth.length; node++) {
    const level = depth[node]!;
    if (level > callSite.length) {
      if (matched === callSite.length) kept.push(node);
      continue;
    }
    way.length = Math.min(way.length, level);
    matched = Math.min(matched, Math.max(0, level - 1));
    if (level === 0) {
      way.push(node);
      continue;
    }
    if (matched !== level - 1 || frameName(functions, rows[node]!) !== callSite[level - 1]) continue;
    matched = level;
    way[level] = node;
    if (level < callSite.length) continue;
    for (const step of way) if (step > (kept.at(-1) ?? -1)) kept.push(step);
  }
  if (kept.length === 0) kept.push(0);
  const order = Uint32Array.from(kept);
  return {
    depth: Uint16Array.from(order, node => depth[node]!),
    function: Uint32Array.from(order, node => rows[node]!),
    sides: sides.map(side => valuesAt(side, order, depth, callSite.length)),
  };
}

function valuesAt(side: Side, order: Uint32Array, depth: Uint16Array, length: number): Side {
  const total = Float64Array.from(order, node => side.total[node]!);
  const self = Float64Array.from(order, node => side.self[node]!);
  const way: number[] = [];
  for (let row = 0; row < order.length; row++) {
    const level = depth[order[row]!]!;
    if (level < length) {
      total[row] = 0;
      self[row] = 0;
      way[level] = row;
    } else if (level === length) for (const step of way.slice(0, length)) total[step]! += total[row]!;
  }
  return { sum: BigInt(total[0]!), total, self };
}
