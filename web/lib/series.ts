// SPDX-License-Identifier: Apache-2.0
// A timeline as stacked rates: buckets on one axis, the biggest series by themselves, the rest together.
import type { TimelineAnswer } from './api.js';

export interface Layer {
  /** Value of the label; '' where profiles do not have it; null for the rest together. */
  name: string | null;
  /** Sum over the range, in units of the sample type. */
  total: number;
  /** Rate by bucket; of snapshots their average. */
  rates: number[];
}

export interface Stack {
  /** Start of each bucket, Unix milliseconds, without holes; one more at the end closes the last step. */
  times: number[];
  /** Biggest first, the rest last. */
  layers: Layer[];
  /** 1 where any profile was, by bucket: a host that was off is not a host that was idle. */
  present: Uint8Array;
  total: number;
  /** Start of the first bucket whose profiles may still be on their way. */
  pendingFrom: number;
}

/** A range longer than this many buckets is nobody's screen; the server's step keeps far below it. */
const MAX_BUCKETS = 20_000;
/** Length of what an agent sends at a time; it arrives within a few seconds of its end. */
const WINDOW = 10_000;
const ARRIVAL = WINDOW + 5_000;

export function stack(
  answer: Pick<TimelineAnswer, 'step' | 'series'>,
  label: string,
  options: { perMs: number; layers: number; from: number; until: number; now: number },
): Stack {
  const { step } = answer;
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { times } of answer.series)
    for (const t of times) {
      if (t < first) first = t;
      if (t > last) last = t;
    }
  if (last < first)
    return { times: [], layers: [], present: new Uint8Array(), total: 0, pendingFrom: options.now };
  const buckets = Math.min(MAX_BUCKETS, Math.round((last - first) / step) + 1);
  // The range may cut the buckets at its ends; windows of 10 s are not cut, so less than one is not divided by.
  const covered = Float64Array.from({ length: buckets }, (_, i) => {
    const begin = first + i * step;
    const part = Math.min(begin + step, options.until) - Math.max(begin, options.from);
    return Math.min(step, Math.max(part, WINDOW));
  });
  const present = new Uint8Array(buckets);
  const byName = new Map<string, Layer>();
  let total = 0;
  for (const one of answer.series) {
    const name = label === '' ? '' : (one.labels[label] ?? '');
    let layer = byName.get(name);
    if (layer === undefined) {
      layer = { name, total: 0, rates: new Array<number>(buckets).fill(0) };
      byName.set(name, layer);
    }
    for (let i = 0; i < one.times.length; i++) {
      const bucket = Math.round((one.times[i]! - first) / step);
      if (bucket >= buckets) continue;
      const value = one.totals[i]!;
      present[bucket] = 1;
      // Of snapshots the average, whatever the length of the bucket.
      const over = one.counts?.[i] ?? covered[bucket]!;
      layer.rates[bucket]! += (value * options.perMs) / over;
      layer.total += value;
      total += value;
    }
  }
  const sorted = [...byName.values()].sort((a, b) => b.total - a.total);
  const layers = sorted.slice(0, options.layers);
  if (sorted.length > options.layers) {
    const rest: Layer = { name: null, total: 0, rates: new Array<number>(buckets).fill(0) };
    for (const layer of sorted.slice(options.layers)) {
      rest.total += layer.total;
      for (let i = 0; i < buckets; i++) rest.rates[i]! += layer.rates[i]!;
    }
    layers.push(rest);
  }
  const times = Array.from({ length: buckets + 1 }, (_, i) => first + i * step);
  let pendingFrom = times[buckets]!;
  for (let i = buckets - 1; i >= 0 && times[i]! + step + ARRIVAL > options.now; i--) pendingFrom = times[i]!;
  return { times, layers, present, total, pendingFrom };
}

/** Total of each value of a label, biggest first. */
export function shares(
  series: TimelineAnswer['series'],
  labels: string[],
): { values: Record<string, string>; total: number }[] {
  const groups = new Map<string, { values: Record<string, string>; total: number }>();
  for (const one of series) {
    const values = Object.fromEntries(labels.map(l => [l, one.labels[l] ?? '']));
    const key = JSON.stringify(labels.map(l => values[l]));
    let group = groups.get(key);
    if (group === undefined) {
      group = { values, total: 0 };
      groups.set(key, group);
    }
    for (const t of one.totals) group.total += t;
  }
  return [...groups.values()].sort((a, b) => b.total - a.total);
}
