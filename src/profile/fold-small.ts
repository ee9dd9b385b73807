// SPDX-License-Identifier: Apache-2.0
// Fewer nodes: the smallest children of a node become one, 'other'.
import type { FlameGraph } from './flamegraph.js';

const OTHER = 'other';

/** The nodes with the greatest totals, about `maxNodes` of them; `start` is laid out anew, children first. */
export function foldSmall(graph: FlameGraph, maxNodes: number): FlameGraph {
  const { depth, total } = graph;
  if (depth.length <= maxNodes) return { ...graph, start: starts(depth, total) };
  const least = leastOf(total, maxNodes);
  const functions = Object.fromEntries(
    Object.entries(graph.functions).map(([key, column]) => [
      key,
      [...(column as string[]), key === 'name' ? OTHER : ''],
    ]),
  ) as unknown as FlameGraph['functions'];
  const other = functions.name.length - 1;
  const out = {
    depth: [] as number[],
    total: [] as number[],
    self: [] as number[],
    function: [] as number[],
  };
  const push = (level: number, node: { total: number; self: number; row: number }) => {
    out.depth.push(level);
    out.total.push(node.total);
    out.self.push(node.self);
    out.function.push(node.row);
  };
  /** By depth of the children: what their parent's small ones add up to. */
  const small: number[] = [];
  let omitted = graph.omittedNodes;
  const close = (level: number) => {
    // Nodes deeper than `level` have ended: what was left out of them comes last.
    for (let deep = small.length - 1; deep > level; deep--) {
      const sum = small[deep] ?? 0;
      if (sum !== 0) push(deep, { total: sum, self: sum, row: other });
    }
    small.length = Math.min(small.length, level + 1);
  };
  for (let node = 0; node < depth.length; node++) {
    const level = depth[node]!;
    close(level);
    if (level > 0 && Math.abs(total[node]!) < least) {
      small[level] = (small[level] ?? 0) + total[node]!;
      // With it goes everything below.
      do omitted++;
      while (depth[++node]! > level);
      node--;
      continue;
    }
    push(level, { total: total[node]!, self: graph.self[node]!, row: graph.function[node]! });
  }
  close(0);
  const folded = { depth: Uint16Array.from(out.depth), total: Float64Array.from(out.total) };
  return {
    sum: graph.sum,
    functions,
    ...folded,
    self: Float64Array.from(out.self),
    start: starts(folded.depth, folded.total),
    function: Uint32Array.from(out.function),
    omittedNodes: omitted,
  };
}

/** The smallest total of a node that stays: of those that are equal all go where not all can stay. */
function leastOf(total: Float64Array, maxNodes: number): number {
  const sorted = Float64Array.from(total, Math.abs).sort();
  let at = sorted.length - maxNodes;
  const largestToGo = sorted[at - 1]!;
  while (at < sorted.length && sorted[at] === largestToGo) at++;
  return sorted[at] ?? Infinity;
}

function starts(depth: Uint16Array, total: Float64Array): Float64Array {
  const start = new Float64Array(depth.length);
  const next: number[] = [0];
  for (let node = 0; node < depth.length; node++) {
    const level = depth[node]!;
    start[node] = next[level]!;
    next[level] = start[node]! + total[node]!;
    next[level + 1] = start[node]!;
  }
  return start;
}
