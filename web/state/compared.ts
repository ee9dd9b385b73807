// SPDX-License-Identifier: Apache-2.0
// A comparison with the indexes that drawing needs.
import { mergedWidths, type Tested, testedRows } from '../flame/diff.js';
import { buildGraph, type Graph, PathHashes } from '../flame/graph.js';
import type { DiffAnswer } from '../lib/api.js';

export interface Compared extends Tested {
  answer: DiffAnswer;
  merged: Graph;
  left: Graph;
  right: Graph;
  paths: PathHashes;
}

export function comparedOf(answer: DiffAnswer): Compared {
  const { functions, depth, function: fn, left, right, normalization, statistics } = answer;
  const common = { functions, depth, function: fn };
  const merged = buildGraph({ ...common, ...mergedWidths(answer, normalization) });
  return {
    answer,
    merged,
    left: buildGraph({ ...common, ...left }),
    right: buildGraph({ ...common, ...right }),
    paths: new PathHashes(merged),
    rows: testedRows(functions, statistics.functions),
    statistics,
    normalization,
  };
}
