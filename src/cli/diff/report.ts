// SPDX-License-Identifier: Apache-2.0
// A comparison for people: what got dearer and cheaper, and how sure that is.
import { formatChange } from '../../profile/formats/diff-svg.js';
import { isOfParts, rankInputOf } from '../../profile/statistics/answer.js';
import { type Ranked, rank, tellingChange, verdictOf } from '../../profile/statistics/ranking.js';
import { formatValue } from '../../profile/units.js';
import { table } from '../output.js';
import type { DiffAnswer } from './comparison.js';

const MAX_NAME = 80;

function shorten(name: string): string {
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 31)}…${name.slice(-30)}`;
}

/** What is compared, as parts or as amounts. */
function amount(value: number, kind: string, unit: string): string {
  if (isOfParts(kind)) return `${(100 * value).toFixed(2)}%`;
  if (kind === 'duration' && unit === 'nanoseconds') return (value / 1e9).toFixed(4);
  return formatValue(value, unit);
}

function interval([low, high]: Ranked['interval']): string {
  const bound = (value: number | null, none: string) => (value === null ? none : formatChange(value));
  return `${bound(low, '-∞')} … ${bound(high, '+∞')}`;
}

function rows(functions: Ranked[], kind: string, unit: string): string {
  return table(
    ['CHANGE', 'INTERVAL', 'BEFORE', 'AFTER', 'COST', 'Q', 'FUNCTION', 'FILE'],
    functions.map(one => [
      formatChange(one.change),
      interval(one.interval),
      amount(one.base, kind, unit),
      amount(one.head, kind, unit),
      `${one.cost >= 0 ? '+' : ''}${one.cost.toPrecision(2)}`,
      one.q < 0.0001 ? '<0.0001' : one.q.toFixed(4),
      shorten(one.function),
      one.file,
    ]),
  );
}

const VERDICT_TEXT = {
  regression: 'It got dearer.',
  improvement: 'It got cheaper.',
  mixed: 'Some of it got dearer, some cheaper.',
  no_change: 'Nothing changed for sure.',
  too_little_data: 'There is too little data to tell.',
} as const;

export interface Report {
  lists: ReturnType<typeof rank>;
  verdict: ReturnType<typeof verdictOf>;
  text: string;
}

export function report(answer: DiffAnswer, by: 'self' | 'total', limit: number): Report {
  const { statistics, normalization, unit, left, right } = answer;
  const lists = rank(rankInputOf(answer, by));
  const telling = tellingChange(statistics.detectable);
  const verdict = verdictOf(lists, statistics.detectable);
  const text: string[] = [];
  const list = (title: string, functions: Ranked[]) => {
    if (functions.length === 0) return;
    const more = functions.length - limit;
    text.push(title, rows(functions.slice(0, limit), normalization.kind, unit));
    if (more > 0) text.push(`… and ${more} more (--limit)`);
    text.push('');
  };
  list('DEARER', lists.regressions);
  list('CHEAPER', lists.improvements);
  const size = (side: DiffAnswer['left'], { instances, blocks }: { instances: number; blocks: number }) =>
    `${formatValue(Number(side.sum), unit)} in ${instances} instance${instances === 1 ? '' : 's'}, ${blocks} block${blocks === 1 ? '' : 's'} of time`;
  text.push(VERDICT_TEXT[verdict]);
  const work = statistics.work;
  if (work !== null)
    text.push(
      `The same work costs ${formatChange(work.change[0] ?? null)} (${interval([work.low[0] ?? null, work.high[0] ?? null])}).`,
    );
  if (telling !== null)
    text.push(
      `In a function with a fifth of all, a change of ${(100 * telling).toFixed(1)} % would have been found in four of five cases.`,
    );
  text.push(
    `Before: ${size(left, statistics.replicates.left)}. After: ${size(right, statistics.replicates.right)}.`,
    `Compared by ${normalization.kind}, ${by} time, ${statistics.functions.name.length} functions.`,
  );
  return { lists, verdict, text: `${text.join('\n')}\n` };
}
