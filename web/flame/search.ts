// SPDX-License-Identifier: Apache-2.0
// Search by function or module, and how much of the picture the matches cover.
import type { Functions, Graph } from './graph.js';

export type Pattern = { ok: true; test: (text: string) => boolean } | { ok: false; reason: string };

/** Plain text matches anywhere, whatever its case; a regular expression as it says, also without regard to case. */
export function compile(text: string, regex: boolean): Pattern {
  if (!regex) {
    const lower = text.toLowerCase();
    return { ok: true, test: candidate => candidate.toLowerCase().includes(lower) };
  }
  try {
    const expression = new RegExp(text, 'i');
    return { ok: true, test: candidate => expression.test(candidate) };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

export interface Matches {
  /** 1 for each function that matches. */
  functions: Uint8Array;
  /** rows + 1 prefix sums, over `levelRows`, of the totals that match: how much of a run matches is one subtraction. */
  prefix: Float64Array;
  /** Frames that match. */
  frames: number;
}

export function findMatches(graph: Graph, test: (text: string) => boolean): Matches {
  const { functions: f } = graph;
  const functions = new Uint8Array(f.name.length);
  for (let i = 0; i < functions.length; i++) if (test(f.name[i]!) || test(f.module[i]!)) functions[i] = 1;
  // The root stands for everything; finding it would make every search match all.
  const prefix = new Float64Array(graph.rows + 1);
  let frames = 0;
  for (let i = 0; i < graph.rows; i++) {
    const row = graph.levelRows[i]!;
    const matched = row !== 0 && functions[graph.fn[row]!] === 1;
    if (matched) frames++;
    prefix[i + 1] = prefix[i]! + (matched ? graph.total[row]! : 0);
  }
  return { functions, prefix, frames };
}

/** Value under `root` that has a match on its stack. A match inside a match is not counted again. */
export function matchedTotal(graph: Graph, matches: Matches, root = 0): number {
  let sum = 0;
  for (let row = root; row < graph.end[root]!; ) {
    if (row !== 0 && matches.functions[graph.fn[row]!] === 1) {
      sum += graph.total[row]!;
      row = graph.end[row]!;
    } else row++;
  }
  return sum;
}

/** The next (or previous) matching row after `row`, going round at the ends; -1 when nothing matches. */
export function nextMatch(graph: Graph, matches: Matches, row: number, step: 1 | -1): number {
  for (let i = 1; i <= graph.rows; i++) {
    const at = (((row + i * step) % graph.rows) + graph.rows) % graph.rows;
    if (at !== 0 && matches.functions[graph.fn[at]!] === 1) return at;
  }
  return -1;
}

export interface FunctionTable {
  functions: Functions;
  sum: number;
  self: Float64Array;
  total: Float64Array;
}

/** Self and total of every function below `root`; recursion counts once, as it is the same time. */
export function tableUnder(graph: Graph, root: number): FunctionTable {
  const self = new Float64Array(graph.functions.name.length);
  const total = new Float64Array(graph.functions.name.length);
  // One past the subtree of the outermost open frame of a function: rows before it are recursion.
  const openUntil = new Uint32Array(graph.functions.name.length);
  for (let row = root; row < graph.end[root]!; row++) {
    const f = graph.fn[row]!;
    self[f]! += graph.self[row]!;
    if (row >= openUntil[f]!) {
      total[f]! += graph.total[row]!;
      openUntil[f] = graph.end[row]!;
    }
  }
  return { functions: graph.functions, sum: graph.total[root] ?? 0, self, total };
}
