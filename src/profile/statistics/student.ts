// SPDX-License-Identifier: Apache-2.0
// Student's t distribution, and what it takes: the incomplete beta function, and the digamma and trigamma functions.

/** Lanczos (g = 7, 9 terms): relative error below 1e-14 for x > 0. */
const LANCZOS = [
  0.999_999_999_999_809_9, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_1,
  -176.615_029_162_140_6, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_572e-6,
  1.505_632_735_149_311_6e-7,
];

/** Natural logarithm of the gamma function, x > 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5;
  let sum = LANCZOS[0]!;
  for (let i = 1; i < 9; i++) sum += LANCZOS[i]! / (x - 1 + i);
  return 0.918_938_533_204_672_7 + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Derivative of logGamma, x > 0: recurrence up to 6, then the asymptotic series. */
export function digamma(x: number): number {
  let value = 0;
  let at = x;
  for (; at < 6; at++) value -= 1 / at;
  const r = 1 / (at * at);
  return value + Math.log(at) - 0.5 / at - r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r / 240)));
}

/** Derivative of digamma, x > 0. */
export function trigamma(x: number): number {
  let value = 0;
  let at = x;
  for (; at < 6; at++) value += 1 / (at * at);
  const r = 1 / (at * at);
  return value + 1 / at + r / 2 + (r / at) * (1 / 6 - r * (1 / 30 - r * (1 / 42 - r / 30)));
}

/** x with trigamma(x) = y, y > 0, by Newton's method on 1/trigamma, which is convex (Smyth 2004, appendix). */
export function inverseTrigamma(y: number): number {
  if (y > 1e7) return 1 / Math.sqrt(y);
  if (y < 1e-6) return 1 / y;
  let x = 0.5 + 1 / y;
  for (let i = 0; i < 50; i++) {
    const value = trigamma(x);
    const step = (value * (1 - value / y)) / tetragamma(x);
    x += step;
    if (-step / x < 1e-10) break;
  }
  return x;
}

function tetragamma(x: number): number {
  let value = 0;
  let at = x;
  for (; at < 6; at++) value -= 2 / (at * at * at);
  const r = 1 / (at * at);
  return value - r * (1 + 1 / at + r * (1 / 2 - r * (1 / 6 - r * (1 / 6 - r * 0.3))));
}

/** Regularized incomplete beta function by its continued fraction (modified Lentz). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on this side of the mean only.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  const TINY = 1e-300;
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= 300; m++) {
    let part = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + part * d);
    c = nonZero(1 + part / c);
    value *= d * c;
    part = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + part * d);
    c = nonZero(1 + part / c);
    const delta = d * c;
    value *= delta;
    if (Math.abs(delta - 1) < 1e-14) break;
  }
  return (front * value) / a;

  function nonZero(value: number): number {
    return Math.abs(value) < TINY ? TINY : value;
  }
}

/** Probability of a value at least as far from 0 as `t`, on either side. `df` > 0, may be Infinity. */
export function studentTwoSided(t: number, df: number): number {
  // From here on the difference to the normal distribution is below 1e-4 of the probability, as far as it matters.
  const finite = Math.min(df, 1e6);
  return incompleteBeta(finite / (finite + t * t), finite / 2, 0.5);
}

/** t with studentTwoSided(t, df) = p, 0 < p < 1: Newton's method on the logarithm, kept within a bracket. */
export function studentQuantile(p: number, df: number): number {
  const finite = Math.min(df, 1e6);
  const scale = Math.exp(logGamma((finite + 1) / 2) - logGamma(finite / 2)) / Math.sqrt(finite * Math.PI);
  const density = (t: number) => scale * (1 + (t * t) / finite) ** (-(finite + 1) / 2);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let t = 2;
  for (let i = 0; i < 200; i++) {
    const found = studentTwoSided(t, finite);
    if (found > p) low = t;
    else high = t;
    const slope = (-2 * density(t)) / found;
    let next = t - Math.log(found / p) / slope;
    if (!(next > low && next < high)) next = high === Number.POSITIVE_INFINITY ? 2 * t : (low + high) / 2;
    if (Math.abs(next - t) <= 1e-10 * t) return next;
    t = next;
  }
  return t;
}
