// SPDX-License-Identifier: Apache-2.0
// What a request asks for, in terms of the store and of the engine.
import { Matcher as NativeMatcher } from '#native/profile';
import { asStackwellError, StackwellError } from '../../errors.js';
import { type ParsedMatcher, parseSelector } from '../../profile/selector.js';
import { parseRange } from '../../profile/time.js';
import { type Matcher, ON_CPU, parseType, SAMPLE_LABELS } from '../../profile/types.js';
import type { LabelNames, Selection } from '../../store/store.js';
import type { Discovery } from './discovery.js';

/** As in the query string. */
export interface RawQuestion {
  type?: string | undefined;
  query?: string | undefined;
  from?: string | undefined;
  until?: string | undefined;
}

export interface Question {
  selection: Selection;
  /** Type id, in every answer. */
  type: string;
  /** Unit of the sample type. */
  unit: string;
  /** Keep rows apart by sample labels: twice the work, and only a pprof that shows them needs it. */
  sampleLabels?: boolean;
  /** UUIDs: only these profiles, as they came. */
  profileIds?: string[];
  warnings: string[];
}

const ALWAYS_SAMPLE = new Set<string>(SAMPLE_LABELS);
/** Labels that profiles have by the data model: no need to ask the store which kind they are. */
const ALWAYS_PROFILE = new Set([
  'service_name',
  'host',
  'namespace',
  'pod',
  'container',
  'container_id',
  'image',
  'deploy',
  'build_id',
  'session_id',
]);

/** Relative times end at the next full second, so that questions asked together are the same question. */
export function currentSecond(): number {
  return Math.ceil(Date.now() / 1000) * 1000;
}

/** Compiles regular expressions, so that a bad one is told with its position. @throws SW_QUERY_INVALID */
function checkExpressions(matchers: ParsedMatcher[]): void {
  for (const { op, value, position } of matchers) {
    if (op === '=' || op === '!=') continue;
    try {
      new NativeMatcher(op, value);
    } catch (error) {
      const { details, message } = asStackwellError(error);
      const reason = typeof details.reason === 'string' ? details.reason : message;
      throw new StackwellError('SW_QUERY_INVALID', { reason: `${reason} (at ${position})`, position }, error);
    }
  }
}

/** Whether it is by the data model: others have to be looked up. */
export function isProfileLabel(name: string): boolean {
  return ALWAYS_PROFILE.has(name);
}

/** @param names those that there are */
export function isSampleLabel(name: string, names: LabelNames): boolean {
  return ALWAYS_SAMPLE.has(name) || (names.sample.includes(name) && !names.profile.includes(name));
}

/** Matchers of a selector, with expressions that compile. @throws SW_QUERY_INVALID */
export function parseMatchers(query: string): Matcher[] {
  const parsed = parseSelector(query);
  checkExpressions(parsed);
  return parsed.map(({ name, op, value }) => ({ name, op, value }));
}

/** Which of the matchers are on samples, of all types. */
export async function resolveSelection(
  discovery: Discovery,
  parsed: Matcher[],
  range: { from: number; until: number },
  tenant: string,
): Promise<{ selection: Selection; warnings: string[] }> {
  const warnings: string[] = [];
  const matchers: Matcher[] = [];
  const sampleMatchers: Matcher[] = [];
  const isUnsure = ({ name }: Matcher) => !ALWAYS_SAMPLE.has(name) && !ALWAYS_PROFILE.has(name);
  const names = parsed.some(isUnsure)
    ? await discovery.labelNames({ tenant, matchers: [], ...range })
    : { profile: [], sample: [] };
  for (const matcher of parsed) {
    const { name } = matcher;
    if (names.sample.includes(name) && names.profile.includes(name))
      warnings.push(`${name} is a label of profiles and of samples here; the matcher is on profiles`);
    (isSampleLabel(name, names) ? sampleMatchers : matchers).push(matcher);
  }
  return { selection: { tenant, matchers, sampleMatchers, ...range }, warnings };
}

/** Of all types. @throws SW_QUERY_INVALID, SW_TIME_INVALID */
export async function parseSelection(
  discovery: Discovery,
  raw: RawQuestion,
  tenant: string,
): Promise<{ selection: Selection; warnings: string[] }> {
  const parsed = parseMatchers(raw.query ?? '');
  const range = parseRange(raw, currentSecond());
  const { selection, warnings } = await resolveSelection(discovery, parsed, range, tenant);
  const { type } = raw;
  return { selection: type === undefined || type === '' ? selection : { ...selection, type }, warnings };
}

/** Of one type. @throws SW_QUERY_INVALID, SW_TIME_INVALID, SW_REQUEST_INVALID */
export async function parseQuestion(
  discovery: Discovery,
  raw: RawQuestion,
  tenant: string,
): Promise<Question> {
  const type = raw.type || ON_CPU;
  const parsed = parseType(type);
  if (parsed === null)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `type: ${JSON.stringify(type)} is not name:sampleType:sampleUnit:periodType:periodUnit`,
    });
  return { type, unit: parsed.sampleUnit, ...(await parseSelection(discovery, { ...raw, type }, tenant)) };
}
