// SPDX-License-Identifier: Apache-2.0
// Laws of the differential flame graph: widths, colours, and how two graphs move together.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHEAPER,
  COLOURS,
  colourChanges,
  colourOf,
  DEARER,
  GREYS,
  mergedWidths,
  STEPS,
  testedRows,
} from '../../web/flame/diff.js';
import { DIFF } from '../../web/flame/diff-palette.js';
import { buildGraph } from '../../web/flame/graph.js';
import { project } from '../../web/flame/project.js';
import { comparedOf } from '../../web/state/compared.js';
import { diffOf } from './diff-data.js';
import { bigTree, random, type Tree } from './fixture-data.js';

/** A tree by what frames do themselves; every function recurs. */
function treeOf(seed: number, rows: number): Tree {
  const rng = random(seed);
  const names = ['total', 'a', 'b', 'c', 'd', 'e', 'f'];
  const depth = [0];
  for (let row = 1; row < rows; row++) depth.push(1 + Math.floor(rng() * Math.min(6, depth[row - 1]! + 1)));
  const self = depth.map((_, row) => (row === 0 ? 0 : Math.floor(rng() * 100)));
  const blank = names.map(() => '');
  return {
    sum: 0,
    functions: { name: names, file: names.map(n => `${n}.c`), module: blank, reason: blank, buildId: blank },
    depth,
    start: [],
    total: [],
    self,
    function: depth.map((_, row) => (row === 0 ? 0 : 1 + Math.floor(rng() * 6))),
  };
}

const diffs = fc
  .record({
    seed: fc.nat(),
    rows: fc.integer({ min: 2, max: 120 }),
    times: fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: 7, maxLength: 7 }),
  })
  .map(({ seed, rows, times }) => diffOf(treeOf(seed, rows), fn => times[fn]!))
  .filter(answer => answer.left.sum > 0);

describe('widths of both sides together', () => {
  it('are the mean of what is comparable, and callees lie within their callers', () => {
    fc.assert(
      fc.property(diffs, answer => {
        const { normalization, left, right } = answer;
        const widths = mergedWidths(answer, normalization);
        const graph = buildGraph({ ...answer, ...widths });
        const near = (a: number, b: number) => Math.abs(a - b) < 1e-9;
        for (let row = 0; row < graph.rows; row++) {
          expect(
            near(
              graph.total[row]!,
              (left.total[row]! * normalization.left + right.total[row]! * normalization.right) / 2,
            ),
          ).toBe(true);
          let sum = graph.self[row]!;
          let at = graph.start[row]!;
          for (let child = row + 1; child < graph.end[row]!; child = graph.end[child]!) {
            expect(near(graph.start[child]!, at)).toBe(true);
            at += graph.total[child]!;
            sum += graph.total[child]!;
          }
          expect(near(sum, graph.total[row]!)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('show what is on one side alone', () => {
    const answer = diffOf(treeOf(3, 40), fn => (fn === 2 ? 0 : 1));
    const { total } = mergedWidths(answer, answer.normalization);
    const gone = answer.function.findIndex(
      (fn, row) => fn === 2 && answer.right.total[row] === 0 && answer.left.total[row]! > 0,
    );
    expect(gone).toBeGreaterThan(0);
    expect(total[gone]).toBeGreaterThan(0);
  });
});

const hueOf = (colour: string) => Number(/ (\S+)\)$/.exec(colour)![1]);
const lightnessOf = (colour: string) => Number(/^oklch\((\S+)/.exec(colour)![1]);
const chromaOf = (colour: string) => Number(/^oklch\(\S+ (\S+)/.exec(colour)![1]);

describe('colours', () => {
  const tree = treeOf(5, 60);
  const colours = (
    times: (fn: number) => number,
    isReal?: (fn: number) => boolean,
    by: 'self' | 'total' = 'self',
  ) => {
    const data = comparedOf(diffOf(tree, times, isReal));
    return { data, of: colourChanges(data.merged, data.answer, data, by, () => 0) };
  };
  const rowsOf = (fn: number) =>
    tree.function.flatMap((one, row) => (one === fn && tree.self[row]! > 20 ? [row] : []));

  it('are red for dearer and blue for cheaper, in both themes', () => {
    const { of } = colours(fn => (fn === 1 ? 1.4 : fn === 2 ? 0.6 : 1));
    for (const row of rowsOf(1)) expect(of[row]).toBeGreaterThanOrEqual(DEARER);
    for (const row of rowsOf(2)) expect([of[row]! >= CHEAPER, of[row]! < DEARER]).toEqual([true, true]);
    for (const row of rowsOf(3)) expect(of[row]).toBe(0);
    for (const { frame } of [DIFF.dark, DIFF.light]) {
      expect(frame.length).toBe(COLOURS);
      for (const row of rowsOf(1)) expect(hueOf(frame[of[row]!]!)).toBe(30);
      for (const row of rowsOf(2)) expect(hueOf(frame[of[row]!]!)).toBe(252);
    }
  });

  it('change sides with the sides', () => {
    const there = colours(fn => (fn === 1 ? 3 : 1)).of;
    const back = colours(fn => (fn === 1 ? 1 / 3 : 1)).of;
    for (const row of rowsOf(1)) expect(there[row]! - DEARER).toBe(back[row]! - CHEAPER);
  });

  it('are grey for what is not told from noise, however much it differs', () => {
    const { of } = colours(
      fn => (fn === 1 ? 3 : 1),
      () => false,
    );
    expect([...of].every(colour => colour < GREYS)).toBe(true);
  });

  it('are grey where a frame went another way than its function', () => {
    const { data, of } = colours(fn => (fn === 1 ? 1.4 : 1));
    // The function is known to have got cheaper, say the tests; its frames got dearer.
    data.statistics.self.right[1] = data.statistics.self.left[1]! / 2;
    const other = colourChanges(data.merged, data.answer, data, 'self', () => 0);
    for (const row of rowsOf(1)) expect([of[row]! >= DEARER, other[row]]).toEqual([true, 0]);
  });

  it('are the strongest for what is new and what is gone', () => {
    expect(colourOf(Number.POSITIVE_INFINITY)).toBe(COLOURS - 1);
    expect(colourOf(0)).toBe(DEARER - 1);
    fc.assert(
      fc.property(
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.double({ min: 1, max: 3, noNaN: true }),
        (ratio, more) => {
          if (ratio > 1) expect(colourOf(ratio * more)).toBeGreaterThanOrEqual(colourOf(ratio));
          if (ratio < 1) expect(colourOf(ratio / more)).toBeGreaterThanOrEqual(colourOf(ratio));
        },
      ),
    );
  });

  it('grow step by step in strength and can be told by lightness alone', () => {
    for (const [palette, sign] of [
      [DIFF.dark, 1],
      [DIFF.light, -1],
    ] as const)
      for (const from of [CHEAPER, DEARER])
        for (let i = 1; i < STEPS.length; i++) {
          const [a, b] = [palette.frame[from + i - 1]!, palette.frame[from + i]!];
          expect((lightnessOf(b) - lightnessOf(a)) * sign).toBeGreaterThan(0.03);
          expect(chromaOf(b)).toBeGreaterThan(chromaOf(a));
        }
    // Names stay readable on all of them, and greys stay grey.
    for (const colour of DIFF.dark.frame) expect(lightnessOf(colour)).toBeLessThan(0.58);
    for (const colour of DIFF.light.frame) expect(lightnessOf(colour)).toBeGreaterThan(0.69);
    for (const palette of [DIFF.dark, DIFF.light])
      for (const grey of palette.frame.slice(0, GREYS)) expect(chromaOf(grey)).toBeLessThan(0.01);
  });

  it('belong to functions by name and file', () => {
    const functions = (name: string[], file: string[]) => ({
      name,
      file,
      module: name,
      reason: name.map(() => ''),
      buildId: name.map(() => ''),
    });
    const tree = functions(['total', 'f', 'f', 'g'], ['', 'a.c', 'b.c', '']);
    const tested = functions(['f', 'g', 'f'], ['b.c', '', 'a.c']);
    expect([...testedRows(tree, tested)]).toEqual([-1, 2, 0, 1]);
  });
});

describe('two graphs that move together', () => {
  it('find the same place in each other, and keep edges', () => {
    fc.assert(
      fc.property(
        diffs,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (answer, one, two) => {
          const { merged, left } = comparedOf(answer);
          const whole = left.total[0]!;
          const [a, b] = [Math.min(one, two) * whole, Math.max(one, two) * whole];
          // Never backwards, and there and back is where one was.
          expect(project(left, merged, a)).toBeLessThanOrEqual(project(left, merged, b) + 1e-9);
          expect(Math.abs(project(merged, left, project(left, merged, a)) - a)).toBeLessThan(whole * 1e-6);
          for (let row = 0; row < left.rows; row++)
            if (left.total[row]! > 0)
              expect(Math.abs(project(left, merged, left.start[row]!) - merged.start[row]!)).toBeLessThan(
                merged.total[row]! + 1e-9,
              );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('an answer of 50,000 nodes', () => {
  it('is made ready within a few frames of the screen', () => {
    const answer = diffOf(bigTree(50_000), fn => (fn % 7 === 0 ? 1.3 : fn % 11 === 0 ? 0.7 : 1));
    const times = Array.from({ length: 5 }, () => {
      const begin = performance.now();
      const data = comparedOf(answer);
      colourChanges(data.merged, data.answer, data, 'self', () => 0);
      return performance.now() - begin;
    });
    console.log(
      `diff of ${answer.depth.length} nodes made ready in ${times.map(ms => ms.toFixed(1)).join(', ')} ms`,
    );
    expect(Math.min(...times)).toBeLessThan(150);
  });
});
