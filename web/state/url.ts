// SPDX-License-Identifier: Apache-2.0
// Everything that is on the screen, as the address bar holds it: a link shows another person the same.

import type { NormalizationKind } from '../../src/profile/statistics/normalization.js';
import { ON_CPU } from '../../src/profile/types.js';

export interface PageState extends CompareState {
  mode: 'profile' | 'compare';
  type: string;
  query: string;
  from: string;
  until: string;
  /** Follow the clock; means something only while `until` is relative. */
  live: boolean;
  /** Label that the timeline is stacked by; empty is the total alone. */
  by: string;
  view: 'both' | 'flame' | 'table';
  layout: 'icicle' | 'flame';
  find: string;
  regex: boolean;
  /** Path hash of the frame that is zoomed in on. */
  zoom: string;
  /** Part of the whole that is in view when it is not exactly a frame: `from-until` as fractions. */
  span: string;
  sort: 'self' | 'total' | 'name';
  /** Filter of the table. */
  filter: string;
  /** Most nodes that the server may send. */
  nodes: number;
}

/** What the second mode compares, and how. */
export interface CompareState {
  sides: 'deploys' | 'selections';
  /** Of the deploys. */
  service: string;
  /** Empty for the one before `head`. */
  base: string;
  /** Empty for the newest. */
  head: string;
  /** When deploys are looked for. */
  since: string;
  upto: string;
  /** Queries of two selections. */
  left: string;
  right: string;
  /** Own times of the sides, in place of the page's range or of what is chosen for two deploys; empty for those. */
  left_from: string;
  left_until: string;
  right_from: string;
  right_until: string;
  norm: NormalizationKind;
  /** Of the right, for `norm=factor`. */
  factor: string;
  /** Matching rules that are turned off, with commas. */
  without: string;
  rank: 'self' | 'total';
  graph: 'merged' | 'beside';
  amounts: 'share' | 'cost';
  order: 'cost' | 'change' | 'name';
  /** Functions of which nothing is known to have changed, too. */
  all: boolean;
}

export const DEFAULTS: PageState = {
  mode: 'profile',
  type: ON_CPU,
  query: '',
  from: 'now-15m',
  until: 'now',
  live: true,
  by: 'service_name',
  view: 'both',
  layout: 'icicle',
  find: '',
  regex: false,
  zoom: '',
  span: '',
  sort: 'self',
  filter: '',
  nodes: 32768,
  sides: 'deploys',
  service: '',
  base: '',
  head: '',
  since: 'now-7d',
  upto: 'now',
  left: '',
  right: '',
  left_from: '',
  left_until: '',
  right_from: '',
  right_until: '',
  norm: 'stable',
  factor: '1',
  without: '',
  rank: 'self',
  graph: 'merged',
  amounts: 'share',
  order: 'cost',
  all: false,
};

const CHOICES: { [K in keyof PageState]?: readonly PageState[K][] } = {
  mode: ['profile', 'compare'],
  sides: ['deploys', 'selections'],
  norm: ['stable', 'total', 'duration', 'cpu', 'factor', 'none'],
  rank: ['self', 'total'],
  graph: ['merged', 'beside'],
  amounts: ['share', 'cost'],
  order: ['cost', 'change', 'name'],
  view: ['both', 'flame', 'table'],
  layout: ['icicle', 'flame'],
  sort: ['self', 'total', 'name'],
};

/** What an address says; what it does not say, or says wrongly, is as by default. */
export function parseState(search: string): PageState {
  const given = new URLSearchParams(search);
  const state = { ...DEFAULTS };
  const fields = state as unknown as Record<string, string | number | boolean>;
  for (const key of Object.keys(DEFAULTS) as (keyof PageState)[]) {
    const text = given.get(key);
    if (text === null) continue;
    const fallback = DEFAULTS[key];
    if (typeof fallback === 'boolean') fields[key] = text === '1';
    else if (typeof fallback === 'number') {
      const n = Number(text);
      if (Number.isInteger(n) && n >= 16 && n <= 1 << 20) fields[key] = n;
    } else if (CHOICES[key] === undefined || (CHOICES[key] as readonly string[]).includes(text))
      fields[key] = text;
  }
  return state;
}

/** The shortest address that says it; starts with `?` unless empty. */
export function formatState(state: PageState): string {
  const out = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS) as (keyof PageState)[]) {
    const value = state[key];
    if (value === DEFAULTS[key]) continue;
    out.set(key, typeof value === 'boolean' ? (value ? '1' : '0') : String(value));
  }
  // These stay readable in a query string, and pickers put many of them there.
  const text = out
    .toString()
    .replace(/%3A/g, ':')
    .replace(/%2C/g, ',')
    .replace(/%7B/g, '{')
    .replace(/%7D/g, '}');
  return text === '' ? '' : `?${text}`;
}
