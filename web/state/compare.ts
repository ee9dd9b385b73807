// SPDX-License-Identifier: Apache-2.0
// The second mode: what is compared, what is asked for it, and what follows from the answers.
import { computed, effect } from '@preact/signals';
import { colourChanges, GREYS } from '../flame/diff.js';
import { DIFF } from '../flame/diff-palette.js';
import { fnv } from '../flame/graph.js';
import {
  api,
  type DeploysAnswer,
  type PairAnswer,
  type Parameters,
  type TimelineAnswer,
} from '../lib/api.js';
import { costUnitOf } from '../lib/format.js';
import { equalTo, formatQuery, matchersOf, withLabels } from '../lib/query.js';
import { rankingOf, rankingOfPair, unchangedOf } from '../lib/ranking.js';
import { type Range, resolveRange } from '../lib/time.js';
import { formatChange } from '../lib/verdict.js';
import { attempts, now, refresh, state, update } from './address.js';
import { NO_TIMES } from './compare-to.js';
import { type Compared, comparedOf } from './compared.js';
import { type Drawn, FlameModel } from './flame-model.js';
import { Resource } from './resource.js';

export type SideName = 'left' | 'right';

/** A question as text: it only changes when something in it does. */
function keyed(question: () => Parameters | null) {
  return computed(() => {
    const asked = question();
    return asked === null ? '' : JSON.stringify(asked);
  });
}

const comparing = computed(() => state.value.mode === 'compare');
export const ofDeploys = computed(() => state.value.sides === 'deploys');

/** Matchers that hold for both deploys, besides the service. */
export const besides = computed(() => withLabels(state.value.query, { service_name: null, deploy: null }));

/** What both endpoints take alike, so that the server does the work for both once. */
const shared = () => {
  const { norm, factor, without, nodes } = state.value;
  return {
    normalization: norm,
    factor: norm === 'factor' ? factor : undefined,
    without_rules: without,
    max_nodes: nodes,
  };
};

/** The pair that the server chose, or was told to take. */
export const pair = new Resource<PairAnswer>();
const pairKey = keyed(() => {
  const { service, type, base, head, since, upto, rank, ...own } = state.value;
  if (!comparing.value || !ofDeploys.value || service === '') return null;
  return {
    service,
    type,
    base,
    head,
    query: besides.value,
    from: since,
    until: upto,
    base_from: own.left_from,
    base_until: own.left_until,
    head_from: own.right_from,
    head_until: own.right_until,
    by: rank,
    limit: 200,
    ...shared(),
  };
});

export interface Side extends Range {
  query: string;
}

/** The range of one of two selections: its own, else the page's. */
export function rangeOf(name: SideName): Range | null {
  const { from, until } = state.value;
  const own = { from: state.value[`${name}_from`], until: state.value[`${name}_until`] };
  return resolveRange(own.from || from, own.until || until, now.value);
}

/** Both sides as they are asked for; null while that is not known. */
export const sides = computed<Record<SideName, Side> | null>(() => {
  if (!comparing.value) return null;
  if (ofDeploys.value) {
    const answer = pair.data.value;
    if (answer === null || answer.service !== state.value.service) return null;
    const side = ({ deploy, from, until }: PairAnswer['base']) => ({
      query: formatQuery([
        ...matchersOf(besides.value),
        { name: 'service_name', op: '=', value: answer.service },
        { name: 'deploy', op: '=', value: deploy },
      ]),
      from,
      until,
    });
    return { left: side(answer.base), right: side(answer.head) };
  }
  const left = rangeOf('left');
  const right = rangeOf('right');
  if (left === null || right === null) return null;
  return { left: { query: state.value.left, ...left }, right: { query: state.value.right, ...right } };
});

const diffKey = keyed(() => {
  const both = sides.value;
  if (both === null) return null;
  return {
    type: state.value.type,
    left_query: both.left.query,
    left_from: both.left.from,
    left_until: both.left.until,
    right_query: both.right.query,
    right_from: both.right.from,
    right_until: both.right.until,
    ...shared(),
  };
});

export const compared = new Resource<Compared>();

/** No answer for what is asked yet. */
export const waiting = computed(
  () => compared.data.value === null && (pair.loading.value || compared.loading.value),
);
export const failed = computed(() => (ofDeploys.value ? pair.error.value : null) ?? compared.error.value);

const coloured = computed(() => {
  const data = compared.data.value;
  if (data === null) return null;
  const { rank } = state.value;
  const { name } = data.answer.functions;
  const greys = Uint8Array.from(name, text => {
    const h = fnv(text);
    return ((h ^ (h >>> 15) ^ (h >>> 7)) >>> 0) % GREYS;
  });
  const colours = colourChanges(data.merged, data.answer, data, rank, fn => greys[fn]!);
  const { left, right } = data.answer;
  const note = (row: number) => {
    if (colours[row]! < GREYS) return '';
    const a = left[rank][row]! * data.normalization.left;
    const b = right[rank][row]! * data.normalization.right;
    return formatChange(a > 0 ? b / a - 1 : null);
  };
  return { data, colours, note };
});

const drawn = (which: 'merged' | SideName) =>
  computed<Drawn | null>(() => {
    if (coloured.value === null) return null;
    const { data, colours, note } = coloured.value;
    return { graph: data[which], paths: data.paths, colours, palettes: DIFF, dust: 0, note };
  });

export const mergedPicture = new FlameModel(drawn('merged'));
export const leftPicture = new FlameModel(drawn('left'), mergedPicture);
export const rightPicture = new FlameModel(drawn('right'), mergedPicture);

export const costUnit = computed(() => {
  const right = compared.data.value?.answer.right;
  const each = right === undefined || right.profiles === 0 ? 1 : (right.seconds ?? 0) / right.profiles;
  return costUnitOf(state.value.type, each);
});

/** Of deploys as the server ranks them; of selections from the tests in the answer. */
export const ranking = computed(() => {
  if (ofDeploys.value) return pair.data.value === null ? null : rankingOfPair(pair.data.value);
  const data = compared.data.value;
  return data === null ? null : rankingOf(data.answer, state.value.rank);
});
export const unchanged = computed(() => {
  const data = compared.data.value;
  return data === null || !state.value.all ? [] : unchangedOf(data.answer, state.value.rank);
});

/** A side has no profiles. */
export const nothing = computed<SideName[]>(() => {
  const answer = compared.data.value?.answer;
  if (answer === undefined) return [];
  return (['left', 'right'] as const).filter(name => answer[name].profiles === 0 || answer[name].sum === 0);
});

/** Of the chosen service, or of all while none is chosen. */
export const deploys = new Resource<DeploysAnswer & { service: string }>();
/** What each side did around its time. */
export const histories: Record<SideName, Resource<TimelineAnswer & Range>> = {
  left: new Resource(),
  right: new Resource(),
};

/** What the little timelines show: both sides on one axis where that leaves enough of each, else each with its surroundings. */
export const axes = computed<Record<SideName, Range> | null>(() => {
  const both = sides.value;
  if (both === null) return null;
  const { left, right } = both;
  const from = Math.min(left.from, right.from);
  const until = Math.max(left.until, right.until);
  const shorter = Math.min(left.until - left.from, right.until - right.from);
  const pad = (range: Range, by: number) => {
    const more = Math.max(60_000, Math.round((range.until - range.from) * by));
    return {
      from: Math.floor((range.from - more) / 10_000) * 10_000,
      until: Math.min(
        Math.ceil(Date.now() / 10_000) * 10_000,
        Math.ceil((range.until + more) / 10_000) * 10_000,
      ),
    };
  };
  if (until - from <= 12 * shorter) {
    const axis = pad({ from, until }, 0.12);
    return { left: axis, right: axis };
  }
  return { left: pad(left, 1), right: pad(right, 1) };
});

const RETRY_MS = 5_000;

/** Starts asking; called once. */
export function startComparing(): void {
  // What is on the screen of another service or kind would look like the answer.
  const subject = computed(() => {
    const { service, type } = state.value;
    return JSON.stringify([comparing.value, ofDeploys.value, ofDeploys.value ? service : '', type]);
  });
  effect(() => {
    void subject.value;
    pair.clear();
    compared.clear();
    for (const name of ['left', 'right'] as const) histories[name].clear();
  });
  effect(() => {
    void now.value;
    const key = pairKey.value;
    if (key === '') return;
    pair.load(signal => api.pair(JSON.parse(key) as Parameters, signal));
  });
  effect(() => {
    void attempts.value;
    const key = diffKey.value;
    if (key === '') return;
    compared.load(async signal => comparedOf(await api.diff(JSON.parse(key) as Parameters, signal)));
  });
  // A server that does not answer may do so soon.
  const unreachable = computed(() => (failed.value ?? deploys.error.value)?.status === 0);
  setInterval(() => {
    if (comparing.peek() && unreachable.peek() && !document.hidden) refresh();
  }, RETRY_MS);
  const deploysKey = keyed(() => {
    const { service, type, since, upto } = state.value;
    if (!comparing.value || !ofDeploys.value) return null;
    return {
      service,
      type,
      query: besides.value,
      from: since,
      until: upto,
      limit: service === '' ? 200 : 100,
    };
  });
  effect(() => {
    void now.value;
    const key = deploysKey.value;
    if (key === '') return;
    const asked = JSON.parse(key) as Parameters;
    deploys.load(async signal => ({
      ...(await api.deploys(asked, signal)),
      service: String(asked.service ?? ''),
    }));
  });
  for (const name of ['left', 'right'] as const) {
    const historyKey = keyed(() => {
      const axis = axes.value?.[name];
      if (axis === undefined) return null;
      return { type: state.value.type, query: sides.value![name].query, ...axis };
    });
    effect(() => {
      const key = historyKey.value;
      if (key === '') return;
      const asked = JSON.parse(key) as { type: string; query: string } & Range;
      histories[name].load(async signal => ({ ...(await api.timeline(asked, [], signal)), ...asked }));
    });
  }
}

/** Two selections of their own, from whatever is compared now. */
export function compareSelections(): void {
  const both = sides.peek();
  const { query } = state.peek();
  update({
    sides: 'selections',
    zoom: '',
    span: '',
    ...(both === null
      ? { left: query, right: query, ...NO_TIMES }
      : {
          left: both.left.query,
          right: both.right.query,
          left_from: String(both.left.from),
          left_until: String(both.left.until),
          right_from: String(both.right.from),
          right_until: String(both.right.until),
        }),
  });
}

/** Deploys, of the service that both selections are of if no other was chosen. */
export function compareDeploysOf(): void {
  const { service, left, right } = state.peek();
  const [a, b] = [equalTo(left, 'service_name'), equalTo(right, 'service_name')];
  update({
    sides: 'deploys',
    service: service || (a === b ? (a ?? '') : ''),
    zoom: '',
    span: '',
    ...NO_TIMES,
  });
}

export function swapSides(): void {
  const { left, right, left_from, left_until, right_from, right_until } = state.peek();
  const chosen = pair.data.peek();
  const factor = Number(state.peek().factor);
  update({
    left: right,
    right: left,
    left_from: right_from,
    left_until: right_until,
    right_from: left_from,
    right_until: left_until,
    ...(ofDeploys.peek() && chosen !== null ? { base: chosen.head.deploy, head: chosen.base.deploy } : {}),
    ...(factor > 0 ? { factor: String(1 / factor) } : {}),
  });
}

/** All matching rules, used or not, as the last answer told. */
export const rules = computed(() => {
  const answer = compared.data.value?.answer;
  return answer === undefined ? [] : [...answer.matching, ...answer.matchingOff];
});
