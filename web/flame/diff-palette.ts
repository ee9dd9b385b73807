// SPDX-License-Identifier: Apache-2.0
import { GREYS, STEPS } from './diff.js';
import { DARK, LIGHT, type Palette } from './palette.js';

/**
 * Of differences: greys, then blue for cheaper and red for dearer, each in steps. Red and blue are told apart with every
 * kind of colour blindness, and the steps by their lightness alone.
 */
function buildDiff(night: boolean): { frame: string[]; faded: string[] } {
  const frame: string[] = [];
  const faded: string[] = [];
  for (let i = 0; i < GREYS; i++) {
    const step = (i - 1.5) * (night ? 0.012 : 0.01);
    frame.push(`oklch(${((night ? 0.325 : 0.895) + step).toFixed(3)} 0.006 250)`);
    faded.push(`oklch(${((night ? 0.26 : 0.95) + step / 2).toFixed(3)} 0.004 250)`);
  }
  for (const hue of [252, 30])
    for (let i = 0; i < STEPS.length; i++) {
      const part = i / (STEPS.length - 1);
      const l = night ? 0.4 + 0.17 * part : 0.86 - 0.16 * part;
      const c = night ? 0.055 + 0.115 * part : 0.05 + 0.11 * part;
      frame.push(`oklch(${l.toFixed(3)} ${c.toFixed(3)} ${hue})`);
      faded.push(`oklch(${(night ? 0.3 : 0.93).toFixed(3)} ${(c * 0.3).toFixed(3)} ${hue})`);
    }
  return { frame, faded };
}

export const DIFF: { dark: Palette; light: Palette } = {
  dark: { ...DARK, ...buildDiff(true) },
  light: { ...LIGHT, ...buildDiff(false) },
};
