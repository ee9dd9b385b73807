// SPDX-License-Identifier: Apache-2.0
// Two selections or deploys, compared by a server.
import { StackwellError } from '../../errors.js';
import { ask } from '../ask.js';
import type { DiffAnswer } from './comparison.js';

export interface Target {
  /** As it was given. */
  text: string;
  query: string;
  deploy?: { service: string; name: string };
}

/** `{service_name="checkout"}`, or `checkout@v42`. @throws SW_USAGE */
export function parseTarget(text: string): Target {
  if (text.startsWith('{')) return { text, query: text };
  const at = text.lastIndexOf('@');
  if (at <= 0 || at === text.length - 1)
    throw new StackwellError('SW_USAGE', {
      reason: `${JSON.stringify(text)} is no file, no selection such as {service_name="checkout"} and no deploy such as checkout@v42`,
    });
  const deploy = { service: text.slice(0, at), name: text.slice(at + 1) };
  const query = `{service_name=${JSON.stringify(deploy.service)}, deploy=${JSON.stringify(deploy.name)}}`;
  return { text, query, deploy };
}

export interface Asking {
  server: string;
  /** Of both endpoints. */
  parameters: Record<string, string>;
  /** As given; those that are not are chosen, for deploys by the server. */
  times: Partial<Record<'from' | 'until' | 'base-from' | 'base-until' | 'head-from' | 'head-until', string>>;
}

interface Chosen {
  base: { deploy: string; from: number; until: number };
  head: { deploy: string; from: number; until: number };
  concurrent: boolean;
  warnings: string[];
}

/** Two deploys of a service; the newest and the one before it where none are named. */
export async function compareDeploys(
  service: string,
  pair: { base?: string; head?: string },
  { server, parameters, times }: Asking,
): Promise<{ answer: DiffAnswer; base: string; head: string; concurrent: boolean }> {
  const own = Object.fromEntries(
    Object.entries(times).map(([name, value]) => [name.replace('-', '_'), value]),
  );
  // Only which deploys and which times: the tree has the rest.
  const chosen = JSON.parse(
    (
      await ask(server, 'deploys/compare', { parameters: { service, ...pair, ...own, ...parameters } })
    ).toString(),
  ) as Chosen;
  const query = (deploy: string) =>
    `{service_name=${JSON.stringify(service)}, deploy=${JSON.stringify(deploy)}}`;
  const answer = await askDiff(server, {
    ...parameters,
    left_query: query(chosen.base.deploy),
    left_from: String(chosen.base.from),
    left_until: String(chosen.base.until),
    right_query: query(chosen.head.deploy),
    right_from: String(chosen.head.from),
    right_until: String(chosen.head.until),
  });
  return { answer, base: chosen.base.deploy, head: chosen.head.deploy, concurrent: chosen.concurrent };
}

export async function compareSelections(
  left: Target,
  right: Target,
  { server, parameters, times }: Asking,
): Promise<DiffAnswer> {
  const side = (which: 'base' | 'head', name: 'left' | 'right') => ({
    [`${name}_from`]: times[`${which}-from`] ?? times.from ?? 'now-15m',
    [`${name}_until`]: times[`${which}-until`] ?? times.until ?? 'now',
  });
  return askDiff(server, {
    ...parameters,
    left_query: left.query,
    right_query: right.query,
    ...side('base', 'left'),
    ...side('head', 'right'),
  });
}

async function askDiff(server: string, parameters: Record<string, string>): Promise<DiffAnswer> {
  return JSON.parse((await ask(server, 'diff', { parameters })).toString()) as DiffAnswer;
}
