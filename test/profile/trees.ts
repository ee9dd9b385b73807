// SPDX-License-Identifier: Apache-2.0
// Call trees as columns, by hand and by chance.
import * as fc from 'fast-check';
import type { FlameGraph } from '../../src/profile/flamegraph.js';

export interface Tree {
  name: string;
  self: number;
  children: Tree[];
}

/** Columns of a tree, as the engine lays them out. */
export function columns(tree: Tree): FlameGraph {
  const names = new Map<string, number>([['total', 0]]);
  const rows: { depth: number; start: number; total: number; self: number; function: number }[] = [];
  const total = ({ self, children }: Tree): number => children.reduce((sum, one) => sum + total(one), self);
  const walk = (node: Tree, depth: number, start: number) => {
    const name = depth === 0 ? 'total' : node.name;
    if (!names.has(name)) names.set(name, names.size);
    rows.push({ depth, start, total: total(node), self: node.self, function: names.get(name)! });
    let at = start;
    for (const child of node.children) {
      walk(child, depth + 1, at);
      at += total(child);
    }
  };
  walk(tree, 0, 0);
  const list = [...names.keys()];
  return {
    sum: BigInt(total(tree)),
    functions: {
      name: list,
      file: list.map((_, row) => (row % 2 ? `/src/<${row}>&.c` : '')),
      module: list.map((_, row) => ['', 'app', '[kernel.kallsyms]'][row % 3]!),
      reason: list.map((_, row) => (row % 5 === 4 ? 'no_symbols' : '')),
      buildId: list.map(() => ''),
    },
    depth: Uint16Array.from(rows, row => row.depth),
    start: Float64Array.from(rows, row => row.start),
    total: Float64Array.from(rows, row => row.total),
    self: Float64Array.from(rows, row => row.self),
    function: Uint32Array.from(rows, row => row.function),
    omittedNodes: 0,
  };
}

const name = fc.oneof(
  fc.constantFrom('main', 'a;b', 'std::map<int, "x">::at(&)', '', 'naïve 🔥'),
  fc.string({ unit: 'binary' }),
);
const self = fc.integer({ min: 0, max: 10 ** 12 });
const treeOf: (depth: number) => fc.Arbitrary<Tree> = fc.memo(depth =>
  fc.record({
    name,
    self,
    children: depth <= 1 ? fc.constant([]) : fc.array(treeOf(depth - 1), { maxLength: 3 }),
  }),
);
export const tree = treeOf(5);
