// SPDX-License-Identifier: Apache-2.0
import type { Labels } from './types.js';

/** '' where there is none, as matchers see it. Names come from outside: one may be called as a method of every object. */
export function labelOf(labels: Labels, name: string): string {
  return Object.hasOwn(labels, name) ? labels[name]! : '';
}
