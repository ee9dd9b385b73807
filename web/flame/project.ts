// SPDX-License-Identifier: Apache-2.0
// From a place in one graph to the same place in another that has the same rows in other widths.
import type { Graph } from './graph.js';

/** The frame at `x` and how far into it `x` is, carried over: it never runs backwards, and edges stay edges. */
export function project(from: Graph, to: Graph, x: number): number {
  let row = 0;
  descend: for (;;) {
    for (let child = row + 1; child < from.end[row]!; child = from.end[child]!) {
      if (x < from.start[child]!) break;
      if (x < from.start[child]! + from.total[child]!) {
        row = child;
        continue descend;
      }
    }
    break;
  }
  const [lo, hi] = selfPart(from, row);
  const [low, high] = selfPart(to, row);
  const part = hi > lo ? Math.min(1, Math.max(0, (x - lo) / (hi - lo))) : 0;
  return low + part * (high - low);
}

/** What of a frame is not its callees': they stand at its left. */
function selfPart(graph: Graph, row: number): [number, number] {
  let lo = graph.start[row]!;
  for (let child = row + 1; child < graph.end[row]!; child = graph.end[child]!)
    lo = graph.start[child]! + graph.total[child]!;
  return [lo, graph.start[row]! + graph.total[row]!];
}
