// SPDX-License-Identifier: Apache-2.0
// Times as the address bar holds them: relative (`now-15m`), RFC 3339 or Unix milliseconds.

const UNIT: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 604800e3 };

/** Unix milliseconds, or null when the text is no time. */
export function parseTime(text: string, now: number): number | null {
  const trimmed = text.trim();
  if (trimmed === 'now') return now;
  const relative = /^now-(\d{1,9})([smhdw])$/.exec(trimmed);
  if (relative !== null) return now - Number(relative[1]) * UNIT[relative[2]!]!;
  if (/^\d{10,14}$/.test(trimmed)) return Number(trimmed);
  // Date.parse alone would take "1" for a month; a date has its year in front.
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(trimmed))
    return null;
  const parsed = Date.parse(trimmed.replace(' ', 'T'));
  return Number.isNaN(parsed) ? null : parsed;
}

export interface Range {
  from: number;
  until: number;
}

/** Windows are 10 s long: a range that moves with the clock moves by whole windows, so buckets do not flicker. */
const WINDOW = 10_000;

/** The range in Unix milliseconds, or null when an end is no time or they are in the wrong order. */
export function resolveRange(from: string, until: string, now: number): Range | null {
  const end = until === 'now' || until.startsWith('now-') ? Math.ceil(now / WINDOW) * WINDOW : now;
  const a = parseTime(from, end);
  const b = parseTime(until, end);
  return a === null || b === null || a >= b ? null : { from: a, until: b };
}

export const PRESETS: { from: string; short: string; name: string }[] = [
  { from: 'now-5m', short: '5m', name: 'Last 5 minutes' },
  { from: 'now-15m', short: '15m', name: 'Last 15 minutes' },
  { from: 'now-1h', short: '1h', name: 'Last hour' },
  { from: 'now-6h', short: '6h', name: 'Last 6 hours' },
  { from: 'now-24h', short: '24h', name: 'Last 24 hours' },
  { from: 'now-7d', short: '7d', name: 'Last 7 days' },
];

const two = (n: number) => String(n).padStart(2, '0');

/** Local time without a zone, as an input field takes it: `2026-11-23 12:00:05`. */
export function formatLocal(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${formatClock(ms)}`;
}

export function formatClock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** What the time picker's button says. */
export function describeRange(from: string, until: string, range: Range): string {
  const preset = until === 'now' ? PRESETS.find(p => p.from === from) : undefined;
  if (preset !== undefined) return preset.name;
  const a = formatLocal(range.from);
  const b = formatLocal(range.until);
  return a.slice(0, 10) === b.slice(0, 10) ? `${a} – ${b.slice(11)}` : `${a} – ${b}`;
}

/** Seconds as `15 min`, `2 h`, `45 s`, for captions. */
export function formatSpan(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${+(s / 60).toFixed(1)} min`;
  if (s < 172800) return `${+(s / 3600).toFixed(1)} h`;
  return `${+(s / 86400).toFixed(1)} days`;
}
