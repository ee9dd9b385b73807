// SPDX-License-Identifier: Apache-2.0
// `stackwell.` comments of a pprof (docs/pprof.md): the agent writes them, the server reads them and writes those of what
// it merged.
import { addCount, BY_CAUSE, type Coverage, noCoverage, SCALARS } from './coverage.js';

const PREFIX = 'stackwell.';
/** Causes and reasons are few; a sender with more of them is not one of ours. */
const MAX_CAUSES = 64;

/** Nothing is written of what there is none of, or what is not known. */
export function coverageComments(coverage: Coverage): string[] {
  const line = (key: string, count: number) => (count > 0 ? [`${PREFIX}${key} ${count}`] : []);
  return [
    ...SCALARS.flatMap(key => line(key, coverage[key])),
    ...BY_CAUSE.flatMap(key =>
      Object.entries(coverage[key]).flatMap(([cause, count]) => line(`${key}.${cause}`, count)),
    ),
  ];
}

/** Of a merge: frames that got their names after they were recorded, by the reason for which they had none. */
export function lateComments(late: Record<string, number>): string[] {
  return Object.entries(late).map(([reason, count]) => `${PREFIX}late.${reason} ${count}`);
}

export function clockComment(clock: string): string {
  return `${PREFIX}clock ${clock}`;
}

export function readComments(comments: string[]): Coverage & { clock: string } {
  const coverage = { ...noCoverage(), clock: '' };
  for (const comment of comments)
    for (const line of comment.split('\n')) {
      if (!line.startsWith(PREFIX)) continue;
      const space = line.indexOf(' ');
      if (space === -1) continue;
      const key = line.slice(PREFIX.length, space);
      const text = line.slice(space + 1);
      if (key === 'clock') coverage.clock = text.slice(0, 64);
      const count = Number(text);
      if (!Number.isSafeInteger(count) || count <= 0) continue;
      const scalar = SCALARS.find(one => one === key);
      if (scalar !== undefined) coverage[scalar] += count;
      const group = BY_CAUSE.find(one => key.startsWith(`${one}.`));
      if (group !== undefined) addBounded(coverage[group], key.slice(group.length + 1), count);
    }
  return coverage;
}

function addBounded(counts: Record<string, number>, cause: string, count: number): void {
  // Begins with a letter: `__proto__` is no key that an object keeps.
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(cause)) return;
  if (Object.hasOwn(counts, cause) || Object.keys(counts).length < MAX_CAUSES) addCount(counts, cause, count);
}
