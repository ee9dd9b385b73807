// SPDX-License-Identifier: Apache-2.0
// Five profiles that are pushed, and how flame graphs of them are read.
import { expect } from 'vitest';
import { pprof, type Running } from './fixtures.js';

export const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
export const WALL = 'wall:wall:nanoseconds:wall:nanoseconds';
export const NOW = Math.floor(Date.now() / 60_000) * 60_000;
export const FIRST = NOW - 240_000;
export const SECOND = NOW - 120_000;
export const SPAN = '9a517183f26a089d';
export const TRACE = '7c9e66797425440de944be07fc1f90ae';

export async function fill(running: Running): Promise<void> {
  const sends: [string, Parameters<typeof pprof>[0]][] = [
    [
      'api{host=h1,deploy=v1}',
      {
        time: FIRST,
        samples: [
          { stack: ['parse', 'handle', 'main'], values: [1], labels: { pid: '1', span_id: SPAN } },
          { stack: ['parse', 'handle', 'main'], values: [2], labels: { pid: '2', trace_id: TRACE } },
          { stack: ['handle', 'main'], values: [4], labels: { pid: '1' } },
        ],
      },
    ],
    [
      'api{host=h1,deploy=v2}',
      { time: SECOND, samples: [{ stack: ['render', 'handle', 'main'], values: [8], labels: { pid: '1' } }] },
    ],
    [
      'db{host=h1}',
      { time: FIRST, samples: [{ stack: ['read', 'main'], values: [16], labels: { pid: '3' } }] },
    ],
    ['db{host=h2}', { time: SECOND, samples: [{ stack: ['handle', 'handle', 'main'], values: [32] }] }],
    ['web', { time: SECOND, types: [['wall', 'nanoseconds']], samples: [{ stack: ['wait'], values: [64] }] }],
  ];
  for (const [name, fixture] of sends)
    expect((await running.ingest(await pprof(fixture), { name })).status).toBe(200);
}

interface Graph {
  names: string[];
  levels: ({ values: bigint[] } | number[])[];
}

/** `total;a;b` → [total, self, …], of a flame graph (4 values a node) or of a diff (7). */
export function paths({ names, levels }: Graph, width: 4 | 7 = 4): Record<string, number[]> {
  const sides = (width - 1) / 3;
  const found: Record<string, number[]> = {};
  type Node = { path: string; from: number[]; until: number[] };
  let above: Node[] = [];
  for (const one of levels) {
    const values = Array.isArray(one) ? one : one.values;
    const level: Node[] = [];
    const at = new Array<number>(sides).fill(0);
    for (let row = 0; row < values.length; row += width) {
      const numbers = values.slice(row, row + width).map(Number);
      const from = at.map((_, side) => at[side]! + numbers[3 * side]!);
      const until = from.map((start, side) => start + numbers[3 * side + 1]!);
      until.forEach((end, side) => {
        at[side] = end;
      });
      const parent = above.find(one =>
        from.every((start, side) => start >= one.from[side]! && until[side]! <= one.until[side]!),
      );
      const name = names[numbers.at(-1)!]!;
      const path = parent === undefined ? name : `${parent.path};${name}`;
      found[path] = from.flatMap((_, side) => numbers.slice(3 * side + 1, 3 * side + 3));
      level.push({ path, from, until });
    }
    above = level;
  }
  return found;
}
