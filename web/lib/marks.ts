// SPDX-License-Identifier: Apache-2.0
// Deploys as a timeline marks them.
import type { Deploy, DeploysAnswer } from './api.js';
import { shortId } from './scope.js';
import type { Range } from './time.js';

/** More lines than that are a hedge; those before are told as a number. */
const MOST_MARKS = 24;

/** What began within the range, oldest first: what ran when it was first looked was not deployed then. */
export function marksOf(
  { deploys, from, step }: Pick<DeploysAnswer, 'deploys' | 'from' | 'step'>,
  range: Range,
): { marks: Deploy[]; earlier: number } {
  const all = deploys
    .filter(({ first }) => first > from + step && first > range.from && first < range.until)
    .sort((a, b) => a.first - b.first);
  return { marks: all.slice(-MOST_MARKS), earlier: Math.max(0, all.length - MOST_MARKS) };
}

const MOST_CHARACTERS = 28;

/** Enough of a name for a heading: build IDs and digests are told apart by their first digits. */
export function shortDeploy(name: string): string {
  const short = shortId(name);
  return short.length > MOST_CHARACTERS ? `${short.slice(0, MOST_CHARACTERS - 1)}…` : short;
}
