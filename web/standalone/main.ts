// SPDX-License-Identifier: Apache-2.0
// A flame graph in a file of its own: the columns are in the page, and nothing is loaded from anywhere.
import { formatShare } from '../../src/profile/units.js';
import { buildGraph, type Columns, hit, within } from '../flame/graph.js';
import { colourRows, looksOf } from '../flame/kind.js';
import { levelAt, Painter, ROW, type Scene, spanOf } from '../flame/paint.js';
import { DARK, LIGHT } from '../flame/palette.js';
import { compile, findMatches, type Matches, matchedTotal, nextMatch } from '../flame/search.js';
import { formatValue } from '../lib/format.js';

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

const { unit, ...columns } = JSON.parse(element('graph').textContent!) as Columns & { unit: string };
const graph = buildGraph(columns);
const colours = colourRows(graph, looksOf(graph.functions));
const [scroller, spacer, canvas] = [
  element('scroller'),
  element('spacer'),
  element<HTMLCanvasElement>('canvas'),
];
const [line, search, found] = [element('line'), element<HTMLInputElement>('search'), element('found')];
const dark = matchMedia('(prefers-color-scheme: dark)');
const painter = new Painter(canvas.getContext('2d')!, getComputedStyle(canvas).fontFamily);

let zoom = 0;
let hover = -1;
let focus = -1;
let matches: Matches | null = null;
let frame = 0;

function scene(): Scene {
  return {
    ...{ graph, colours, matches, zoom, hover, focus, layout: 'icicle' },
    palette: dark.matches ? DARK : LIGHT,
    span: spanOf(graph, zoom),
    scrollTop: scroller.scrollTop,
    width: scroller.clientWidth,
    height: scroller.clientHeight,
    ratio: devicePixelRatio || 1,
  };
}

function draw(): void {
  frame = 0;
  const { width, height, ratio } = scene();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  painter.draw(scene());
}

function request(): void {
  if (frame === 0) frame = requestAnimationFrame(draw);
}

function describe(row: number): string {
  const { name, module, file, reason } = graph.functions;
  const fn = graph.fn[row]!;
  const share = (value: number) => `${formatValue(value, unit)} (${formatShare(value, graph.total[0]!)})`;
  return [
    name[fn],
    [module[fn], file[fn]].filter(Boolean).join(' · '),
    reason[fn] === '' ? '' : `no name: ${reason[fn]}`,
    `total ${share(graph.total[row]!)}, self ${share(graph.self[row]!)}`,
  ]
    .filter(Boolean)
    .join(' — ');
}

function tell(): void {
  const row = hover >= 0 ? hover : focus >= 0 ? focus : zoom;
  line.textContent = describe(row);
  found.textContent =
    matches === null
      ? ''
      : `${matches.frames} frames, ${formatShare(matchedTotal(graph, matches, zoom), graph.total[zoom]!)}`;
  document.body.dataset.zoom = String(zoom);
}

function zoomTo(row: number): void {
  zoom = Math.max(0, row);
  focus = row;
  tell();
  request();
}

function rowAt(event: MouseEvent): number {
  const box = scroller.getBoundingClientRect();
  const at = scene();
  const share = (event.clientX - box.left) / at.width;
  if (share < 0 || share >= 1) return -1;
  const level = levelAt(at, event.clientY - box.top + at.scrollTop);
  return hit(graph, level, at.span.lo + share * (at.span.hi - at.span.lo));
}

/** A plain text, or an expression between slashes. */
function find(): void {
  const text = search.value;
  const expression = /^\/(.+)\/$/.exec(text);
  const pattern = text === '' ? null : compile(expression?.[1] ?? text, expression !== null);
  search.classList.toggle('bad', pattern !== null && !pattern.ok);
  matches = pattern?.ok ? findMatches(graph, pattern.test) : null;
  tell();
  request();
}

function jump(step: 1 | -1): void {
  if (matches === null) return;
  const row = nextMatch(graph, matches, Math.max(0, focus), step);
  if (row < 0) return;
  if (!within(graph, row, zoom)) zoom = 0;
  focus = row;
  const top = graph.depth[row]! * ROW;
  if (top < scroller.scrollTop || top + ROW > scroller.scrollTop + scroller.clientHeight)
    scroller.scrollTop = top - ROW;
  tell();
  request();
}

scroller.addEventListener('pointermove', event => {
  hover = rowAt(event);
  tell();
  request();
});
scroller.addEventListener('pointerleave', () => {
  hover = -1;
  tell();
  request();
});
scroller.addEventListener('click', event => {
  const row = rowAt(event);
  if (row >= 0) zoomTo(row);
});
scroller.addEventListener('scroll', request, { passive: true });
search.addEventListener('input', find);
document.addEventListener('keydown', event => {
  const typing = event.target === search;
  if (event.key === 'Enter' && typing) jump(event.shiftKey ? -1 : 1);
  else if (event.key === 'Escape' && typing) {
    search.value = '';
    find();
    search.blur();
  } else if (event.key === 'Escape') zoomTo(0);
  else if (event.key === 'Backspace' && !typing) zoomTo(graph.parent[zoom]!);
  else if ((event.key === '/' || (event.key === 'f' && event.ctrlKey)) && !typing) search.focus();
  else return;
  event.preventDefault();
});
new ResizeObserver(() => {
  spacer.style.height = `${Math.max(0, graph.levels * ROW - scroller.clientHeight)}px`;
  request();
}).observe(scroller);
dark.addEventListener('change', request);
tell();
