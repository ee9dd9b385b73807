// SPDX-License-Identifier: Apache-2.0
// Questions to the server, and its answers as docs/api.md has them.
import type { Coverage } from '../../src/profile/coverage.js';
import type { Detectable, Everything } from '../../src/profile/statistics/answer.js';
import type { Normalization } from '../../src/profile/statistics/normalization.js';
import type { Ranked, Verdict } from '../../src/profile/statistics/ranking.js';
import type { Columns, Functions } from '../flame/graph.js';

export interface Selected {
  type: string;
  query: string;
  /** Unix milliseconds. */
  from: number;
  until: number;
}

export interface Stats extends Coverage {
  clocks: string[];
}

interface Answer {
  from: number;
  until: number;
  warnings: string[];
}

export interface FlameAnswer extends Answer, Columns {
  type: string;
  unit: string;
  profiles: number;
  sum: number;
  omittedNodes: number;
  stats: Stats;
}

export interface TopAnswer extends Answer {
  profiles: number;
  sum: number;
  functions: Functions;
  self: number[];
  total: number[];
  /** Functions past the limit. */
  omitted: number;
}

export interface TimelineAnswer extends Answer {
  /** Milliseconds. */
  step: number;
  series: {
    labels: Record<string, string>;
    times: number[];
    totals: number[];
    /** Of snapshots: how many are in each bucket. */
    counts?: number[];
  }[];
  omittedSeries: number;
}

export interface MatchingRule {
  id: string;
  what: string;
  example: string;
  becomes: string;
}

/** One side of a comparison, in its own numbers. */
export interface ComparedSide extends Answer {
  profiles: number;
  limited: boolean;
  stats: Stats;
  instances: number | null;
  /** Of all instances together. */
  seconds: number | null;
  sum: number;
}

export interface Replicates {
  instances: number;
  /** Of time. */
  blocks: number;
}

/** null where a number has no bound or there is nothing to divide by. */
type Numbers = (number | null)[];

/** By function; normalized. */
export interface TestedColumns {
  left: number[];
  right: number[];
  change: Numbers;
  low: Numbers;
  high: Numbers;
  q: number[];
}

interface Comparing {
  normalization: Normalization;
  /** Rules that were used, and those that were turned off. */
  matching: MatchingRule[];
  matchingOff: MatchingRule[];
}

export interface TestedFunctions {
  functions: Functions;
  untested: number;
  replicates: { left: Replicates; right: Replicates };
  self: TestedColumns;
  total: TestedColumns;
  whole: TestedColumns;
  work: TestedColumns | null;
  detectable: Detectable;
}

export interface DiffSide extends ComparedSide {
  start: number[];
  total: number[];
  self: number[];
}

export interface DiffAnswer extends Comparing {
  type: string;
  unit: string;
  functions: Functions;
  depth: number[];
  function: number[];
  omittedNodes: number;
  left: DiffSide;
  right: DiffSide;
  statistics: TestedFunctions;
}

export interface Deploy {
  service: string;
  deploy: string;
  /** Unix milliseconds, in the range that was asked for. */
  first: number;
  last: number;
  hosts: number;
  instances: number;
  profiles: number;
  total: number;
}

/** The newest first. */
export interface DeploysAnswer extends Answer {
  step: number;
  deploys: Deploy[];
  omitted: number;
}

export interface ComparedDeploy extends ComparedSide {
  deploy: string;
  first: number;
  last: number;
  hosts: number;
}

/** What got dearer and what cheaper from one deploy to another. */
export interface PairAnswer extends Comparing {
  service: string;
  type: string;
  unit: string;
  base: ComparedDeploy;
  head: ComparedDeploy;
  concurrent: boolean;
  verdict: Verdict;
  whole: Everything;
  work: Everything | null;
  by: 'self' | 'total';
  regressions: Ranked[];
  improvements: Ranked[];
  omitted: { regressions: number; improvements: number };
  tested: number;
  untested: number;
  replicates: { base: Replicates; head: Replicates };
  detectable: Detectable;
  warnings: string[];
}

export interface ValuesAnswer extends Answer {
  values: string[];
  omitted: number;
}

/** What the server, or the way to it, had to say instead of an answer. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly fix: string,
    readonly status: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export type Parameters = Record<string, string | number | undefined>;

export function apiPath(
  noun: string,
  selected: Parameters | Partial<Selected>,
  more: Parameters = {},
): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...selected, ...more }))
    if (value !== undefined && value !== '') search.set(key, String(value));
  return `/api/v1/${noun}?${search}`;
}

/** Fetches or throws ApiError; an abort stays what it is. */
export async function ask(path: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, signal === undefined ? {} : { signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(
      'unreachable',
      'The server does not answer.',
      'Check that stackwell runs and that this address still leads to it. The page tries again by itself.',
      0,
    );
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => null)) as {
    code?: string;
    message?: string;
    fix?: string;
  } | null;
  throw new ApiError(
    body?.code ?? `HTTP ${response.status}`,
    body?.message ?? `The server answered ${response.status} ${response.statusText}.`,
    body?.fix ?? 'See the log of the server around this time.',
    response.status,
  );
}

async function json<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, signal)).json()) as T;
}

export const api = {
  async types(selected: Partial<Selected>, signal?: AbortSignal): Promise<string[]> {
    const answer = await json<{ types: { id: string }[] }>(apiPath('types', selected), signal);
    return answer.types.map(type => type.id);
  },
  labels(selected: Selected, signal?: AbortSignal): Promise<{ names: string[]; sampleNames: string[] }> {
    return json(apiPath('labels', selected), signal);
  },
  values(name: string, selected: Selected, limit: number, signal?: AbortSignal): Promise<ValuesAnswer> {
    return json(apiPath(`labels/${encodeURIComponent(name)}/values`, selected, { limit }), signal);
  },
  timeline(selected: Selected, groupBy: string[], signal?: AbortSignal): Promise<TimelineAnswer> {
    return json(apiPath('timeline', selected, { group_by: groupBy.join(',') }), signal);
  },
  flamegraph(selected: Selected, maxNodes: number, signal?: AbortSignal): Promise<FlameAnswer> {
    return json(apiPath('flamegraph', selected, { max_nodes: maxNodes, format: 'json' }), signal);
  },
  deploys(asked: Parameters, signal?: AbortSignal): Promise<DeploysAnswer> {
    return json(apiPath('deploys', asked), signal);
  },
  pair(asked: Parameters, signal?: AbortSignal): Promise<PairAnswer> {
    return json(apiPath('deploys/compare', asked), signal);
  },
  diff(asked: Parameters, signal?: AbortSignal): Promise<DiffAnswer> {
    return json(apiPath('diff', asked), signal);
  },
  top(selected: Selected, limit: number, signal?: AbortSignal): Promise<TopAnswer> {
    return json(apiPath('top', selected, { limit }), signal);
  },
};

export const DOWNLOADS: {
  name: string;
  title: string;
  path: (selected: Selected) => string;
  file: string;
}[] = [
  {
    name: 'pprof',
    title: 'Merged profile for go tool pprof',
    path: s => apiPath('pprof', s),
    file: 'profile.pb.gz',
  },
  {
    name: 'svg',
    title: 'Flame graph as one SVG file',
    path: s => apiPath('flamegraph', s, { format: 'svg' }),
    file: 'flamegraph.svg',
  },
  {
    name: 'folded',
    title: 'One stack a line, for flamegraph.pl and scripts',
    path: s => apiPath('flamegraph', s, { format: 'folded' }),
    file: 'profile.folded',
  },
  {
    name: 'speedscope',
    title: 'JSON for speedscope.app',
    path: s => apiPath('flamegraph', s, { format: 'speedscope' }),
    file: 'profile.speedscope.json',
  },
];
