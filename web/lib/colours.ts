// SPDX-License-Identifier: Apache-2.0
// Colours of timeline layers: by name, so that a service keeps its colour while ranks change.
import { fnv } from '../flame/graph.js';

const HUES = [250, 55, 150, 320, 205, 100, 20, 285, 175, 350];

/** One colour for each name, biggest first; null (the rest together) is grey. */
export function layerColours(names: (string | null)[], dark: boolean): string[] {
  const taken = new Set<number>();
  return names.map(name => {
    if (name === null) return dark ? 'oklch(0.42 0.01 250)' : 'oklch(0.82 0.01 250)';
    const h = fnv(name);
    let at = (h ^ (h >>> 13)) % HUES.length;
    if (at < 0) at += HUES.length;
    for (let tries = 0; taken.has(at) && tries < HUES.length; tries++) at = (at + 1) % HUES.length;
    taken.add(at);
    return `oklch(${dark ? '0.58 0.1' : '0.74 0.1'} ${HUES[at]})`;
  });
}
