// SPDX-License-Identifier: Apache-2.0
// Ways from a profile to a comparison, and back. What the comparison needs besides is loaded when it is opened.
import type { Deploy } from '../lib/api.js';
import { equalTo } from '../lib/query.js';
import type { Range } from '../lib/time.js';
import { state, update } from './address.js';

/** The one that was there before, of the same service, in a list with the newest first; null for the oldest. */
export function before(list: Deploy[], deploy: Deploy): Deploy | null {
  return list.slice(list.indexOf(deploy) + 1).find(one => one.service === deploy.service) ?? null;
}

export const NO_TIMES = { left_from: '', left_until: '', right_from: '', right_until: '' };

export function compareDeploys(service: string, base: string, head: string, since?: string): void {
  update({
    mode: 'compare',
    sides: 'deploys',
    service,
    base,
    head,
    ...NO_TIMES,
    zoom: '',
    span: '',
    ...(since === undefined ? {} : { since }),
  });
}

/** A range with the one of the same length before it. */
export function compareWithBefore(query: string, { from, until }: Range): void {
  update({
    mode: 'compare',
    sides: 'selections',
    left: query,
    right: query,
    left_from: String(2 * from - until),
    left_until: String(from),
    right_from: String(from),
    right_until: String(until),
    zoom: '',
    span: '',
  });
}

const WEEK = 7 * 86_400_000;

/** When to look for deploys so that those of a range are among them. */
export function sinceOf({ from }: Range): string {
  return from < Date.now() - WEEK ? String(from) : 'now-7d';
}

/** Opens the second mode at what the query is narrowed to. */
export function openCompare(): void {
  const { query, sides, left, right } = state.peek();
  const service = equalTo(query, 'service_name');
  update({
    mode: 'compare',
    zoom: '',
    span: '',
    ...(service === null ? {} : { service }),
    ...(sides === 'selections' && left === '' && right === '' ? { left: query, right: query } : {}),
  });
}

/** Back to one profile: what is narrowed to stays. */
export function openProfile(query?: string, range?: Range): void {
  update({
    mode: 'profile',
    zoom: '',
    span: '',
    ...(query === undefined ? {} : { query }),
    ...(range === undefined ? {} : { from: String(range.from), until: String(range.until) }),
  });
}
