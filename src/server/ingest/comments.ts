// SPDX-License-Identifier: Apache-2.0
// `stackwell.` comments of a pprof, see docs/pprof.md.
import type { ProfileStats } from '../../store/store.js';
import type { Stats } from '../query/quality.js';

const PREFIX = 'stackwell.';
/** Causes and reasons are few; a sender with more of them is not one of ours. */
const MAX_CAUSES = 64;

export function statsOf(comments: string[]): ProfileStats {
  const stats: ProfileStats = { samples: 0, truncated: 0, lost: {}, unresolved: {}, clock: '' };
  for (const comment of comments)
    for (const line of comment.split('\n')) {
      if (!line.startsWith(PREFIX)) continue;
      const space = line.indexOf(' ');
      if (space === -1) continue;
      const key = line.slice(PREFIX.length, space);
      const text = line.slice(space + 1);
      if (key === 'clock') stats.clock = text.slice(0, 64);
      const count = Number(text);
      if (!Number.isSafeInteger(count) || count < 0) continue;
      if (key === 'samples' || key === 'truncated') stats[key] = count;
      else if (key.startsWith('lost.')) addCount(stats.lost, key.slice(5), count);
      else if (key.startsWith('unresolved.')) addCount(stats.unresolved, key.slice(11), count);
    }
  return stats;
}

function addCount(counts: Record<string, number>, cause: string, count: number): void {
  if (!/^[a-z0-9_]{1,64}$/.test(cause)) return;
  if (count > 0 && (Object.hasOwn(counts, cause) || Object.keys(counts).length < MAX_CAUSES))
    counts[cause] = (Object.hasOwn(counts, cause) ? counts[cause]! : 0) + count;
}

/** The same comments for a merged profile; none where nothing is known. */
export function commentsOf(stats: Stats): string[] {
  const counts = (prefix: string, all: Record<string, number>) =>
    Object.entries(all).map(([cause, count]) => `${PREFIX}${prefix}.${cause} ${count}`);
  return [
    ...stats.clocks.map(clock => `${PREFIX}clock ${clock}`),
    ...(stats.samples > 0 ? [`${PREFIX}samples ${stats.samples}`] : []),
    ...(stats.truncated > 0 ? [`${PREFIX}truncated ${stats.truncated}`] : []),
    ...counts('lost', stats.lost),
    ...counts('unresolved', stats.unresolved),
    ...counts('named', stats.named),
  ];
}
