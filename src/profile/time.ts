// SPDX-License-Identifier: Apache-2.0
// Times as people and clients write them.
import { StackwellError } from '../errors.js';

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
/** Far beyond any profile, and within what a Date can hold. */
const MAX_MS = 8.64e15;

function invalid(value: string, reason: string, position: number): StackwellError {
  return new StackwellError('SW_TIME_INVALID', { value, reason, position });
}

/** Milliseconds of '15m', '1h30m', '500ms'. Null when it is not a duration. */
export function parseDuration(text: string): number | null {
  if (!/^(\d+(ms|[smhdw]))+$/.test(text)) return null;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhdw])/g)) sum += Number(count) * UNIT_MS[unit!]!;
  return sum;
}

/** Seconds, milliseconds, microseconds or nanoseconds, told apart by their size; good for years 1973 to 5138. */
function parseUnix(digits: string): number {
  const value = Number(digits);
  if (digits.length <= 11) return value * 1000;
  if (digits.length <= 14) return value;
  // Through BigInt: nanoseconds of today are above 2^53.
  return Number(BigInt(digits) / (digits.length <= 17 ? 1000n : 1_000_000n));
}

function parseRfc3339(text: string, match: RegExpExecArray): number {
  const [, year, month, day, hour, minute, second] = match.map(Number);
  const time = Date.parse(text.replace(' ', 'T').toUpperCase());
  // Date.parse takes 30 February for 2 March.
  const days = new Date(Date.UTC(year!, month!, 0)).getUTCDate();
  if (Number.isNaN(time) || day! > days || day! < 1 || hour! > 23 || minute! > 59 || second! > 59)
    throw invalid(text, 'there is no such date or time', 0);
  return time;
}

/**
 * Unix milliseconds of an RFC 3339 time, a Unix time (s, ms, µs, ns by number of digits), `now` or `now-1h30m`.
 * @param now Unix milliseconds @throws SW_TIME_INVALID with the position of the error
 */
export function parseTime(text: string, now: number): number {
  const trimmed = text.trim();
  let time: number;
  const rfc3339 = RFC3339.exec(trimmed);
  if (/^\d{1,20}$/.test(trimmed)) time = parseUnix(trimmed);
  else if (rfc3339 !== null) time = parseRfc3339(trimmed, rfc3339);
  else if (trimmed === 'now') time = now;
  else if (/^now[+-]/.test(trimmed)) {
    const duration = parseDuration(trimmed.slice(4));
    if (duration === null) throw invalid(text, 'after now- comes a duration such as 15m or 1h30m', 4);
    time = trimmed[3] === '-' ? now - duration : now + duration;
  } else throw invalid(text, 'it is neither RFC 3339, nor a number, nor relative to now', 0);
  if (!(Math.abs(time) <= MAX_MS)) throw invalid(text, 'it is out of range', 0);
  return time;
}

/** Half open. @throws SW_TIME_INVALID also when it would be empty */
export function parseRange(
  { from, until }: { from?: string | undefined; until?: string | undefined },
  now: number,
): { from: number; until: number } {
  const range = { from: parseTime(from ?? 'now-15m', now), until: parseTime(until ?? 'now', now) };
  if (range.from >= range.until) throw invalid(from ?? 'now-15m', 'from must be before until', 0);
  return range;
}
