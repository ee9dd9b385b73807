// SPDX-License-Identifier: Apache-2.0
// The address as signals, and the one way to change it.
import { batch, signal } from '@preact/signals';
import { formatState, type PageState, parseState } from './url.js';

export const state = signal<PageState>(parseState(location.search));
/** The moment that relative times count from: moves on refresh. */
export const now = signal(Date.now());

/** Changes the page. What a person chose becomes a step of the browser's history; what follows typing does not. */
export function update(patch: Partial<PageState>, history: 'push' | 'replace' = 'push'): void {
  const next = { ...state.value, ...patch };
  const address = `${location.pathname}${formatState(next)}`;
  if (address === location.pathname + location.search) {
    state.value = next;
    return;
  }
  if (history === 'push') window.history.pushState(null, '', address);
  else window.history.replaceState(null, '', address);
  batch(() => {
    if (patch.from !== undefined || patch.until !== undefined) now.value = Date.now();
    state.value = next;
  });
}

/** Counts how often a person, or the page after a failure, asked again. */
export const attempts = signal(0);

export function refresh(): void {
  batch(() => {
    now.value = Date.now();
    attempts.value++;
  });
}

/** Follows the browser's history; called once. */
export function followHistory(): void {
  addEventListener('popstate', () => {
    batch(() => {
      now.value = Date.now();
      state.value = parseState(location.search);
    });
  });
}
