// SPDX-License-Identifier: Apache-2.0
// Laws of the flame graph's layout: what is drawn, what the pointer finds, and what a search counts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cullLevel, Rectangles } from '../../web/flame/cull.js';
import { buildGraph, firstEndingAfter, type Graph, hit, PathHashes, within } from '../../web/flame/graph.js';
import { clampSpan, rootOf, spanOf } from '../../web/flame/paint.js';
import { compile, findMatches, matchedTotal, nextMatch, tableUnder } from '../../web/flame/search.js';
import { sortedRows } from '../../web/lib/rows.js';
import { bigTree, random, type Tree, treeOf, windowOf } from './fixture-data.js';

/** A random tree whose functions recur on their own stacks; self time lies at the right of the children. */
function randomTree(seed: number, nodes: number, functions: number): Tree {
  const rng = random(seed);
  const names = Array.from({ length: functions }, (_, i) => (i === 0 ? 'total' : `f${i}`));
  const tree: Tree = {
    sum: 1000,
    functions: {
      name: names,
      file: names.map(() => ''),
      module: names.map((_, i) => `m${i % 3}`),
      reason: names.map(() => ''),
      buildId: names.map(() => ''),
    },
    depth: [],
    start: [],
    total: [],
    self: [],
    function: [],
  };
  const visit = (depth: number, start: number, total: number) => {
    const row = tree.depth.push(depth) - 1;
    tree.start.push(start);
    tree.total.push(total);
    tree.self.push(total);
    tree.function.push(depth === 0 ? 0 : 1 + Math.floor(rng() * (functions - 1)));
    let at = start;
    while (tree.depth.length < nodes && rng() < (depth < 3 ? 0.97 : 0.7) && depth < 40) {
      const width = (total - (at - start)) * rng();
      if (width < 1e-4) break;
      visit(depth + 1, at, width);
      tree.self[row]! -= width;
      at += width;
    }
  };
  visit(0, 0, tree.sum);
  return tree;
}

const trees = fc
  .record({
    seed: fc.nat(),
    nodes: fc.integer({ min: 1, max: 400 }),
    functions: fc.integer({ min: 2, max: 12 }),
  })
  .map(({ seed, nodes, functions }) => buildGraph(randomTree(seed, nodes, functions)));

/** By looking at every row. */
function slowHit(graph: Graph, level: number, x: number): number {
  for (let row = 0; row < graph.rows; row++)
    if (graph.depth[row] === level && graph.start[row]! <= x && x < graph.start[row]! + graph.total[row]!)
      return row;
  return -1;
}

describe('graph', () => {
  it('knows parents and the ends of subtrees', () => {
    fc.assert(
      fc.property(trees, graph => {
        const wrong: number[] = [];
        for (let row = 1; row < graph.rows; row++) {
          const above = graph.parent[row]!;
          const end = graph.end[row]!;
          const parentIsAbove = above >= 0 && graph.depth[above]! === graph.depth[row]! - 1;
          const subtreeEnds = end >= graph.rows || graph.depth[end]! <= graph.depth[row]!;
          const allBelow = graph.depth.subarray(row + 1, end).every(depth => depth > graph.depth[row]!);
          if (!parentIsAbove || !within(graph, row, above) || !subtreeEnds || !allBelow) wrong.push(row);
        }
        expect(wrong).toEqual([]);
        expect([graph.parent[0], graph.end[0]]).toEqual([-1, graph.rows]);
      }),
    );
  });

  it('refuses columns that are no tree', () => {
    const tree = randomTree(1, 20, 4);
    expect(() => buildGraph({ ...tree, depth: tree.depth.map((d, i) => (i === 2 ? d + 5 : d)) })).toThrow(
      RangeError,
    );
    expect(() => buildGraph({ ...tree, depth: tree.depth.map(() => 0) })).toThrow(RangeError);
    expect(() => buildGraph({ ...tree, start: tree.start.slice(1) })).toThrow(RangeError);
    expect(() => buildGraph({ ...tree, function: tree.function.map(() => 99) })).toThrow(RangeError);
  });

  it('finds what the pointer is on as looking at every frame would', () => {
    fc.assert(
      fc.property(trees, fc.double({ min: 0, max: 999.999, noNaN: true }), fc.nat(45), (graph, x, level) => {
        expect(hit(graph, level, x)).toBe(slowHit(graph, level, x));
      }),
    );
  });

  it('finds a frame again by its path in another answer', () => {
    const start = 1_700_000_000_000 - (1_700_000_000_000 % 10_000);
    const one = buildGraph(treeOf(windowOf(start)));
    const more = buildGraph(
      treeOf([...windowOf(start), ...windowOf(start + 10_000), ...windowOf(start + 20_000)].reverse()),
    );
    const from = new PathHashes(one);
    const to = new PathHashes(more);
    const path = (graph: Graph, row: number): string[] =>
      row < 0 ? [] : [...path(graph, graph.parent[row]!), graph.functions.name[graph.fn[row]!]!];
    expect(one.rows).toBeGreaterThan(100);
    const seen = new Set<string>();
    for (let row = 0; row < one.rows; row++) {
      seen.add(from.of(row));
      expect(path(more, to.find(from.of(row)))).toEqual(path(one, row));
    }
    expect(seen.size).toBe(one.rows);
    expect(to.find('0123456789abcdef')).toBe(-1);
    expect(to.find('no hash')).toBe(-1);
  });
});

describe('culling', () => {
  it('covers every pixel that a frame is in, with the frame where it is wide enough', () => {
    const out = new Rectangles();
    const span = fc.tuple(
      fc.double({ min: 0, max: 0.98, noNaN: true }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(trees, span, fc.integer({ min: 1, max: 300 }), (graph, [from, width], pixels) => {
        const lo = from * 1000;
        const hi = Math.min(1000, lo + width * 1000);
        const scale = pixels / (hi - lo);
        for (let level = 0; level < graph.levels; level++) {
          cullLevel(graph, level, lo, hi, pixels, out);
          expect(out.count).toBeLessThanOrEqual(2 * pixels + 2);
          const drawn = new Set<number>();
          for (let i = 0; i < out.count; i++) {
            expect(out.x[i]!).toBeGreaterThanOrEqual(0);
            expect(out.x[i]! + out.width[i]!).toBeLessThanOrEqual(pixels + 0.01);
            if (i > 0) expect(out.position[i]!).toBeGreaterThanOrEqual(out.until[i - 1]!);
            for (let at = out.position[i]!; at < out.until[i]!; at++) drawn.add(graph.levelRows[at]!);
          }
          for (let at = graph.levelOffset[level]!; at < graph.levelOffset[level + 1]!; at++) {
            const row = graph.levelRows[at]!;
            const begin = graph.start[row]!;
            const end = begin + graph.total[row]!;
            if (end > lo && begin < hi && end > begin) expect(drawn.has(row)).toBe(true);
            // A frame of two pixels and more is always drawn by itself.
            if ((Math.min(end, hi) - Math.max(begin, lo)) * scale >= 2) {
              const i = Array.from({ length: out.count }, (_, k) => k).find(k => out.position[k] === at)!;
              expect(out.until[i]! - out.position[i]!).toBe(1);
              expect(out.width[i]!).toBeGreaterThan(1.99);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('does not walk frames that share a pixel', () => {
    const graph = buildGraph(bigTree(200_000));
    const widest = Math.max(
      ...Array.from({ length: graph.levels }, (_, l) => graph.levelOffset[l + 1]! - graph.levelOffset[l]!),
    );
    expect(widest).toBeGreaterThan(5_000);
    const out = new Rectangles();
    const { lo, hi } = spanOf(graph, 0);
    let rectangles = 0;
    for (let level = 0; level < graph.levels; level++) {
      cullLevel(graph, level, lo, hi, 1000, out);
      expect(out.count).toBeLessThanOrEqual(2 * 1000);
      rectangles += out.count;
    }
    expect(rectangles).toBeLessThan(graph.rows / 4);
  });

  it('starts at the first frame in view', () => {
    const graph = buildGraph(bigTree(5_000));
    for (let level = 0; level < graph.levels; level++) {
      const at = firstEndingAfter(graph, level, 2e9);
      if (at > graph.levelOffset[level]!) {
        const before = graph.levelRows[at - 1]!;
        expect(graph.start[before]! + graph.total[before]!).toBeLessThanOrEqual(2e9);
      }
    }
  });
});

describe('view', () => {
  it('stays inside the whole', () => {
    fc.assert(
      fc.property(
        trees,
        fc.double({ min: -2e3, max: 2e3, noNaN: true }),
        fc.double({ min: 0, max: 4e3, noNaN: true }),
        (graph, lo, width) => {
          const span = clampSpan(graph, { lo, hi: lo + width });
          expect(span.lo).toBeGreaterThanOrEqual(0);
          expect(span.hi).toBeLessThanOrEqual(1000 * (1 + 1e-12));
          expect(span.hi).toBeGreaterThan(span.lo);
        },
      ),
    );
  });

  it('is zoomed in on a frame only while the frame covers it', () => {
    const graph = buildGraph(randomTree(3, 200, 8));
    const row = 1;
    expect(rootOf(graph, spanOf(graph, row), row)).toBe(row);
    expect(rootOf(graph, spanOf(graph, 0), row)).toBe(0);
  });
});

describe('search', () => {
  it('counts a match inside a match once', () => {
    fc.assert(
      fc.property(trees, fc.nat(), (graph, pick) => {
        const root = pick % graph.rows;
        const pattern = compile('f[1-3]$', true);
        if (!pattern.ok) throw new Error(pattern.reason);
        const found = findMatches(graph, pattern.test);
        // By definition: the self time of every frame under the root that has a match on its stack, the root's included.
        let expected = 0;
        for (let row = root; row < graph.end[root]!; row++) {
          for (let up = row; up >= root; up = graph.parent[up]!) {
            if (up !== 0 && found.functions[graph.fn[up]!] === 1) {
              expected += graph.self[row]!;
              break;
            }
          }
        }
        expect(matchedTotal(graph, found, root)).toBeCloseTo(expected, 6);
        expect(matchedTotal(graph, found)).toBeLessThanOrEqual(graph.total[0]! * (1 + 1e-9));
      }),
    );
  });

  it('never matches the root, and counts frames', () => {
    const graph = buildGraph(randomTree(5, 100, 6));
    const all = findMatches(graph, () => true);
    expect(all.frames).toBe(graph.rows - 1);
    expect(all.prefix[1]).toBe(0);
    const none = findMatches(graph, () => false);
    expect(matchedTotal(graph, none)).toBe(0);
    expect(nextMatch(graph, none, 0, 1)).toBe(-1);
  });

  it('goes round all matches in both directions', () => {
    const graph = buildGraph(randomTree(9, 120, 5));
    const found = findMatches(graph, text => text === 'f2');
    expect(found.frames).toBeGreaterThan(2);
    const seen: number[] = [];
    for (let row = 0, i = 0; i < found.frames; i++) {
      row = nextMatch(graph, found, row, 1);
      seen.push(row);
    }
    expect(new Set(seen).size).toBe(found.frames);
    expect(nextMatch(graph, found, seen[0]!, -1)).toBe(seen[seen.length - 1]);
  });

  it('takes text as it is and reports a bad expression', () => {
    const plain = compile('(*T).m[', false);
    expect(plain.ok && plain.test('pkg.(*t).M[int]')).toBe(true);
    expect(compile('(', true).ok).toBe(false);
  });
});

describe('table', () => {
  it('counts recursion once, and self time in full', () => {
    fc.assert(
      fc.property(trees, fc.nat(), (graph, pick) => {
        const root = pick % graph.rows;
        const table = tableUnder(graph, root);
        expect(table.self.reduce((a, b) => a + b, 0)).toBeCloseTo(graph.total[root]!, 5);
        for (let fn = 0; fn < table.total.length; fn++) {
          let expected = 0;
          for (let row = root; row < graph.end[root]!; row++) {
            if (graph.fn[row] !== fn) continue;
            let recursion = false;
            for (let up = graph.parent[row]!; up >= root; up = graph.parent[up]!)
              if (graph.fn[up] === fn) recursion = true;
            if (!recursion) expected += graph.total[row]!;
          }
          expect(table.total[fn]).toBeCloseTo(expected, 5);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('sorts and filters', () => {
    const graph = buildGraph(treeOf(windowOf(1_700_000_000_000)));
    const table = tableUnder(graph, 0);
    const bySelf = [...sortedRows(table, '', 'self')].map(i => table.self[i]!);
    expect(bySelf).toEqual([...bySelf].sort((a, b) => b - a));
    const json = [...sortedRows(table, 'JSON encode', 'name')].map(i => table.functions.name[i]!);
    expect(json.length).toBeGreaterThan(0);
    expect(json).toEqual([...json].sort());
    for (const name of json) expect(name.toLowerCase()).toContain('json');
  });
});
