// SPDX-License-Identifier: Apache-2.0
// Flame graphs as Pyroscope's clients draw them: by level, each node by its distance to the end of the one before it.
// Widths are values; a node's own value comes first, then its children side by side.
import { type FlameGraph, frameName } from '../flamegraph.js';
import type { ProfileType } from '../types.js';

/** Of each node: distance, total, self, row of `names`; in a diff the first three of the left, then of the right. */
export interface Flamebearer {
  /** Row 0 is the root's, 'total'. */
  names: string[];
  levels: Float64Array[];
  /** Exact; of a diff both sides together. */
  total: bigint;
  maxSelf: number;
}

export interface FlamebearerDiff extends Flamebearer {
  leftTicks: bigint;
  rightTicks: bigint;
}

/** Two call trees with the same nodes, in preorder. */
export interface FlameDiff {
  functions: FlameGraph['functions'];
  depth: Uint16Array;
  function: Uint32Array;
  left: Pick<FlameGraph, 'sum' | 'total' | 'self'>;
  right: Pick<FlameGraph, 'sum' | 'total' | 'self'>;
}

const ROOT = 'total';

/** Functions become rows of distinct names: one name in two files is one name. */
function nameRows(
  functions: FlameGraph['functions'],
  rows: Uint32Array,
): { names: string[]; of: Uint32Array } {
  const names = [ROOT];
  const known = new Map<string, number>();
  const of = new Uint32Array(functions.name.length);
  for (let node = 1; node < rows.length; node++) {
    const row = rows[node]!;
    if (of[row] !== 0) continue;
    const name = frameName(functions, row);
    let index = known.get(name);
    if (index === undefined) {
      index = names.push(name) - 1;
      known.set(name, index);
    }
    of[row] = index;
  }
  return { names, of };
}

/** Values of each node are `sides` times (distance, total, self), then its name. */
function layOut(
  depth: Uint16Array,
  sides: { total: Float64Array; self: Float64Array }[],
  nameOf: (node: number) => number,
): { levels: Float64Array[]; maxSelf: number } {
  const counts: number[] = [];
  for (const level of depth) counts[level] = (counts[level] ?? 0) + 1;
  const width = 3 * sides.length + 1;
  const levels = counts.map(count => new Float64Array(count * width));
  const filled = new Uint32Array(levels.length);
  let maxSelf = 0;
  // Of each side and level: where the next node begins, and where the one before it ended.
  const next = sides.map(() => new Float64Array(levels.length + 1));
  const ended = sides.map(() => new Float64Array(levels.length));
  for (let node = 0; node < depth.length; node++) {
    const level = depth[node]!;
    const values = levels[level]!;
    let at = filled[level]!;
    for (let side = 0; side < sides.length; side++) {
      const { total, self } = sides[side]!;
      const start = next[side]![level]!;
      values[at++] = start - ended[side]![level]!;
      values[at++] = total[node]!;
      values[at++] = self[node]!;
      if (self[node]! > maxSelf) maxSelf = self[node]!;
      ended[side]![level] = next[side]![level] = start + total[node]!;
      next[side]![level + 1] = start + self[node]!;
    }
    values[at++] = nameOf(node);
    filled[level] = at;
  }
  return { levels, maxSelf };
}

export function toFlamebearer({
  sum,
  functions,
  depth,
  total,
  self,
  function: rows,
}: FlameGraph): Flamebearer {
  const { names, of } = nameRows(functions, rows);
  return {
    names,
    ...layOut(depth, [{ total, self }], node => (node === 0 ? 0 : of[rows[node]!]!)),
    total: sum,
  };
}

export function toFlamebearerDiff({
  functions,
  depth,
  function: rows,
  left,
  right,
}: FlameDiff): FlamebearerDiff {
  const { names, of } = nameRows(functions, rows);
  return {
    names,
    ...layOut(depth, [left, right], node => (node === 0 ? 0 : of[rows[node]!]!)),
    total: left.sum + right.sum,
    leftTicks: left.sum,
    rightTicks: right.sum,
  };
}

/** Sums over time, from `startTime` on, one each `durationDelta`; both in seconds. */
export interface FlamebearerTimeline {
  startTime: number;
  samples: number[];
  durationDelta: number;
  watermarks: null;
}

export interface FlamebearerDocument {
  version: 1;
  flamebearer: { names: string[]; levels: Float64Array[]; numTicks: bigint; maxSelf: number };
  metadata: { format: 'single' | 'double'; spyName: string; sampleRate: number; units: string; name: string };
  timeline: FlamebearerTimeline | null;
  groups: Record<string, FlamebearerTimeline> | null;
  heatmap: null;
  leftTicks?: bigint;
  rightTicks?: bigint;
}

const OBJECTS = new Set(['inuse_objects', 'alloc_objects', 'goroutine', 'samples']);

/** What readers divide by, and call it: CPU time is in samples of a nanosecond. */
function unitsOf({ sampleType, sampleUnit }: ProfileType): { units: string; sampleRate: number } {
  if (sampleType === 'cpu') return { units: 'samples', sampleRate: 1_000_000_000 };
  return { units: OBJECTS.has(sampleType) ? 'objects' : sampleUnit, sampleRate: 100 };
}

/** The JSON file that Pyroscope's page, its command line and speedscope read. */
export function flamebearerDocument(
  { names, levels, total, maxSelf, ...ticks }: Flamebearer | FlamebearerDiff,
  type: ProfileType,
  { timeline = null, groups = null }: Partial<Pick<FlamebearerDocument, 'timeline' | 'groups'>> = {},
): FlamebearerDocument {
  return {
    version: 1,
    flamebearer: { names, levels, numTicks: total, maxSelf },
    metadata: {
      format: 'leftTicks' in ticks ? 'double' : 'single',
      spyName: '',
      name: type.sampleType,
      ...unitsOf(type),
    },
    timeline,
    groups,
    heatmap: null,
    ...ticks,
  };
}
