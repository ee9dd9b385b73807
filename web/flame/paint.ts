// SPDX-License-Identifier: Apache-2.0
// Draws the visible part of a graph on a canvas. Nothing here knows of the DOM beyond the 2D context.
import { cullLevel, Rectangles } from './cull.js';
import { type Graph, within } from './graph.js';
import { Labels, TextMeasure } from './label.js';
import type { Palette } from './palette.js';
import type { Matches } from './search.js';

/** Height of a frame in CSS pixels. */
export const ROW = 18;
const FONT_SIZE = 11.5;
const PADDING = 4;
/** CSS pixels below which no label is tried. */
const MIN_LABEL = 22;

/** CSS pixels that a name keeps beside a note. */
const MIN_NOTED = 40;

/** Device pixels of frames too small to see that are drawn as one. */
const DUST = 3;

/** What of the graph is in view, in units of the sample type. */
export interface Span {
  lo: number;
  hi: number;
}

export interface Scene {
  graph: Graph;
  /** By row, into the palette's frames. */
  colours: Uint16Array;
  /** Colour of frames too small to see; null for that of the first of them. */
  dust?: number | null;
  /** Stands at the right of a frame's name where there is room. */
  note?: ((row: number) => string) | null;
  palette: Palette;
  matches: Matches | null;
  span: Span;
  /** Row that is zoomed in on: its ancestors are veiled. */
  zoom: number;
  hover: number;
  focus: number;
  layout: 'icicle' | 'flame';
  /** CSS pixels. */
  scrollTop: number;
  width: number;
  height: number;
  ratio: number;
}

/** Top edge of a level in CSS pixels of the whole picture. */
export function levelTop(scene: Pick<Scene, 'graph' | 'layout' | 'height'>, level: number): number {
  if (scene.layout === 'icicle') return level * ROW;
  return Math.max(scene.graph.levels * ROW, scene.height) - (level + 1) * ROW;
}

/** The level at a height of the whole picture; may lie outside the graph. */
export function levelAt(scene: Pick<Scene, 'graph' | 'layout' | 'height'>, y: number): number {
  if (scene.layout === 'icicle') return Math.floor(y / ROW);
  return Math.floor((Math.max(scene.graph.levels * ROW, scene.height) - y) / ROW);
}

/** Grows but never shrinks, so a picture allocates nothing once it has been drawn. */
class Batches {
  /** x, y, width per rectangle, by colour. */
  private readonly lists: Float32Array[] = [];
  private readonly counts: number[] = [];
  private readonly used: number[] = [];

  add(colour: number, x: number, y: number, width: number): void {
    let list = this.lists[colour];
    let n = this.counts[colour] ?? 0;
    if (list === undefined || n + 3 > list.length) {
      const bigger = new Float32Array((list?.length ?? 96) * 2);
      if (list !== undefined) bigger.set(list);
      this.lists[colour] = list = bigger;
    }
    if (n === 0) this.used.push(colour);
    list[n++] = x;
    list[n++] = y;
    list[n++] = width;
    this.counts[colour] = n;
  }

  flush(each: (colour: number, list: Float32Array, length: number) => void): void {
    for (const colour of this.used) {
      each(colour, this.lists[colour]!, this.counts[colour]!);
      this.counts[colour] = 0;
    }
    this.used.length = 0;
  }
}

export class Painter {
  private readonly rectangles = new Rectangles();
  private readonly batches = new Batches();
  private measure: TextMeasure | null = null;
  private font = '';
  private labels: { names: string[]; labels: Labels } | null = null;

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private readonly family: string,
  ) {}

  /** Draws one picture. The canvas has width × ratio by height × ratio pixels. */
  draw(scene: Scene): void {
    const { context } = this;
    const { graph, ratio, palette, matches, span } = scene;
    const pixels = Math.round(scene.width * ratio);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, pixels, Math.round(scene.height * ratio));
    if (span.hi <= span.lo || pixels === 0) return;
    const labels = this.labelsFor(scene);
    const rowPixels = Math.round(ROW * ratio);
    const gap = Math.max(1, Math.round(ratio));
    const text: { x: number; y: number; width: number; row: number; matched: boolean }[] = [];
    const first = Math.min(levelAt(scene, scene.scrollTop), levelAt(scene, scene.scrollTop + scene.height));
    const last = Math.max(levelAt(scene, scene.scrollTop), levelAt(scene, scene.scrollTop + scene.height));
    // Colours by number: frames, the same faded, then the two of matches.
    const shades = palette.frame.length;
    const colours = [...palette.frame, ...palette.faded, palette.match, palette.someMatch];

    for (let level = Math.max(0, first); level <= Math.min(graph.levels - 1, last); level++) {
      const y = Math.round((levelTop(scene, level) - scene.scrollTop) * ratio);
      cullLevel(graph, level, span.lo, span.hi, pixels, this.rectangles);
      const { count, position, until, x, width } = this.rectangles;
      let rank = -1;
      let colour = 0;
      let begin = 0;
      let end = 0;
      const flushRun = () => {
        if (rank >= 0) this.batches.add(colour, begin, y, end - begin);
        rank = -1;
      };
      for (let i = 0; i < count; i++) {
        const from = position[i]!;
        const row = graph.levelRows[from]!;
        const fn = graph.fn[row]!;
        const isRun = width[i]! <= 1 && until[i]! - from > 1;
        const base = isRun ? (scene.dust ?? scene.colours[row]!) : scene.colours[row]!;
        const part = matches === null ? 0 : matches.prefix[until[i]!]! - matches.prefix[from]!;
        // Rounding both edges, not the width, keeps neighbours from overlapping or leaving holes.
        const x0 = Math.round(x[i]!);
        const x1 = Math.max(x0 + 1, Math.round(x[i]! + width[i]!));
        if (!isRun) {
          flushRun();
          const w = x1 - x0 > 3 * gap ? x1 - x0 - gap : x1 - x0;
          const matched = matches !== null && matches.functions[fn] === 1 && row !== 0;
          this.batches.add(matched ? 2 * shades : matches === null ? base : shades + base, x0, y, w);
          if (w >= MIN_LABEL * ratio) text.push({ x: x0, y, width: w, row, matched });
          continue;
        }
        // Many frames in one pixel: the colour of a match in full only if most of what is there matches, or a search
        // for a few small frames would look as if everything matched.
        const next = part === 0 ? 0 : part > 0.5 * runTotal(graph, from, until[i]!) ? 2 : 1;
        // Dust has no colour that anyone could read: a few pixels of it make one rectangle.
        if (rank !== next || end !== x0 || (next === 0 && x1 - begin > DUST)) {
          flushRun();
          rank = next;
          colour = next > 0 ? 2 * shades + 2 - next : matches === null ? base : shades + base;
          begin = x0;
        }
        end = x1;
      }
      flushRun();
    }
    this.batches.flush((colour, list, length) => {
      context.fillStyle = colours[colour]!;
      for (let i = 0; i < length; i += 3)
        context.fillRect(list[i]!, list[i + 1]!, list[i + 2]!, rowPixels - gap);
    });

    context.font = this.font;
    context.textBaseline = 'middle';
    // One pass per colour: a change of fillStyle costs more than a look at a flag.
    for (const matched of [false, true]) {
      if (matched && matches === null) continue;
      context.fillStyle = matched ? palette.matchText : matches !== null ? palette.fadedText : palette.text;
      for (const t of text) {
        if (t.matched !== matched) continue;
        const y = t.y + (rowPixels - gap) / 2 + 0.5 * ratio;
        let room = t.width - 2 * PADDING * ratio;
        const note = scene.note?.(t.row) ?? '';
        if (note !== '') {
          const wide = labels.width(note);
          if (room > wide + MIN_NOTED * ratio) {
            context.fillText(note, t.x + t.width - PADDING * ratio - wide, y);
            room -= wide + 2 * PADDING * ratio;
          }
        }
        const label = labels.fit(graph.fn[t.row]!, room);
        if (label !== '') context.fillText(label, t.x + PADDING * ratio, y);
      }
    }
    this.veil(scene, rowPixels, gap);
    this.outline(scene, scene.hover, palette.hover, ratio);
    this.outline(scene, scene.focus, palette.focus, 2 * ratio);
  }

  /** Ancestors of the zoomed frame show where one is, not what is measured: their width is not to scale any more. */
  private veil(scene: Scene, rowPixels: number, gap: number): void {
    const { context } = this;
    context.fillStyle = scene.palette.veil;
    for (let row = scene.graph.parent[scene.zoom] ?? -1; row >= 0; row = scene.graph.parent[row]!) {
      const y = Math.round((levelTop(scene, scene.graph.depth[row]!) - scene.scrollTop) * scene.ratio);
      context.fillRect(0, y, Math.round(scene.width * scene.ratio), rowPixels - gap);
    }
  }

  private outline(scene: Scene, row: number, colour: string, thickness: number): void {
    if (row < 0 || row >= scene.graph.rows) return;
    const { graph, span, ratio } = scene;
    const scale = (scene.width * ratio) / (span.hi - span.lo);
    const x0 = Math.max(0, (graph.start[row]! - span.lo) * scale);
    const x1 = Math.min(scene.width * ratio, (graph.start[row]! + graph.total[row]! - span.lo) * scale);
    if (x1 < 0 || x0 > scene.width * ratio) return;
    const y = Math.round((levelTop(scene, graph.depth[row]!) - scene.scrollTop) * ratio);
    this.context.strokeStyle = colour;
    this.context.lineWidth = thickness;
    const inset = thickness / 2;
    this.context.strokeRect(
      Math.round(x0) + inset,
      y + inset,
      Math.max(thickness, Math.round(x1 - x0) - 2 * inset - ratio),
      Math.round(ROW * ratio) - 2 * inset - ratio,
    );
  }

  private labelsFor(scene: Scene): Labels {
    const font = `${FONT_SIZE * scene.ratio}px ${this.family}`;
    if (font !== this.font || this.measure === null) {
      this.font = font;
      this.context.font = font;
      this.measure = new TextMeasure(t => this.context.measureText(t).width);
      this.labels = null;
    }
    const names = scene.graph.functions.name;
    if (this.labels?.names !== names) this.labels = { names, labels: new Labels(names, this.measure) };
    return this.labels.labels;
  }
}

/** Width of a run in units of the sample type: its frames stand in order, and gaps between them are not theirs. */
function runTotal(graph: Graph, from: number, until: number): number {
  // At most a pixel's worth of frames matters; a few hundred are enough to tell which way it goes.
  const stop = Math.min(until, from + 256);
  let sum = 0;
  for (let i = from; i < stop; i++) sum += graph.total[graph.levelRows[i]!]!;
  return (sum * (until - from)) / (stop - from);
}

/** The span of a row; the whole for -1. */
export function spanOf(graph: Graph, row: number): Span {
  if (row < 0) return { lo: 0, hi: graph.total[0] ?? 0 };
  return { lo: graph.start[row]!, hi: graph.start[row]! + graph.total[row]! };
}

/** Keeps a span inside the whole, and wide enough that doubles still tell its pixels apart. */
export function clampSpan(graph: Graph, span: Span): Span {
  const whole = graph.total[0] ?? 0;
  const width = Math.min(whole, Math.max(span.hi - span.lo, whole * 1e-9, Number.MIN_VALUE));
  const lo = Math.min(Math.max(0, span.lo), whole - width);
  return { lo, hi: lo + width };
}

/** The deepest row that covers a whole span: what the view is zoomed in on. */
export function rootOf(graph: Graph, span: Span, preferred: number): number {
  const covers = (row: number) => {
    // A rounding error of the last digit must not turn a frame's own span into its parent's.
    const slack = (span.hi - span.lo) * 1e-6;
    return graph.start[row]! <= span.lo + slack && graph.start[row]! + graph.total[row]! >= span.hi - slack;
  };
  if (preferred >= 0 && within(graph, preferred, 0) && covers(preferred)) return preferred;
  return 0;
}
