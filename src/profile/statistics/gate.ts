// SPDX-License-Identifier: Apache-2.0
// What must not happen from one side to another, as a text: `self > 5% and q < 0.01`.
import { StackwellError } from '../../errors.js';
import type { Detectable, Everything } from './answer.js';
import { POWER } from './compare.js';
import { type Ranked, type RankInput, ranked } from './ranking.js';
import { studentQuantile } from './student.js';

/** Of a function: change of its self or total time, part of all, cost in cores, false discovery rate. Of all: work, whole. */
const NAMES = ['self', 'total', 'share', 'cost', 'q', 'work', 'whole'] as const;
type Name = (typeof NAMES)[number];

interface Term {
  name: Name;
  op: '>' | '>=' | '<' | '<=';
  value: number;
}

export interface Gate {
  text: string;
  terms: Term[];
  /** Which times of functions it is about. */
  by: 'self' | 'total';
  /** About everything at once, and no function; null when it is about functions. */
  about: 'work' | 'whole' | null;
}

/** @throws SW_USAGE */
export function parseGate(text: string): Gate {
  const terms = text.split(/\s+and\s+/i).map(part => {
    const match = /^\s*([a-z]+)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*(%?)\s*$/i.exec(part);
    const name = match?.[1] as Name | undefined;
    if (match === null || name === undefined || !NAMES.includes(name))
      throw new StackwellError('SW_USAGE', {
        reason: `--fail-on: ${JSON.stringify(part)} is not one of ${NAMES.join(', ')}, then > or <, then a number; join several with "and"`,
      });
    return { name, op: match[2] as Term['op'], value: Number(match[3]) / (match[4] === '%' ? 100 : 1) };
  });
  const has = (...names: Name[]) => terms.some(({ name }) => names.includes(name));
  const about = has('work') ? 'work' : has('whole') ? 'whole' : null;
  if (has('work') && has('whole'))
    throw new StackwellError('SW_USAGE', { reason: '--fail-on: either work or whole' });
  if (about !== null && has('self', 'total', 'share', 'cost'))
    throw new StackwellError('SW_USAGE', {
      reason: '--fail-on: work and whole are about everything, and do not go with what is about functions',
    });
  if (has('self') && has('total'))
    throw new StackwellError('SW_USAGE', { reason: '--fail-on: either self or total' });
  return { text, terms, by: has('total') ? 'total' : 'self', about };
}

function holds({ op, value }: Term, found: number): boolean {
  switch (op) {
    case '>':
      return found > value;
    case '>=':
      return found >= value;
    case '<':
      return found < value;
    case '<=':
      return found <= value;
  }
}

/** A function's values by the names of terms; what is new has changed without bound. */
function termValue(name: Name, one: Ranked, all: number): number {
  switch (name) {
    case 'q':
      return one.q;
    case 'share':
      return one.head / all;
    case 'cost':
      return one.cost;
    default:
      return one.change ?? Number.POSITIVE_INFINITY;
  }
}

export interface GateInput {
  input: RankInput;
  /** All of the head, in what the sides are compared in. */
  all: number;
  work: Everything | null;
  whole: Everything;
  detectable: Detectable;
}

export const OUTCOMES = ['pass', 'regression', 'too_little_data'] as const;

export interface GateResult {
  outcome: (typeof OUTCOMES)[number];
  /** Functions for which all terms hold, the dearest first. */
  failing: Ranked[];
  /**
   * Of the greatest function, or of everything: its part of all, and the least change of it that would have been found, as
   * `detectable`. Null where nothing is known.
   */
  seen: { share: number; change: number } | null;
}

/**
 * Whether something is what the gate names. If not, whether the greatest function that there is, or everything, could have
 * shown a change of `mustSee`: with so few samples that nothing could have failed, passing would mean nothing.
 */
export function judge(
  gate: Gate,
  { input, all, work, whole, detectable }: GateInput,
  mustSee: number,
): GateResult {
  const { terms } = gate;
  if (gate.about !== null) return judgeWhole(terms, gate.about === 'work' ? work : whole, mustSee);
  const failing: Ranked[] = [];
  let greatest = 0;
  for (const row of input.comparison.q.keys()) {
    const one = ranked(input, row);
    greatest = Math.max(greatest, one.head / all);
    if (terms.every(term => holds(term, termValue(term.name, one, all)))) failing.push(one);
  }
  failing.sort((a, b) => b.cost - a.cost);
  const change = seen(greatest, terms.find(({ name }) => name === 'q')?.value, detectable);
  const told = change === null ? null : { share: greatest, change };
  if (failing.length > 0) return { outcome: 'regression', failing, seen: told };
  return { outcome: change !== null && change <= mustSee ? 'pass' : 'too_little_data', failing, seen: told };
}

/** @param everything null where sides are not compared by the same work */
function judgeWhole(terms: Term[], everything: Everything | null, mustSee: number): GateResult {
  const failing: Ranked[] = [];
  if (everything === null) return { outcome: 'too_little_data', failing, seen: null };
  const { change, interval, p } = everything;
  const [low, high] = interval;
  // An interval is as wide as the test is blind.
  const blind = studentQuantile(0.05, Number.POSITIVE_INFINITY);
  const seen =
    low === null || high === null
      ? null
      : { share: 1, change: (((high - low) / 2) * (blind + POWER)) / blind };
  if (terms.every(term => holds(term, term.name === 'q' ? p : (change ?? Number.POSITIVE_INFINITY))))
    return { outcome: 'regression', failing, seen };
  return { outcome: seen !== null && seen.change <= mustSee ? 'pass' : 'too_little_data', failing, seen };
}

/** The least change that would be found in a function of this part of all; `detectable` is about q < 0.05. */
function seen(share: number, q = 0.05, detectable: Detectable): number | null {
  const fitting = detectable.filter(one => one.share <= share).at(-1) ?? detectable[0];
  if (fitting === undefined || fitting.change === null) return null;
  const sigmas = (level: number) =>
    studentQuantile(Math.min(1, level * fitting.share), Number.POSITIVE_INFINITY) + POWER;
  // A part of all that is smaller than the least one listed needs a change that is greater by the root of it.
  const smaller = Math.sqrt(fitting.share / Math.max(share, 1e-6));
  return ((fitting.change * sigmas(q)) / sigmas(0.05)) * Math.max(1, smaller);
}
