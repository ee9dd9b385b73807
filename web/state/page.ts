// SPDX-License-Identifier: Apache-2.0
// The state of the page and what follows from it. Parts read signals; they change the page through `update` alone.
import { computed, effect } from '@preact/signals';
import { SAMPLE_LABELS } from '../../src/profile/types.js';
import { buildGraph, PathHashes } from '../flame/graph.js';
import { colourRows, type FunctionLooks, looksOf } from '../flame/kind.js';
import {
  api,
  type DeploysAnswer,
  type FlameAnswer,
  type Selected,
  type TimelineAnswer,
  type TopAnswer,
} from '../lib/api.js';
import { measureOf } from '../lib/format.js';
import { shortDeploy } from '../lib/marks.js';
import { equalTo, formatQuery, matchersOf, withLabels } from '../lib/query.js';
import { shortId } from '../lib/scope.js';
import { averageSnapshots } from '../lib/snapshots.js';
import { type Range, resolveRange } from '../lib/time.js';
import { followHistory, now, refresh, state, update } from './address.js';
import { type Drawn, FlameModel } from './flame-model.js';
import { Resource } from './resource.js';

export { now, refresh, state, update };

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
export interface Flame extends Drawn {
  answer: FlameAnswer;
  looks: FunctionLooks;
}

export const types = new Resource<string[]>();
export const labelNames = new Resource<string[]>();
export const timeline = new Resource<TimelineAnswer & { by: string }>();
export const flame = new Resource<Flame>();
/** Deploys of the service that the query is narrowed to. */
export const serviceDeploys = new Resource<DeploysAnswer>();
export const top = new Resource<TopAnswer>();
/** Types that were seen at any time: asked only when there is nothing to show. */
export const everSeen = new Resource<string[]>();

const TABLE_ROWS = 2000;
const TEN_YEARS = 10 * 365 * 86_400_000;

export const picture = new FlameModel(flame.data);

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
  followHistory();

  // A refresh asks again even where the range, which moves in steps of 10 s, is still the same.
  const profiling = computed(() => state.value.mode === 'profile');
  const asked = () => {
    void now.value;
    return profiling.value ? selected.value : null;
  };
  effect(() => {
    void now.value;
    const s = selected.value;
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
  // Deploys do not come and go with every window: of a range that moves, they are asked for once a minute.
  const deploysKey = computed(() => {
    const s = selected.value;
    const service = s === null ? null : equalTo(s.query, 'service_name');
    if (s === null || service === null || !profiling.value) return '';
    const step = relative.value ? 60_000 : 1;
    return JSON.stringify({
      service,
      type: s.type,
      query: withLabels(s.query, { service_name: null }),
      from: Math.floor(s.from / step) * step,
      until: Math.ceil(s.until / step) * step,
      limit: 200,
    });
  });
  effect(() => {
    const key = deploysKey.value;
    if (key === '') serviceDeploys.clear();
    else serviceDeploys.load(signal => api.deploys(JSON.parse(key), signal));
  });
  const nodes = computed(() => state.value.nodes);
  effect(() => {
    const s = asked();
    const limit = nodes.value;
    if (s === null) return;
    flame.load(async signal => {
      const answer = averageSnapshots(s.type, await api.flamegraph(s, limit, signal));
      const graph = buildGraph(answer);
      const looks = looksOf(graph.functions);
      return { answer, graph, looks, paths: new PathHashes(graph), colours: colourRows(graph, looks) };
    });
  });
  const wantsTop = computed(() => state.value.view !== 'flame');
  effect(() => {
    const s = asked();
    if (s === null || !wantsTop.value) return;
    top.load(async signal => averageSnapshots(s.type, await api.top(s, TABLE_ROWS, signal)));
  });

  effect(() => {
    if (empty.value && profiling.value)
      everSeen.load(signal => api.types({ from: now.value - TEN_YEARS, until: now.value + 60_000 }, signal));
  });

  effect(() => {
    const { mode, query, sides, service, base, head } = state.value;
    const pinned = matchersOf(query).filter(m => m.op === '=' && m.name !== 'phase');
    const what =
      mode === 'profile'
        ? pinned.map(m => shortId(m.value))
        : [
            'Compare',
            ...(sides === 'deploys'
              ? [service, base && head ? `${shortDeploy(base)} → ${shortDeploy(head)}` : '']
              : []),
          ];
    document.title = [...what.filter(Boolean), measure.value.name, 'Stackwell'].join(' · ');
  });

  // Following the clock: every 10 s, for that is how long a window is; faster while there is nothing yet.
  let last = Date.now();
  setInterval(() => {
    const failing = flame.error.value?.status === 0 || timeline.error.value?.status === 0;
    const following = state.value.live && relative.value;
    const wait = !profiling.value
      ? Number.POSITIVE_INFINITY
      : empty.value && relative.value
        ? 2_000
        : following
          ? 10_000
          : failing
            ? 5_000
            : Number.POSITIVE_INFINITY;
    const elapsed = Date.now() - last;
    if (document.hidden || elapsed < wait || (flame.loading.value && elapsed < 60_000)) return;
    last = Date.now();
    refresh();
  }, 500);
  effect(() => {
    last = now.value;
  });
}
