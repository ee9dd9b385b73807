// SPDX-License-Identifier: Apache-2.0
// The flame graph on the screen: pointer, wheel and keys in, pictures out. It owns its canvas, and draws at most once a
// frame. Which row is hovered or focused are signals of its model, for the tooltip and the line below the graph.
import { effect, signal } from '@preact/signals';
import { state } from '../state/address.js';
import type { FlameModel } from '../state/flame-model.js';
import { dark } from '../state/theme.js';
import { firstEndingAfter, hit } from './graph.js';
import { levelAt, levelTop, Painter, ROW, type Scene, type Span } from './paint.js';
import { DARK, LIGHT } from './palette.js';
import { nextMatch } from './search.js';

/** Pointer in the viewport, for the tooltip. */
export const pointer = signal({ x: 0, y: 0 });

const ANIMATION = 170;
const CLICK_SLOP = 4;

export class FlameCanvas {
  private readonly painter: Painter;
  private readonly disposers: (() => void)[] = [];
  private frame = 0;
  private width = 0;
  private height = 0;
  /** What is drawn now; runs after the view's span while an animation lasts. */
  private span: Span = { lo: 0, hi: 0 };
  private animation: { from: Span; start: number } | null = null;
  private drag: { x: number; y: number; span: Span; top: number; moved: boolean } | null = null;
  private moved = false;
  /** Where the pointer rests: frames move under it when the view does. */
  private resting: MouseEvent | null = null;
  private shown: object | null = null;

  constructor(
    private readonly model: FlameModel,
    private readonly scroller: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly spacer: HTMLElement,
  ) {
    const context = canvas.getContext('2d', { alpha: true });
    if (context === null) throw new Error('this browser has no 2D canvas');
    this.painter = new Painter(context, getComputedStyle(canvas).fontFamily);

    const observer = new ResizeObserver(() => this.resize());
    observer.observe(scroller);
    this.disposers.push(() => observer.disconnect());
    this.listen();
    this.disposers.push(
      effect(() => this.follow()),
      effect(() => {
        void this.model.hover.value;
        void this.model.focus.value;
        void this.model.matches.value;
        void dark.value;
        this.request();
      }),
    );
  }

  dispose(): void {
    for (const dispose of this.disposers) dispose();
    cancelAnimationFrame(this.frame);
    this.model.hover.value = -1;
  }

  /** Moves to the next or previous match and shows it. */
  jump(step: 1 | -1): void {
    const data = this.model.drawn.peek();
    const found = this.model.matches.peek();
    if (data === null || found === null) return;
    const row = nextMatch(data.graph, found, Math.max(0, this.model.focus.peek()), step);
    if (row >= 0) this.focusRow(row);
  }

  private listen(): void {
    const on = <K extends keyof HTMLElementEventMap>(
      name: K,
      handler: (event: HTMLElementEventMap[K]) => void,
      options?: AddEventListenerOptions,
    ) => {
      this.scroller.addEventListener(name, handler, options);
      this.disposers.push(() => this.scroller.removeEventListener(name, handler));
    };
    on('pointermove', event => this.pointerMove(event));
    on('pointerleave', () => {
      this.resting = null;
      this.model.hover.value = -1;
    });
    on('pointerdown', event => {
      // The scrollbar is part of the scroller.
      if (event.button !== 0 || event.offsetX > this.width) return;
      this.drag = {
        x: event.clientX,
        y: event.clientY,
        span: this.span,
        top: this.scroller.scrollTop,
        moved: false,
      };
    });
    on('pointerup', event => this.pointerUp(event));
    on('pointercancel', () => {
      this.drag = null;
    });
    on('wheel', event => this.wheel(event), { passive: false });
    on('keydown', event => this.key(event));
    on('scroll', () => this.request(), { passive: true });
  }

  /** Takes over a new answer or a new view. */
  private follow(): void {
    const { drawn, view, moving, hover, focus } = this.model;
    const data = drawn.value;
    const { span } = view.value;
    const layout = state.value.layout;
    const graph = data?.graph ?? null;
    const fresh = this.shown !== graph;
    if (fresh) {
      this.shown = graph;
      hover.value = -1;
      const { path } = this.model.focused;
      const again = data === null || path === '' ? -1 : data.paths.find(path);
      if (again !== focus.peek()) focus.value = again;
    }
    // A hand is followed at once, and what it did is not done again when it comes from the address.
    const byHand = moving.value !== null;
    const away = Math.abs(span.lo - this.span.lo) + Math.abs(span.hi - this.span.hi);
    const moved = away > (span.hi - span.lo) * (this.moved ? 1e-6 : 0);
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (moved && !fresh && !still && this.drag === null && !byHand)
      this.animation = { from: this.span, start: performance.now() };
    else {
      this.animation = null;
      this.span = span;
    }
    this.moved = byHand;
    this.fitSpacer(layout);
    this.request();
  }

  private fitSpacer(layout: 'icicle' | 'flame'): void {
    const levels = this.model.drawn.peek()?.graph.levels ?? 0;
    const content = Math.max(levels * ROW, this.height);
    const before = this.spacer.offsetHeight + this.height;
    this.spacer.style.height = `${content - this.height}px`;
    // A flame grows upward: what is at its foot stays where it is.
    if (layout === 'flame' && before !== content) this.scroller.scrollTop = content - this.height;
  }

  private resize(): void {
    this.width = this.scroller.clientWidth;
    this.height = this.scroller.clientHeight;
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.fitSpacer(state.peek().layout);
    this.request();
  }

  private request(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(time => this.draw(time));
  }

  private draw(time: number): void {
    this.frame = 0;
    const data = this.model.drawn.peek();
    const target = this.model.view.peek();
    if (this.animation !== null) {
      const t = Math.min(1, Math.max(0, (time - this.animation.start) / ANIMATION));
      const eased = 1 - (1 - t) ** 3;
      const { from } = this.animation;
      const to = target.span;
      this.span = { lo: from.lo + (to.lo - from.lo) * eased, hi: from.hi + (to.hi - from.hi) * eased };
      if (t === 1) {
        this.animation = null;
        this.span = to;
      } else this.request();
    }
    const ratio = devicePixelRatio || 1;
    const w = Math.round(this.width * ratio);
    const h = Math.round(this.height * ratio);
    // Setting the size clears the canvas and its font even when nothing changes.
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    if (data === null) return;
    if (this.resting !== null) this.model.hover.value = this.rowAt(this.resting);
    const scene = this.scene();
    if (scene === null) return;
    const begin = performance.now();
    this.painter.draw({ ...scene, zoom: target.root });
    // For tests and the curious: how long the last picture took.
    this.canvas.dataset.drawMs = (performance.now() - begin).toFixed(2);
  }

  private scene(): Scene | null {
    const data = this.model.drawn.peek();
    if (data === null) return null;
    const { dark: night, light: day } = data.palettes ?? { dark: DARK, light: LIGHT };
    return {
      graph: data.graph,
      colours: data.colours,
      dust: data.dust ?? null,
      note: data.note ?? null,
      palette: dark.peek() ? night : day,
      matches: this.model.matches.peek(),
      span: this.span,
      zoom: this.model.view.peek().root,
      hover: this.model.hover.peek(),
      focus: this.model.focus.peek(),
      layout: state.peek().layout,
      scrollTop: this.scroller.scrollTop,
      width: this.width,
      height: this.height,
      ratio: devicePixelRatio || 1,
    };
  }

  private rowAt(event: MouseEvent): number {
    const scene = this.scene();
    if (scene === null || this.width === 0) return -1;
    const box = this.scroller.getBoundingClientRect();
    const x = event.clientX - box.left;
    if (x < 0 || x >= this.width) return -1;
    const level = levelAt(scene, event.clientY - box.top + this.scroller.scrollTop);
    return hit(scene.graph, level, this.span.lo + (x / this.width) * (this.span.hi - this.span.lo));
  }

  private pointerMove(event: PointerEvent): void {
    pointer.value = { x: event.clientX, y: event.clientY };
    const { drag } = this;
    if (drag !== null && (event.buttons & 1) === 1) {
      const dx = event.clientX - drag.x;
      const dy = event.clientY - drag.y;
      if (!drag.moved && Math.hypot(dx, dy) > CLICK_SLOP) {
        drag.moved = true;
        this.resting = null;
        this.scroller.setPointerCapture(event.pointerId);
        this.model.hover.value = -1;
      }
      if (drag.moved) {
        const by = (-dx / this.width) * (drag.span.hi - drag.span.lo);
        this.model.move({ lo: drag.span.lo + by, hi: drag.span.hi + by });
        this.scroller.scrollTop = drag.top - dy;
      }
      return;
    }
    this.resting = event;
    this.model.hover.value = this.rowAt(event);
  }

  private pointerUp(event: PointerEvent): void {
    const { drag } = this;
    this.drag = null;
    if (drag === null || drag.moved) return;
    const row = this.rowAt(event);
    if (row < 0) return;
    this.remember(row);
    this.model.zoomTo(row);
  }

  private wheel(event: WheelEvent): void {
    const scene = this.scene();
    if (scene === null) return;
    const width = this.span.hi - this.span.lo;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      event.preventDefault();
      const at = (event.clientX - this.scroller.getBoundingClientRect().left) / this.width;
      const centre = this.span.lo + at * width;
      const next = width * Math.exp(event.deltaY * 0.0025);
      this.model.move({ lo: centre - at * next, hi: centre + (1 - at) * next });
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const by = ((event.deltaX || event.deltaY) / this.width) * width;
      this.model.move({ lo: this.span.lo + by, hi: this.span.hi + by });
    }
  }

  private remember(row: number): void {
    const data = this.model.drawn.peek();
    this.model.focused.path = row < 0 || data === null ? '' : data.paths.of(row);
    this.model.focus.value = row;
  }

  /** Focuses a row and brings it into view. */
  private focusRow(row: number): void {
    const data = this.model.drawn.peek();
    const scene = this.scene();
    if (data === null || scene === null) return;
    this.remember(row);
    const { graph } = data;
    const top = levelTop(scene, graph.depth[row]!);
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top - ROW;
    else if (top + ROW > this.scroller.scrollTop + this.height)
      this.scroller.scrollTop = top + 2 * ROW - this.height;
    const start = graph.start[row]!;
    const stop = start + graph.total[row]!;
    const { span } = this.model.view.peek();
    if (stop <= span.lo || start >= span.hi) this.model.zoomTo(graph.parent[row]!, 'replace');
  }

  private key(event: KeyboardEvent): void {
    const { focus, view } = this.model;
    const data = this.model.drawn.peek();
    if (data === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const { graph } = data;
    const at = focus.peek() >= 0 ? focus.peek() : view.peek().root;
    const level = graph.depth[at]!;
    const pixel = (this.span.hi - this.span.lo) / Math.max(1, this.width);
    const deeper = state.peek().layout === 'icicle' ? 'ArrowDown' : 'ArrowUp';
    const shallower = state.peek().layout === 'icicle' ? 'ArrowUp' : 'ArrowDown';
    switch (event.key) {
      case deeper: {
        let widest = -1;
        for (let row = at + 1; row < graph.end[at]!; row = graph.end[row]!)
          if (widest < 0 || graph.total[row]! > graph.total[widest]!) widest = row;
        if (focus.peek() < 0) this.focusRow(at);
        else if (widest >= 0) this.focusRow(widest);
        break;
      }
      case shallower:
        if (graph.parent[at]! >= 0) this.focusRow(graph.parent[at]!);
        break;
      case 'ArrowRight': {
        // At least a pixel on: stepping through frames that nobody sees would look like nothing happens.
        const end = graph.start[at]! + graph.total[at]!;
        let next = firstEndingAfter(graph, level, end + pixel / 2);
        if (next < graph.levelOffset[level + 1]! && graph.levelRows[next] === at) next++;
        if (next < graph.levelOffset[level + 1]! && graph.start[graph.levelRows[next]!]! < this.span.hi)
          this.focusRow(graph.levelRows[next]!);
        break;
      }
      case 'ArrowLeft': {
        const x = graph.start[at]! - pixel / 2;
        let previous = firstEndingAfter(graph, level, x);
        const row = graph.levelRows[previous];
        if (row === undefined || graph.start[row]! >= x || row === at) previous--;
        if (previous >= graph.levelOffset[level]!) {
          const found = graph.levelRows[previous]!;
          if (graph.start[found]! + graph.total[found]! > this.span.lo) this.focusRow(found);
        }
        break;
      }
      case 'Enter':
      case ' ':
        this.model.zoomTo(at);
        break;
      case 'Backspace':
        this.model.zoomTo(graph.parent[view.peek().root]!);
        break;
      case 'Escape':
      case 'Home':
        if (view.peek().root > 0 || state.peek().span !== '') this.model.reset();
        this.remember(event.key === 'Home' ? 0 : -1);
        break;
      case '+':
      case '=':
      case '-': {
        const width = (this.span.hi - this.span.lo) * (event.key === '-' ? 1.5 : 1 / 1.5);
        const centre = graph.start[at]! + graph.total[at]! / 2;
        this.model.move({ lo: centre - width / 2, hi: centre + width / 2 });
        break;
      }
      case 'n':
      case 'N':
        this.jump(event.key === 'n' ? 1 : -1);
        break;
      default:
        return;
    }
    event.preventDefault();
  }
}
