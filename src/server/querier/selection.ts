// SPDX-License-Identifier: Apache-2.0
// What a request of querier.v1 asks for, in our terms.
import { retentionAges } from '../../config/config.js';
import { StackwellError } from '../../errors.js';
import { type Matcher, parseType } from '../../profile/types.js';
import type { Context } from '../context.js';
import { currentSecond, parseMatchers, type Question, resolveSelection } from '../query/question.js';
import { matchingTypes, splitMatchers } from './private-labels.js';

const MAX_MS = 8.64e15;
const MAX_SELECTORS = 64;
const MAX_SELECTOR_LENGTH = 16_384;
const MAX_IDS = 1024;

interface Times {
  start: bigint;
  end: bigint;
}

export interface Range {
  from: number;
  until: number;
}

export interface ProfileRequest extends Times {
  profileTypeID: string;
  labelSelector: string;
}

function missingRange(reason: string, value: bigint): StackwellError {
  return new StackwellError('SW_TIME_INVALID', { value: String(value), reason });
}

/** Half open, of a range that includes its end. @throws SW_TIME_INVALID */
export function rangeOf({ start, end }: Times): Range {
  if (start === 0n || end === 0n) throw missingRange('start and end are needed, in Unix milliseconds', 0n);
  for (const time of [start, end])
    if (time < 0n || Number(time) >= MAX_MS) throw missingRange('it is out of range', time);
  if (start > end) throw missingRange('start must not be after end', start);
  return { from: Number(start), until: Number(end) + 1 };
}

/** All that is kept, and what came ahead of this clock. */
export function everything({ config }: Context): Range {
  const now = currentSecond();
  return {
    from: now - Math.max(...Object.values(retentionAges(config.retention))),
    until: now + 3_600_000,
  };
}

/** `name{…}` is short for `{__name__="name", …}`. @throws SW_QUERY_INVALID */
export function parseNamed(selector: string): Matcher[] {
  if (selector.length > MAX_SELECTOR_LENGTH)
    throw new StackwellError('SW_QUERY_INVALID', {
      reason: `it is longer than ${MAX_SELECTOR_LENGTH} characters`,
    });
  const named = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{.*)?$/s.exec(selector);
  if (named === null) return parseMatchers(selector);
  return [{ name: '__name__', op: '=', value: named[1]! }, ...parseMatchers(named[2] ?? '')];
}

/** Matchers of all selectors together. @throws SW_QUERY_INVALID, SW_REQUEST_INVALID */
export function matchersOf(selectors: string[]): { ofType: Matcher[]; others: Matcher[] } {
  if (selectors.length > MAX_SELECTORS)
    throw new StackwellError('SW_REQUEST_INVALID', { reason: `more than ${MAX_SELECTORS} selectors` });
  return splitMatchers(selectors.flatMap(parseNamed));
}

/** Five parts; a sixth, `delta`, says nothing here. @throws SW_REQUEST_INVALID */
export function typeOf(id: string): string {
  const type = id.split(':').length === 6 ? id.slice(0, id.lastIndexOf(':')) : id;
  if (id.length > 2048 || parseType(type) === null)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `profile type: ${JSON.stringify(id.slice(0, 200))} is not name:sampleType:sampleUnit:periodType:periodUnit`,
    });
  return type;
}

/** @throws SW_REQUEST_INVALID */
export async function typedQuestion(
  { discovery }: Context,
  typeId: string,
  { ofType, others }: { ofType: Matcher[]; others: Matcher[] },
  range: Range,
  tenant: string,
): Promise<Question> {
  const type = typeOf(typeId);
  const { selection, warnings } = await resolveSelection(discovery, others, range, tenant);
  const isEmpty = matchingTypes([type], ofType).length === 0;
  return {
    type,
    unit: parseType(type)!.sampleUnit,
    selection: { ...selection, type, ...(isEmpty ? { until: range.from } : {}) },
    warnings,
  };
}

/** @throws SW_TIME_INVALID, SW_QUERY_INVALID, SW_REQUEST_INVALID */
export function questionOf(
  context: Context,
  request: ProfileRequest,
  tenant: string,
  range = rangeOf(request),
): Promise<Question> {
  const matchers = matchersOf([request.labelSelector]);
  return typedQuestion(context, request.profileTypeID, matchers, range, tenant);
}

export interface SampleSelectors {
  spanSelector?: string[];
  traceIdSelector?: string[];
}

/** The question about samples with one of these ids only. @throws SW_REQUEST_INVALID */
export function withSamples(
  question: Question,
  { spanSelector = [], traceIdSelector = [] }: SampleSelectors,
): Question {
  if (spanSelector.length > 0 && traceIdSelector.length > 0)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: 'span_selector and trace_id_selector cannot be combined',
    });
  const more = [...idMatcher('span_id', spanSelector, 16), ...idMatcher('trace_id', traceIdSelector, 32)];
  if (more.length === 0) return question;
  const { selection } = question;
  return {
    ...question,
    selection: { ...selection, sampleMatchers: [...(selection.sampleMatchers ?? []), ...more] },
  };
}

function idMatcher(name: string, ids: string[], digits: number): Matcher[] {
  if (ids.length === 0) return [];
  const bad = ids.find(id => id.length !== digits || !/^[0-9a-fA-F]+$/.test(id));
  if (bad !== undefined || ids.length > MAX_IDS)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason:
        bad === undefined
          ? `${name}: more than ${MAX_IDS}`
          : `${name}: ${JSON.stringify(bad.slice(0, 64))} is not ${digits} hex digits`,
    });
  return [{ name, op: '=~', value: [...new Set(ids.map(id => id.toLowerCase()))].join('|') }];
}

const DEFAULT_NODES = 8192;

/** @throws SW_REQUEST_INVALID past limits.maxNodes */
export function nodesOf({ config }: Context, asked: bigint | undefined): number {
  const { maxNodes } = config.limits;
  if (asked === undefined || asked === 0n) return Math.min(DEFAULT_NODES, maxNodes);
  if (asked < 0n || asked > BigInt(maxNodes))
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `max_nodes: ${asked} is not from 1 to ${maxNodes} (limits.maxNodes)`,
    });
  return Number(asked);
}
