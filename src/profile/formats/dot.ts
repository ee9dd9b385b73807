// SPDX-License-Identifier: Apache-2.0
// Graphviz: who calls whom, and what it costs. A function is one node, however many stacks it is in.
import { type FlameGraph, frameName } from '../flamegraph.js';
import { formatShare, formatValue } from '../units.js';

export interface DotOptions {
  title: string;
  /** Of the sample type. */
  unit: string;
  /** The functions with the greatest totals. */
  maxNodes: number;
}

/** In quotes; Graphviz takes a backslash for its own. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/[\r\n]+/g, ' ')}"`;
}

/** '' where there is nothing to draw. */
export function toDot(graph: FlameGraph, { title, unit, maxNodes }: DotOptions): string {
  const { functions, depth, total, self, function: rows } = graph;
  if (depth.length <= 1) return '';
  const own = new Float64Array(functions.name.length);
  const whole = new Float64Array(functions.name.length);
  const edges = new Map<number, number>();
  const path: number[] = [];
  for (let node = 1; node < depth.length; node++) {
    path.length = depth[node]! - 1;
    const row = rows[node]!;
    own[row]! += self[node]!;
    // In a stack in which it recurs, its total is that of the outermost.
    if (!path.includes(row)) whole[row]! += total[node]!;
    const caller = path.at(-1);
    if (caller !== undefined) {
      const edge = caller * functions.name.length + row;
      edges.set(edge, (edges.get(edge) ?? 0) + total[node]!);
    }
    path.push(row);
  }
  const shown = [...whole.keys()]
    .filter(row => whole[row] !== 0)
    .sort((a, b) => whole[b]! - whole[a]! || a - b)
    .slice(0, maxNodes);
  const ids = new Map(shown.map((row, index) => [row, index]));
  const sum = Number(graph.sum);
  const share = (value: number) => `${formatValue(value, unit)} (${formatShare(value, sum)})`;
  const lines = shown.map((row, index) => {
    const [flat, cum] = [own[row]!, whole[row]!];
    const label = `${quoted(frameName(functions, row)).slice(0, -1)}\\n${share(flat)}${
      flat === cum ? '' : `\\nof ${share(cum)}`
    }"`;
    const size = 8 + Math.round(32 * Math.sqrt(Math.max(0, flat) / Math.max(1, sum)));
    return `N${index} [label=${label} fontsize=${size} tooltip=${quoted(`${frameName(functions, row)} (${formatValue(cum, unit)})`)}]`;
  });
  for (const [edge, value] of edges) {
    const from = ids.get(Math.floor(edge / functions.name.length));
    const to = ids.get(edge % functions.name.length);
    if (from === undefined || to === undefined) continue;
    const width = 1 + Math.round((5 * Math.max(0, value)) / Math.max(1, sum));
    lines.push(`N${from} -> N${to} [label=${quoted(formatValue(value, unit))} penwidth=${width}]`);
  }
  return `digraph ${quoted(title)} {\nnode [shape=box style=filled fillcolor="#f8f8f8"]\n${lines.join('\n')}\n}\n`;
}
