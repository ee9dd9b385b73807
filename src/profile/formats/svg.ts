// SPDX-License-Identifier: Apache-2.0
// A flame graph that stands alone: no script, so that it may be shown anywhere. Names, files and values are in the
// tooltips; the colour says which module a frame belongs to, grey that it has no name.
import { type FlameGraph, frameName } from '../flamegraph.js';
import { formatValue } from '../units.js';

const WIDTH = 1200;
const ROW = 17;
const MARGIN = 10;
const HEADER = 44;
/** Average width of a character of the 11 px monospace font. */
const CHARACTER = 6.7;
/** Narrower frames could not be seen. They are counted under the picture. */
const MIN_WIDTH = 0.1;
const NODES_PER_CHUNK = 1024;

function escapeXml(text: string): string {
  return (
    text
      // Control characters and lone surrogates are not allowed in XML, not even escaped.
      .replace(/[^\P{Cc}\t\n\r]|[\ufffe\uffff]|\p{Cs}/gu, '?')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}

/** Same module, same hue, in every picture; the function only moves the lightness. */
function colour(module: string, name: string, unnamed: boolean): string {
  if (unnamed) return 'hsl(0,0%,80%)';
  if (module === '[kernel.kallsyms]') return `hsl(28,85%,${66 + (hash(name) % 10)}%)`;
  return `hsl(${(40 + (hash(module) % 290)) % 360},60%,${70 + (hash(name) % 10)}%)`;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}

export interface SvgOptions {
  title: string;
  /** Unit of the sample type. */
  unit: string;
}

export function svgChunks(graph: FlameGraph, { title, unit }: SvgOptions): Generator<string> {
  const { functions, total, self } = graph;
  const whole = total[0] || 1;
  return frameChunks(graph, {
    title,
    note: formatValue(Number(graph.sum), unit),
    facts: node =>
      `total ${formatValue(total[node]!, unit)} (${((100 * total[node]!) / whole).toFixed(2)} %), self ${formatValue(self[node]!, unit)}`,
    fill: node => {
      const row = graph.function[node]!;
      return colour(functions.module[row]!, frameName(functions, row), functions.reason[row] !== '');
    },
  });
}

interface Looks {
  title: string;
  note: string;
  /** Last line of a node's tooltip. */
  facts(node: number): string;
  fill(node: number): string;
}

/** Rectangles of a tree, as wide as `total`. */
export function* frameChunks(
  graph: Omit<FlameGraph, 'sum' | 'self'>,
  { title, note: about, facts, fill }: Looks,
): Generator<string> {
  const { functions, depth, start, total } = graph;
  const scale = (WIDTH - 2 * MARGIN) / (total[0] || 1);
  let deepest = 0;
  let narrow = 0;
  for (let node = 0; node < depth.length; node++) {
    if (Math.abs(total[node]!) * scale < MIN_WIDTH) narrow++;
    else deepest = Math.max(deepest, depth[node]!);
  }
  const height = HEADER + (deepest + 1) * ROW + 30;
  const omitted = narrow + graph.omittedNodes;
  const note = `${about}${omitted > 0 ? `, ${omitted} frames too narrow to be shown` : ''}`;
  yield `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-monospace,monospace" font-size="11">
<style>text{pointer-events:none}rect{stroke:#fff;stroke-width:.5}g:hover>rect{stroke:#000;stroke-width:1}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN}" y="20" font-size="15">${escapeXml(title)}</text>
<text x="${MARGIN}" y="36" fill="#555">${escapeXml(note)}</text>
`;
  let chunk: string[] = [];
  for (let node = 0; node < depth.length; node++) {
    const width = total[node]! * scale;
    if (width < MIN_WIDTH) continue;
    const row = graph.function[node]!;
    const name = frameName(functions, row);
    const reason = functions.reason[row]!;
    const x = MARGIN + start[node]! * scale;
    const y = HEADER + depth[node]! * ROW;
    const lines = [
      name,
      [functions.module[row], functions.file[row]].filter(Boolean).join(' · '),
      reason === '' ? '' : `no name: ${reason}`,
      facts(node),
    ];
    const tip = lines.filter(Boolean).join('\n');
    const room = Math.floor((width - 6) / CHARACTER);
    const text = room < 3 ? '' : name.length <= room ? name : `${name.slice(0, room - 1)}…`;
    chunk.push(
      `<g><title>${escapeXml(tip)}</title><rect x="${x.toFixed(2)}" y="${y}" width="${width.toFixed(2)}" height="${ROW - 1}" fill="${fill(node)}"/>${
        text === '' ? '' : `<text x="${(x + 3).toFixed(2)}" y="${y + 12}">${escapeXml(text)}</text>`
      }</g>\n`,
    );
    if (chunk.length === NODES_PER_CHUNK) {
      yield chunk.join('');
      chunk = [];
    }
  }
  yield `${chunk.join('')}</svg>\n`;
}

export function toSvg(graph: FlameGraph, options: SvgOptions): string {
  return [...svgChunks(graph, options)].join('');
}
