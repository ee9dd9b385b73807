// SPDX-License-Identifier: Apache-2.0
// Deploys of a service, as its profiles tell them: nobody has to announce one. They are read off the rollups, so they are
// known for as long as anything of them is kept.
import { StackwellError } from '../../errors.js';
import { labelOf } from '../../profile/labels.js';
import type { Query } from './query.js';
import type { Question } from './question.js';
import { INSTANCE_LABELS } from './replicates.js';
import { chooseStep } from './timeline.js';

/** How exactly first and last moments are looked up; profiles are seconds long. */
const EXACT_MS = 1000;
/** How long a window mostly is: from the start of the last one on, a deploy was there for so long. */
const WINDOW_MS = 10_000;
/** First and last moments are looked up to the window for the newest ones. */
const EXACT = 20;

export interface Deploy {
  service: string;
  /** Never ''. */
  deploy: string;
  /** Unix milliseconds: start of the first window and end of the last one, in the range. */
  first: number;
  last: number;
  hosts: number;
  instances: number;
  profiles: number;
  total: bigint;
}

export interface Deploys {
  /** The newest first. */
  deploys: Deploy[];
  /** Milliseconds: how exact `first` and `last` are, but of the newest ones. */
  step: number;
  warnings: string[];
}

export async function listDeploys(query: Query, question: Question): Promise<Deploys> {
  const { from, until } = question.selection;
  const step = chooseStep(from, until);
  const { series, warnings } = await query.timeline(question, step, ['service_name', 'deploy']);
  const deploys = new Map<string, Deploy>();
  for (const { labels, times, totals, profiles } of series) {
    const deploy = labelOf(labels, 'deploy');
    if (deploy === '' || times.length === 0) continue;
    const service = labelOf(labels, 'service_name');
    deploys.set(JSON.stringify([service, deploy]), {
      service,
      deploy,
      first: Math.max(from, times[0]!),
      last: Math.min(until, times.at(-1)! + step),
      hosts: 0,
      instances: 0,
      profiles,
      total: totals.reduce((sum, one) => sum + one, 0n),
    });
  }
  const hosts = new Map<Deploy, Set<string>>();
  const instances = await query.timeline(question, Math.max(step, until - from), [
    'service_name',
    'deploy',
    ...INSTANCE_LABELS,
  ]);
  for (const { labels } of instances.series) {
    const deploy = deploys.get(JSON.stringify([labelOf(labels, 'service_name'), labelOf(labels, 'deploy')]));
    if (deploy === undefined) continue;
    deploy.instances++;
    const seen = hosts.get(deploy) ?? new Set();
    hosts.set(deploy, seen.add(labelOf(labels, 'host')));
    deploy.hosts = seen.size;
  }
  const newest = [...deploys.values()].sort(newestFirst);
  if (step > EXACT_MS)
    for (const deploy of newest.slice(0, EXACT)) await refine(query, question, deploy, step);
  newest.sort(newestFirst);
  return { deploys: newest, step, warnings: [...new Set([...warnings, ...instances.warnings])] };
}

function newestFirst(a: Deploy, b: Deploy): number {
  return b.first - a.first || b.last - a.last || (a.deploy < b.deploy ? 1 : -1);
}

/** Where windows are still kept as they came, they say to the window when a deploy was there first and last. */
async function refine(query: Query, question: Question, deploy: Deploy, step: number): Promise<void> {
  const { selection } = question;
  const within = async (from: number, until: number): Promise<number[]> => {
    const matchers = [
      ...selection.matchers,
      { name: 'service_name', op: '=' as const, value: deploy.service },
      { name: 'deploy', op: '=' as const, value: deploy.deploy },
    ];
    const { series } = await query.timeline(
      { ...question, selection: { ...selection, matchers, from, until } },
      EXACT_MS,
      [],
    );
    return series[0]?.times ?? [];
  };
  const { from, until } = selection;
  const first = (await within(deploy.first, Math.min(until, deploy.first + step)))[0];
  if (first !== undefined) deploy.first = Math.max(from, first);
  const last = (await within(Math.max(from, deploy.last - step), deploy.last)).at(-1);
  if (last !== undefined) deploy.last = Math.min(until, last + WINDOW_MS);
}

/** Which two are compared, and over which times. */
export interface Pair {
  base: Deploy;
  head: Deploy;
  /** Both ran at once, so that both sides are of the same time. */
  concurrent: boolean;
  times: Record<'base' | 'head', { from: number; until: number }>;
}

/** What an instance does when it starts is not what it does for the rest of its life. */
const SETTLE_MS = 60_000;
const LONG_ENOUGH_TO_SETTLE_MS = 300_000;
/** Both at once for this long, or for half of the shorter life, is a comparison at the same time. */
const TOGETHER_MS = 600_000;
/** The most that is compared of each side. */
const WINDOW_OF_COMPARISON_MS = 3_600_000;

/**
 * The newest deploy and the one before it, where none are named.
 * @throws SW_DEPLOY_UNKNOWN
 */
export function choosePair(
  deploys: Deploy[],
  { service, base, head }: { service: string; base?: string | undefined; head?: string | undefined },
): Pair {
  const named = (deploy: string) => {
    const found = deploys.find(one => one.deploy === deploy);
    if (found === undefined)
      throw new StackwellError('SW_DEPLOY_UNKNOWN', {
        service,
        reason: `${JSON.stringify(deploy)} is not one of ${known(deploys)}`,
      });
    return found;
  };
  const chosenHead = head === undefined ? deploys.find(one => one.deploy !== base) : named(head);
  const chosenBase =
    base === undefined
      ? deploys.find(one => one.deploy !== chosenHead?.deploy && one.first <= (chosenHead?.first ?? 0))
      : named(base);
  if (chosenHead === undefined || chosenBase === undefined)
    throw new StackwellError('SW_DEPLOY_UNKNOWN', {
      service,
      reason: `there is none before it to compare with; in this range there is ${known(deploys)}`,
    });
  return { base: chosenBase, head: chosenHead, ...timesOf(chosenBase, chosenHead) };
}

function known(deploys: Deploy[]): string {
  const MOST = 10;
  if (deploys.length === 0) return 'none';
  const names = deploys.slice(0, MOST).map(({ deploy }) => JSON.stringify(deploy));
  return names.join(', ') + (deploys.length > MOST ? `, and ${deploys.length - MOST} more` : '');
}

function timesOf(base: Deploy, head: Deploy): Pick<Pair, 'concurrent' | 'times'> {
  const life = ({ first, last }: Deploy) => last - first;
  const from = Math.max(base.first, head.first);
  const until = Math.min(base.last, head.last);
  const overlap = until - from;
  if (overlap > 0 && (overlap >= TOGETHER_MS || 2 * overlap >= Math.min(life(base), life(head)))) {
    const later = { first: from, last: until };
    const times = { from: Math.max(settled(later), until - WINDOW_OF_COMPARISON_MS), until };
    return { concurrent: true, times: { base: times, head: times } };
  }
  // One after the other: the last of what went before, and what the newer one did first, once it had settled.
  const apart = (older: Deploy, newer: Deploy) => {
    const end = Math.max(older.first + 1, Math.min(older.last, newer.first));
    const start = settled(newer);
    return {
      older: {
        from: Math.max(settled({ first: older.first, last: end }), end - WINDOW_OF_COMPARISON_MS),
        until: end,
      },
      newer: { from: start, until: Math.min(newer.last, start + WINDOW_OF_COMPARISON_MS) },
    };
  };
  if (base.first <= head.first) {
    const { older, newer } = apart(base, head);
    return { concurrent: false, times: { base: older, head: newer } };
  }
  const { older, newer } = apart(head, base);
  return { concurrent: false, times: { base: newer, head: older } };
}

function settled({ first, last }: { first: number; last: number }): number {
  return last - first >= LONG_ENOUGH_TO_SETTLE_MS ? first + SETTLE_MS : first;
}
