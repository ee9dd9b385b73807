// SPDX-License-Identifier: Apache-2.0
// Which functions differ between two sides, by how much, and whether that is more than noise. docs/statistics.md has the
// method with its sources and limits.
import { studentQuantile, studentTwoSided } from './student.js';
import { type Cells, type Noise, type Spread, spread } from './variance.js';

export const CONFIDENCE = 0.95;

/** Columns, one entry a function. */
export interface Comparison {
  base: Float64Array;
  head: Float64Array;
  /** head / base − 1; Infinity when it is new, NaN when it is on neither side. */
  change: Float64Array;
  /** Of the change, 95 %: NaN where it has no bound. */
  low: Float64Array;
  high: Float64Array;
  /** Of no difference at all. */
  p: Float64Array;
  /** Share of false ones among all that are at least as clear, where CPU time and not the number of names is counted. */
  q: Float64Array;
  /** Standard error of head − base. */
  error: Float64Array;
}

/** Of values that are parts of their weights. */
export const OF_PARTS: Noise = rate => Math.max(0, rate * (1 - rate));
/** Of values whose weights are no counts. */
export const OF_RATES: Noise = rate => Math.max(0, rate);

export interface CompareOptions {
  noise: Noise;
  /** What rates of either side are multiplied with. */
  scales: [number, number];
  /** Standard error that the difference has beside the noise; in scaled rates. */
  unseen?: number;
}

function scaled({ rate, variance, df }: Spread, factor: number, more: number): Spread {
  return factor === 1 && more === 0
    ? { rate, variance, df }
    : {
        rate: rate.map(one => one * factor),
        variance: variance.map(one => one * factor * factor + more),
        df,
      };
}

/**
 * Compares the rates of `functions` functions: Welch's t-test with the variances of `spread`, Fieller's interval, and the
 * procedure of Benjamini and Hochberg with weights (Genovese, Roeder and Wasserman 2006). A function's weight is its part
 * of all, so what matters is tested with more power and splitting up what does not costs nothing.
 */
export function compare(base: Cells, head: Cells, functions: number, options: CompareOptions): Comparison {
  const tested = test(base, head, functions, options);
  const { left, right, df } = tested;
  const low = new Float64Array(functions);
  const high = new Float64Array(functions);
  for (let row = 0; row < functions; row++)
    [low[row], high[row]] = fieller(
      [left.rate[row]!, left.variance[row]!],
      [right.rate[row]!, right.variance[row]!],
      studentQuantile(1 - CONFIDENCE, df[row]!),
    );
  return { ...tested, base: left.rate, head: right.rate, low, high };
}

/** As `compare`, without intervals. */
export function test(
  base: Cells,
  head: Cells,
  functions: number,
  { noise, scales, unseen = 0 }: CompareOptions,
) {
  const pooled = pooledRates(base, head, functions);
  const more = unseen ** 2 / 2;
  const left = scaled(spread(base, functions, pooled, noise), scales[0], more);
  const right = scaled(spread(head, functions, pooled, noise), scales[1], more);
  const change = new Float64Array(functions);
  const error = new Float64Array(functions);
  const df = new Float64Array(functions);
  const p = new Float64Array(functions);
  const q = new Float64Array(functions);
  for (let row = 0; row < functions; row++) {
    const a = left.rate[row]!;
    const b = right.rate[row]!;
    df[row] = satterthwaite(left.variance[row]!, left.df[row]!, right.variance[row]!, right.df[row]!);
    error[row] = Math.sqrt(left.variance[row]! + right.variance[row]!);
    change[row] = b === a ? 0 : b / a - 1;
    p[row] = error[row]! > 0 ? studentTwoSided((b - a) / error[row]!, df[row]!) : 1;
  }
  falseDiscovery(p, pooled, q);
  return { left, right, change, error, df, p, q };
}

/** Over both sides, as if they were one: it does not depend on how they differ, so it may choose and weigh tests. */
export function pooledRates(base: Cells, head: Cells, functions: number): Float64Array {
  const rate = new Float64Array(functions);
  const weights = total(base.weight) + total(head.weight);
  if (weights === 0) return rate;
  for (const { value, weight } of [base, head]) {
    const size = weight.length;
    for (let row = 0; row < functions; row++)
      for (let cell = 0; cell < size; cell++) rate[row]! += value[row * size + cell]! / weights;
  }
  return rate;
}

function total(column: Float64Array): number {
  return column.reduce((sum, one) => sum + one, 0);
}

/** Where only counting noise is known, that is all there is: as certain as can be. */
function satterthwaite(va: number, dfa: number, vb: number, dfb: number): number {
  const part = (variance: number, df: number) => (df > 0 ? variance ** 2 / df : 0);
  const below = part(va, dfa) + part(vb, dfb);
  return below > 0 ? (va + vb) ** 2 / below : Number.POSITIVE_INFINITY;
}

/**
 * Interval of b / a − 1: the ratios that the test would not refuse (Fieller 1954). NaN where it has no bound, which is so
 * when a may be 0.
 */
function fieller([a, va]: [number, number], [b, vb]: [number, number], t: number): [number, number] {
  const squared = t * t;
  const below = a * a - squared * va;
  if (!(below > 0)) return [Number.NaN, Number.NaN];
  const middle = (a * b) / below;
  const inside = Math.max(0, (a * b) ** 2 - below * (b * b - squared * vb));
  const half = Math.sqrt(inside) / below;
  return [Math.max(-1, middle - half - 1), middle + half - 1];
}

/**
 * Weighted Benjamini-Hochberg: p over weight, where weights are 1 on average, then step up. A weight is the part of all
 * that the function has.
 */
export function falseDiscovery(p: Float64Array, weight: Float64Array, q: Float64Array): void {
  let all = 0;
  for (const one of weight) all += Math.abs(one);
  const order = Uint32Array.from(p.keys());
  const scaled = p.map((one, row) => {
    const part = Math.abs(weight[row]!) / all;
    return part > 0 ? one / part : Number.POSITIVE_INFINITY;
  });
  order.sort((a, b) => scaled[a]! - scaled[b]!);
  let least = 1;
  for (let rank = order.length; rank > 0; rank--) {
    const row = order[rank - 1]!;
    least = Math.min(least, scaled[row]! / rank);
    q[row] = least;
  }
}

/** Standard errors between what a test refuses and what it finds with a chance of four in five. */
export const POWER = studentQuantile(2 * (1 - 0.8), Number.POSITIVE_INFINITY);

/**
 * The least relative change that would be found, at false discovery rate `q`, in a function whose part of all is `share`:
 * from the errors that the tested functions have, as error² = a · rate + b · rate². Null where nothing is known.
 */
export function detectable({ base, head, error }: Comparison, share: number, q: number): number | null {
  let all = 0;
  for (const row of base.keys()) all += Math.max(base[row]!, head[row]!);
  // Weighted least squares of error² / rate against rate; weights are rates, so that small functions, which are many, do
  // not say what holds for large ones.
  let [weights, x, y, xx, xy] = [0, 0, 0, 0, 0];
  for (const row of base.keys()) {
    const rate = (base[row]! + head[row]!) / 2;
    const squared = error[row]! ** 2;
    if (!(rate > 0 && squared > 0)) continue;
    const value = squared / rate;
    weights += rate;
    x += rate * rate;
    y += rate * value;
    xx += rate * rate * rate;
    xy += rate * rate * value;
  }
  if (weights === 0 || all === 0) return null;
  const spreadOfX = weights * xx - x * x;
  let b = spreadOfX > 1e-12 * weights * xx ? (weights * xy - x * y) / spreadOfX : 0;
  let a = (y - b * x) / weights;
  if (b < 0) [a, b] = [y / weights, 0];
  else if (a < 0) [a, b] = [0, xx > 0 ? xy / xx : 0];
  const rate = share * all;
  const sigma = Math.sqrt(a * rate + b * rate * rate);
  const normal = studentQuantile(Math.min(1, q * share), Number.POSITIVE_INFINITY);
  return ((normal + POWER) * sigma) / rate;
}
