// SPDX-License-Identifier: Apache-2.0
// What one flame graph shows: which part is in view, what is found, hovered and focused. The address holds the view by
// the path of a frame and by parts of the whole, so that it is found again in the next answer. Two graphs of the same rows
// move together: one is the measure, the other follows it.
import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { Graph, PathHashes } from '../flame/graph.js';
import { clampSpan, rootOf, type Span, spanOf } from '../flame/paint.js';
import type { Palette } from '../flame/palette.js';
import { project } from '../flame/project.js';
import { compile, findMatches, type Matches } from '../flame/search.js';
import { state, update } from './address.js';

/** A graph with what drawing needs besides. */
export interface Drawn {
  graph: Graph;
  paths: PathHashes;
  /** By row, into the palette's frames. */
  colours: Uint16Array;
  /** Other than those of kinds of code. */
  palettes?: { dark: Palette; light: Palette };
  /** Colour of frames too small to see; else it is that of the first of them. */
  dust?: number;
  /** Stands at the right of a frame's name where there is room. */
  note?: (row: number) => string;
}

export interface View {
  /** Row that is zoomed in on, 0 for the whole. */
  root: number;
  /** What is in view. */
  span: Span;
}

export const search = computed(() => {
  const { find, regex } = state.value;
  return find === '' ? null : compile(find, regex);
});

/** Until the hand has rested for so long, the address is left alone. */
const REST_MS = 150;

export class FlameModel {
  readonly hover: Signal<number>;
  readonly focus: Signal<number>;
  /** The focused frame, so that it is found again in another answer. */
  readonly focused: { path: string };
  /** What a hand moves at the moment, in units of the measure; not yet in the address. */
  readonly moving: Signal<Span | null>;
  readonly matches: ReadonlySignal<Matches | null>;
  readonly view: ReadonlySignal<View>;
  private rest: ReturnType<typeof setTimeout> | undefined;

  /** @param measure the graph of the same rows that says what is in view */
  constructor(
    readonly drawn: ReadonlySignal<Drawn | null>,
    private readonly measure: FlameModel | null = null,
  ) {
    this.hover = measure?.hover ?? signal(-1);
    this.focus = measure?.focus ?? signal(-1);
    this.focused = measure?.focused ?? { path: '' };
    this.moving = measure?.moving ?? signal(null);
    this.matches = computed(() => {
      const graph = drawn.value?.graph;
      const pattern = search.value;
      return graph === undefined || pattern === null || !pattern.ok ? null : findMatches(graph, pattern.test);
    });
    this.view = computed(() => (measure === null ? this.ownView() : this.followed(measure)));
  }

  private ownView(): View {
    const drawn = this.drawn.value;
    if (drawn === null) return { root: 0, span: { lo: 0, hi: 0 } };
    const { graph, paths } = drawn;
    const { zoom, span: part } = state.value;
    const zoomed = zoom === '' ? 0 : Math.max(0, paths.find(zoom));
    const fractions = /^(0(?:\.\d+)?)-([01](?:\.\d+)?)$/.exec(part);
    const moving = this.moving.value;
    if (fractions === null && moving === null) return { root: zoomed, span: spanOf(graph, zoomed) };
    const whole = graph.total[0] ?? 0;
    const span =
      moving ?? clampSpan(graph, { lo: Number(fractions![1]) * whole, hi: Number(fractions![2]) * whole });
    return { root: rootOf(graph, span, zoomed), span };
  }

  private followed(measure: FlameModel): View {
    const drawn = this.drawn.value;
    const from = measure.drawn.value;
    const { root, span } = measure.view.value;
    if (drawn === null || from === null) return { root: 0, span: { lo: 0, hi: 0 } };
    const { graph } = drawn;
    // Exactly a frame stays exactly that frame.
    const own = spanOf(from.graph, root);
    if (span.lo === own.lo && span.hi === own.hi) return { root, span: spanOf(graph, root) };
    return {
      root,
      span: { lo: project(from.graph, graph, span.lo), hi: project(from.graph, graph, span.hi) },
    };
  }

  /** Zooms to a row; the root is the whole. */
  zoomTo(row: number, history: 'push' | 'replace' = 'push'): void {
    const drawn = this.drawn.peek();
    if (drawn === null) return;
    this.show({ zoom: row <= 0 ? '' : drawn.paths.of(row), span: '' }, history);
  }

  reset(): void {
    this.show({ zoom: '', span: '' }, 'push');
  }

  private show(patch: { zoom?: string; span: string }, history: 'push' | 'replace'): void {
    if (this.measure !== null) {
      this.measure.show(patch, history);
      return;
    }
    clearTimeout(this.rest);
    batch(() => {
      this.moving.value = null;
      update(patch, history);
    });
  }

  /** Shows a span at once, and writes it into the address when the hand has come to rest. */
  move(wanted: Span): void {
    const drawn = this.drawn.peek();
    if (drawn === null) return;
    const span = clampSpan(drawn.graph, wanted);
    if (this.measure !== null) {
      const measure = this.measure.drawn.peek();
      if (measure === null) return;
      const to = (x: number) => project(drawn.graph, measure.graph, x);
      this.measure.move({ lo: to(span.lo), hi: to(span.hi) });
      return;
    }
    this.moving.value = span;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      const whole = drawn.graph.total[0] ?? 0;
      const all = span.hi - span.lo >= whole * (1 - 1e-9);
      const part = (x: number) => String(+Math.min(1, Math.max(0, x / whole)).toFixed(12)).replace(/e.*/, '');
      this.show(
        { span: all ? '' : `${part(span.lo)}-${part(span.hi)}`, ...(all ? { zoom: '' } : {}) },
        'replace',
      );
    }, REST_MS);
  }
}
