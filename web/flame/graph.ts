// SPDX-License-Identifier: Apache-2.0
// A call tree as columns, with the indexes that drawing, pointing and searching need. No object is made for a frame.

export interface Functions {
  name: string[];
  file: string[];
  module: string[];
  reason: string[];
  /** Of its file, when it has no name. */
  buildId: string[];
}

/** The columns as the API sends them: preorder, row 0 is the root. */
export interface Columns {
  functions: Functions;
  depth: ArrayLike<number>;
  start: ArrayLike<number>;
  total: ArrayLike<number>;
  self: ArrayLike<number>;
  function: ArrayLike<number>;
}

export interface Graph {
  readonly rows: number;
  readonly functions: Functions;
  readonly depth: Uint16Array;
  /** In units of the sample type, from the left edge of the root. */
  readonly start: Float64Array;
  readonly total: Float64Array;
  readonly self: Float64Array;
  readonly fn: Uint32Array;
  /** -1 for the root. */
  readonly parent: Int32Array;
  /** One past the last row of a row's subtree. */
  readonly end: Uint32Array;
  readonly levels: number;
  /** levels + 1 offsets into `levelRows`, whose rows are ordered by start within a level, since rows are in preorder. */
  readonly levelOffset: Uint32Array;
  readonly levelRows: Uint32Array;
  /** Right edges in the order of `levelRows`: searching them touches no other column. */
  readonly levelEnd: Float64Array;
}

/** Builds the indexes in two passes. Throws RangeError for columns that are no preorder tree. */
export function buildGraph(columns: Columns): Graph {
  const rows = columns.depth.length;
  const depth = Uint16Array.from(columns.depth);
  const fn = Uint32Array.from(columns.function);
  if ([columns.start, columns.total, columns.self, columns.function].some(c => c.length !== rows))
    throw new RangeError('flame graph columns differ in length');
  let levels = 0;
  for (let row = 0; row < rows; row++) {
    if (depth[row]! > (row === 0 ? 0 : depth[row - 1]! + 1) || (row > 0 && depth[row] === 0))
      throw new RangeError('flame graph rows are not in preorder');
    if (fn[row]! >= columns.functions.name.length)
      throw new RangeError('flame graph names an unknown function');
    if (depth[row]! >= levels) levels = depth[row]! + 1;
  }
  const parent = new Int32Array(rows);
  const end = new Uint32Array(rows);
  const levelOffset = new Uint32Array(levels + 1);
  const open = new Int32Array(levels + 1).fill(-1);
  let openTo = -1;
  for (let row = 0; row < rows; row++) {
    const d = depth[row]!;
    for (; openTo >= d; openTo--) end[open[openTo]!] = row;
    parent[row] = d === 0 ? -1 : open[d - 1]!;
    open[d] = row;
    openTo = d;
    levelOffset[d + 1]!++;
  }
  for (; openTo >= 0; openTo--) end[open[openTo]!] = rows;
  for (let d = 0; d < levels; d++) levelOffset[d + 1]! += levelOffset[d]!;
  const next = levelOffset.slice();
  const levelRows = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) levelRows[next[depth[row]!]!++] = row;
  const start = Float64Array.from(columns.start);
  const total = Float64Array.from(columns.total);
  const levelEnd = Float64Array.from(levelRows, row => start[row]! + total[row]!);
  return {
    rows,
    functions: columns.functions,
    depth,
    start,
    total,
    self: Float64Array.from(columns.self),
    fn,
    parent,
    end,
    levels,
    levelOffset,
    levelRows,
    levelEnd,
  };
}

/**
 * Position in `levelRows` of the first row of a level, at or after `from`, that ends after `x`; the level's end when
 * there is none. Doubles its steps first: when drawing, the next frame wanted is almost always near.
 */
export function firstEndingAfter(
  graph: Graph,
  level: number,
  x: number,
  from = graph.levelOffset[level]!,
): number {
  const { levelEnd } = graph;
  const stop = graph.levelOffset[level + 1]!;
  let lo = from;
  let hi = from;
  for (let step = 1; hi < stop && levelEnd[hi]! <= x; step *= 2) {
    lo = hi + 1;
    hi += step;
  }
  if (hi > stop) hi = stop;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (levelEnd[mid]! > x) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}

/** The row at a level that covers `x`, or -1. */
export function hit(graph: Graph, level: number, x: number): number {
  if (level < 0 || level >= graph.levels) return -1;
  const at = firstEndingAfter(graph, level, x);
  if (at === graph.levelOffset[level + 1]) return -1;
  const row = graph.levelRows[at]!;
  return graph.start[row]! <= x ? row : -1;
}

/** True when `row` is `ancestor` or below it. */
export function within(graph: Graph, row: number, ancestor: number): boolean {
  return row >= ancestor && row < graph.end[ancestor]!;
}

/**
 * Names a frame by the functions on its way from the root, so that it is found again in the next answer, whose rows
 * are others. Two 32-bit FNV-1a hashes over function name and module: 64 bits for at most a million paths.
 */
export class PathHashes {
  private readonly high: Uint32Array;
  private readonly low: Uint32Array;

  constructor(private readonly graph: Graph) {
    const { functions, rows, parent, fn } = graph;
    const ofFunction = functions.name.map((name, i) => fnv(`${name}\0${functions.module[i]}`, 0x811c9dc5));
    const ofFunction2 = functions.name.map((name, i) => fnv(`${functions.module[i]}\0${name}`, 0x9e3779b9));
    this.high = new Uint32Array(rows);
    this.low = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) {
      const above = parent[row]!;
      this.high[row] = Math.imul((above < 0 ? 7 : this.high[above]!) ^ ofFunction[fn[row]!]!, 0x01000193) + 1;
      this.low[row] = Math.imul((above < 0 ? 11 : this.low[above]!) ^ ofFunction2[fn[row]!]!, 0x85ebca6b) + 3;
    }
  }

  of(row: number): string {
    return hex(this.high[row]!) + hex(this.low[row]!);
  }

  /** -1 when no frame has this path. */
  find(path: string): number {
    if (!/^[0-9a-f]{16}$/.test(path)) return -1;
    const high = Number.parseInt(path.slice(0, 8), 16);
    const low = Number.parseInt(path.slice(8), 16);
    for (let row = 0; row < this.graph.rows; row++)
      if (this.high[row] === high && this.low[row] === low) return row;
    return -1;
  }
}

function hex(n: number): string {
  return n.toString(16).padStart(8, '0');
}

export function fnv(text: string, seed = 0x811c9dc5): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
