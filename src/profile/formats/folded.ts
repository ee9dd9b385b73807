// SPDX-License-Identifier: Apache-2.0
// One stack a line, root first, frames separated by semicolons, then a space and the value: what flamegraph.pl and
// most other tools read.
import { type FlameGraph, frameName, stacks } from '../flamegraph.js';

const LINES_PER_CHUNK = 1024;

/** In pieces of some thousand frames, for writers that must not hold up a thread. */
export function* foldedChunks(graph: FlameGraph): Generator<string> {
  // Separators inside a name would be taken for structure.
  const names = graph.functions.name.map((_, row) =>
    frameName(graph.functions, row).replaceAll(';', ':').replace(/\s+/g, ' '),
  );
  let lines: string[] = [];
  for (const { path, self } of stacks(graph)) {
    const frames = path.length === 0 ? '[no stack]' : path.map(row => names[row]).join(';');
    lines.push(`${frames} ${self}\n`);
    if (lines.length === LINES_PER_CHUNK) {
      yield lines.join('');
      lines = [];
    }
  }
  yield lines.join('');
}

/** The values are in units of the sample type; their sum is the graph's. */
export function toFolded(graph: FlameGraph): string {
  return [...foldedChunks(graph)].join('');
}
