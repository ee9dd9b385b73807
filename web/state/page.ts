// SPDX-License-Identifier: Apache-2.0
// The state of the page and what follows from it. Parts read signals; they change the page through `update` alone.
import { batch, computed, effect, signal } from '@preact/signals';
import { SAMPLE_LABELS } from '../../src/profile/types.js';
import { buildGraph, type Graph, PathHashes } from '../flame/graph.js';
import { type FunctionLooks, looksOf } from '../flame/kind.js';
import { clampSpan, rootOf, type Span, spanOf } from '../flame/paint.js';
import { compile, findMatches } from '../flame/search.js';
import { api, type FlameAnswer, type Selected, type TimelineAnswer, type TopAnswer } from '../lib/api.js';
import { measureOf } from '../lib/format.js';
import { formatQuery, matchersOf } from '../lib/query.js';
import { shortId } from '../lib/scope.js';
import { averageSnapshots } from '../lib/snapshots.js';
import { type Range, resolveRange } from '../lib/time.js';
import { Resource } from './resource.js';
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

export function refresh(): void {
  now.value = Date.now();
}

export const range = computed<Range | null>(() =>
  resolveRange(state.value.from, state.value.until, now.value),
);
export const relative = computed(() => state.value.until.startsWith('now'));

/** What is asked for; as text, so that it only changes when something in it does. */
const selectedKey = computed(() => {
  const { type, query } = state.value;
  return range.value === null
    ? ''
    : JSON.stringify({ type, query, from: range.value.from, until: range.value.until });
});
export const selected = computed<Selected | null>(() =>
  selectedKey.value === '' ? null : (JSON.parse(selectedKey.value) as Selected),
);
export const measure = computed(() => measureOf(state.value.type));

/** An answer with the indexes that drawing needs. */
export interface Flame {
  answer: FlameAnswer;
  graph: Graph;
  looks: FunctionLooks;
  paths: PathHashes;
}

export const types = new Resource<string[]>();
export const labelNames = new Resource<string[]>();
export const timeline = new Resource<TimelineAnswer & { by: string }>();
export const flame = new Resource<Flame>();
export const top = new Resource<TopAnswer>();
/** Types that were seen at any time: asked only when there is nothing to show. */
export const everSeen = new Resource<string[]>();

const TABLE_ROWS = 2000;
const TEN_YEARS = 10 * 365 * 86_400_000;

export const search = computed(() => {
  const { find, regex } = state.value;
  return find === '' ? null : compile(find, regex);
});

export const matches = computed(() => {
  const graph = flame.data.value?.graph;
  const pattern = search.value;
  return graph === undefined || pattern === null || !pattern.ok ? null : findMatches(graph, pattern.test);
});

/** Row that is zoomed in on (0 for the whole) and what is in view. */
export const view = computed<{ root: number; span: Span }>(() => {
  const data = flame.data.value;
  if (data === null) return { root: 0, span: { lo: 0, hi: 0 } };
  const { zoom, span: part } = state.value;
  const zoomed = zoom === '' ? 0 : Math.max(0, data.paths.find(zoom));
  const fractions = /^(0(?:\.\d+)?)-([01](?:\.\d+)?)$/.exec(part);
  if (fractions === null) return { root: zoomed, span: spanOf(data.graph, zoomed) };
  const whole = data.graph.total[0] ?? 0;
  const span = clampSpan(data.graph, { lo: Number(fractions[1]) * whole, hi: Number(fractions[2]) * whole });
  return { root: rootOf(data.graph, span, zoomed), span };
});

/** Zooms to a row; the root is the whole. */
export function zoomTo(row: number, history: 'push' | 'replace' = 'push'): void {
  const data = flame.data.value;
  if (data === null) return;
  update({ zoom: row <= 0 ? '' : data.paths.of(row), span: '' }, history);
}

/** Matchers without those on labels of samples, which no timeline can group by but which it can filter by. */
export function withoutPhase(query: string): string {
  return formatQuery(matchersOf(query).filter(m => m.name !== 'phase'));
}

export function isSampleLabel(name: string): boolean {
  return (SAMPLE_LABELS as readonly string[]).includes(name);
}

/** The answer is there, and nothing is in it. */
export const empty = computed(() => {
  const answer = flame.data.value?.answer;
  return answer !== undefined && (answer.profiles === 0 || answer.sum === 0);
});

/** Starts asking; called once. */
export function start(): void {
  addEventListener('popstate', () => {
    batch(() => {
      now.value = Date.now();
      state.value = parseState(location.search);
    });
  });

  // A refresh asks again even where the range, which moves in steps of 10 s, is still the same.
  const asked = () => {
    void now.value;
    return selected.value;
  };
  effect(() => {
    const s = asked();
    if (s === null) return;
    types.load(signal => api.types({ query: withoutPhase(s.query), from: s.from, until: s.until }, signal));
    labelNames.load(async signal => (await api.labels({ ...s, query: '' }, signal)).names);
  });
  const by = computed(() => state.value.by);
  effect(() => {
    const s = asked();
    const label = by.value;
    if (s === null) return;
    timeline.load(async signal => ({
      ...(await api.timeline(s, label === '' ? [] : [label], signal)),
      by: label,
    }));
  });
  const nodes = computed(() => state.value.nodes);
  effect(() => {
    const s = asked();
    const limit = nodes.value;
    if (s === null) return;
    flame.load(async signal => {
      const answer = averageSnapshots(s.type, await api.flamegraph(s, limit, signal));
      const graph = buildGraph(answer);
      return { answer, graph, looks: looksOf(graph.functions), paths: new PathHashes(graph) };
    });
  });
  const wantsTop = computed(() => state.value.view !== 'flame');
  effect(() => {
    const s = asked();
    if (s === null || !wantsTop.value) return;
    top.load(async signal => averageSnapshots(s.type, await api.top(s, TABLE_ROWS, signal)));
  });

  effect(() => {
    if (empty.value)
      everSeen.load(signal => api.types({ from: now.value - TEN_YEARS, until: now.value + 60_000 }, signal));
  });

  effect(() => {
    const pinned = matchersOf(state.value.query).filter(m => m.op === '=' && m.name !== 'phase');
    document.title = [...pinned.map(m => shortId(m.value)), measure.value.name, 'Stackwell'].join(' · ');
  });

  // Following the clock: every 10 s, for that is how long a window is; faster while there is nothing yet.
  let last = Date.now();
  setInterval(() => {
    const failing = flame.error.value?.status === 0 || timeline.error.value?.status === 0;
    const following = state.value.live && relative.value;
    const wait =
      empty.value && relative.value ? 2_000 : following ? 10_000 : failing ? 5_000 : Number.POSITIVE_INFINITY;
    const elapsed = Date.now() - last;
    if (document.hidden || elapsed < wait || (flame.loading.value && elapsed < 60_000)) return;
    last = Date.now();
    refresh();
  }, 500);
  effect(() => {
    last = now.value;
  });
}
