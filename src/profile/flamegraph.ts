// SPDX-License-Identifier: Apache-2.0
// A call tree in preorder as columns: what the engine gives, what the page draws and what the formats write.

export interface FlameFunctions {
  name: string[];
  /** Source file, '' when unknown. */
  file: string[];
  /** Base name of the mapping, '' when there is none. */
  module: string[];
  /** Why it has no name, '' when it has one. */
  reason: string[];
  /** Of its file, when it has no name; '' when it has one, or the file has none. */
  buildId: string[];
}

/** Row 0 is the root. `start`, `total` and `self` are in units of the sample type. */
export interface FlameGraph {
  /** Sum of all values, exact. */
  sum: bigint;
  functions: FlameFunctions;
  depth: Uint16Array;
  start: Float64Array;
  total: Float64Array;
  self: Float64Array;
  /** Row of `functions`. */
  function: Uint32Array;
  omittedNodes: number;
}

/** What to call a function where only one text fits. */
export function frameName({ name, module }: FlameFunctions, row: number): string {
  return name[row] || (module[row] ? `[${module[row]}]` : '[unknown]');
}

/** A path of `functions` rows, root's child first, and what was seen exactly there. `path` is used again: copy it. */
export interface Stack {
  path: number[];
  self: number;
}

/** Every stack with a value of its own, in order of the tree. The root itself is the empty path. */
export function* stacks(graph: FlameGraph): Generator<Stack> {
  const path: number[] = [];
  for (let node = 0; node < graph.depth.length; node++) {
    const depth = graph.depth[node]!;
    if (depth > 0) {
      path.length = depth - 1;
      path.push(graph.function[node]!);
    }
    const self = graph.self[node]!;
    if (self !== 0) yield { path, self };
  }
}
