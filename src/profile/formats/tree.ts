// SPDX-License-Identifier: Apache-2.0
// Pyroscope's serialization of a call tree: nodes in preorder, each the length of its name, the name, its own value and
// how many children it has, as unsigned varints. The root has no name. Nothing at all stands for an empty tree.
import { type FlameGraph, frameName } from '../flamegraph.js';
import { Varints } from '../varints.js';

export function toTree({ functions, depth, self, function: rows }: FlameGraph): Uint8Array {
  if (depth.length <= 1 && self[0] === 0) return new Uint8Array(0);
  const children = new Uint32Array(depth.length);
  const parents: number[] = [];
  for (let node = 0; node < depth.length; node++) {
    const level = depth[node]!;
    if (level > 0) children[parents[level - 1]!]!++;
    parents[level] = node;
  }
  const names = functions.name.map((_, row) => Buffer.from(frameName(functions, row)));
  const out = new Varints();
  for (let node = 0; node < depth.length; node++) {
    const name = node === 0 ? Buffer.alloc(0) : names[rows[node]!]!;
    out.number(name.length);
    out.bytes(name);
    out.number(self[node]!);
    out.number(children[node]!);
  }
  return out.finish();
}
