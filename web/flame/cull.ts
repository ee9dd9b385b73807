// SPDX-License-Identifier: Apache-2.0
// What of one level is visible: frames of a pixel and more, and for each pixel the run of those below.
import { firstEndingAfter, type Graph } from './graph.js';

/** Rectangles of one level in device pixels. Reused from level to level and from picture to picture. */
export class Rectangles {
  count = 0;
  /** First position in `levelRows`; a run covers `position` up to `until`. */
  position = new Uint32Array(1024);
  until = new Uint32Array(1024);
  x = new Float32Array(1024);
  width = new Float32Array(1024);

  push(position: number, until: number, x: number, width: number): void {
    if (this.count === this.x.length) this.grow();
    this.position[this.count] = position;
    this.until[this.count] = until;
    this.x[this.count] = x;
    this.width[this.count] = width;
    this.count++;
  }

  private grow(): void {
    const double = <T extends Uint32Array | Float32Array>(old: T): T => {
      const bigger = new (old.constructor as new (n: number) => T)(old.length * 2);
      bigger.set(old);
      return bigger;
    };
    this.position = double(this.position);
    this.until = double(this.until);
    this.x = double(this.x);
    this.width = double(this.width);
  }
}

/**
 * Lays one level of [lo, hi) out over `pixels`. Frames below a pixel are not walked: the search jumps to the first
 * frame that ends past the pixel, so a level costs at most `pixels` × log(frames), however many frames it has.
 */
export function cullLevel(
  graph: Graph,
  level: number,
  lo: number,
  hi: number,
  pixels: number,
  out: Rectangles,
): void {
  out.count = 0;
  const { levelRows, levelEnd, start } = graph;
  const stop = graph.levelOffset[level + 1]!;
  const scale = pixels / (hi - lo);
  let at = firstEndingAfter(graph, level, lo);
  while (at < stop) {
    const row = levelRows[at]!;
    const begin = start[row]!;
    if (begin >= hi) break;
    const x0 = Math.max(0, (begin - lo) * scale);
    const x1 = Math.min(pixels, (levelEnd[at]! - lo) * scale);
    if (x1 - x0 >= 1) {
      out.push(at, at + 1, x0, x1 - x0);
      at++;
      continue;
    }
    const pixel = Math.floor(x0);
    const next = Math.max(at + 1, firstEndingAfter(graph, level, lo + (pixel + 1) / scale, at + 1));
    out.push(at, next, pixel, 1);
    at = next;
  }
}
