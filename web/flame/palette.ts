// SPDX-License-Identifier: Apache-2.0
// Colours of frames. OKLCH, so that every kind is as light as the others and one text colour is readable on all.
import { KINDS, type Kind, SHADES } from './kind.js';

/** Hue of a kind, how far its modules spread around it, and its chroma. */
const HUES: Record<Kind, { hue: number; spread: number; chroma: number }> = {
  kernel: { hue: 55, spread: 18, chroma: 0.105 },
  native: { hue: 260, spread: 24, chroma: 0.085 },
  go: { hue: 200, spread: 10, chroma: 0.085 },
  jvm: { hue: 150, spread: 18, chroma: 0.09 },
  jit: { hue: 320, spread: 20, chroma: 0.085 },
  script: { hue: 100, spread: 10, chroma: 0.1 },
  unresolved: { hue: 0, spread: 0, chroma: 0 },
  other: { hue: 250, spread: 0, chroma: 0.012 },
};

export interface Palette {
  /** Colour by kind × SHADES + shade. */
  frame: string[];
  /** The same while a search is on and the frame does not match. */
  faded: string[];
  text: string;
  fadedText: string;
  match: string;
  /** A pixel of many frames of which the lesser part matches. */
  someMatch: string;
  matchText: string;
  hover: string;
  focus: string;
  /** Ancestors of what is zoomed in on are drawn through this. */
  veil: string;
}

function build(dark: boolean): { frame: string[]; faded: string[] } {
  const frame: string[] = [];
  const faded: string[] = [];
  for (const kind of KINDS) {
    const { hue, spread, chroma } = HUES[kind];
    for (let shade = 0; shade < SHADES; shade++) {
      const h = hue + ((shade >> 2) / 7 - 0.5) * 2 * spread;
      const step = (shade & 3) - 1.5;
      const base = kind === 'other' ? (dark ? 0.33 : 0.9) : dark ? 0.455 : 0.83;
      const l = base + step * (dark ? 0.022 : 0.018);
      frame.push(`oklch(${l.toFixed(3)} ${chroma} ${(((h % 360) + 360) % 360).toFixed(1)})`);
      faded.push(
        `oklch(${(dark ? 0.29 + step * 0.008 : 0.925 + step * 0.006).toFixed(3)} ${(chroma * 0.22).toFixed(4)} ${(((h % 360) + 360) % 360).toFixed(1)})`,
      );
    }
  }
  return { frame, faded };
}

export const DARK: Palette = {
  ...build(true),
  text: '#f1f3f5',
  fadedText: '#8b929b',
  match: '#c2417f',
  someMatch: '#6b3350',
  matchText: '#ffffff',
  hover: '#ffffff',
  focus: '#ffd257',
  veil: 'rgba(20, 22, 26, 0.45)',
};

export const LIGHT: Palette = {
  ...build(false),
  text: '#14181d',
  fadedText: '#78808a',
  match: '#e267a4',
  someMatch: '#edb9d2',
  matchText: '#14060d',
  hover: '#14181d',
  focus: '#b3520a',
  veil: 'rgba(255, 255, 255, 0.5)',
};

/** Colour for legends: the middle shade of a kind. */
export function kindColour(palette: Palette, kind: Kind): string {
  return palette.frame[KINDS.indexOf(kind) * SHADES + 14]!;
}
