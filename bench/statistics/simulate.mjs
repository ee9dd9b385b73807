// SPDX-License-Identifier: Apache-2.0
// Made services: how many samples each function gets in each window of each instance, with known truth.

/** mulberry32: the same numbers on every machine. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function normal(next) {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Shares that add up to 1: what is named first, the rest as 1/rank. */
export function shares(functions, first) {
  const rest = 1 - first.reduce((sum, one) => sum + one, 0);
  const tail = Array.from({ length: functions - first.length }, (_, i) => 1 / (i + 1));
  const all = tail.reduce((sum, one) => sum + one, 0);
  return Float64Array.from([...first, ...tail.map(one => (rest * one) / all)]);
}

/** Walker's alias method: one draw in constant time. */
function drawer(weights, next) {
  const n = weights.length;
  const total = weights.reduce((sum, one) => sum + one, 0);
  const scaled = Float64Array.from(weights, one => (one * n) / total);
  const alias = new Uint32Array(n);
  const chance = new Float64Array(n).fill(1);
  const small = [];
  const large = [];
  for (let i = 0; i < n; i++) (scaled[i] < 1 ? small : large).push(i);
  while (small.length > 0 && large.length > 0) {
    const low = small.pop();
    const high = large.at(-1);
    chance[low] = scaled[low];
    alias[low] = high;
    scaled[high] -= 1 - scaled[low];
    if (scaled[high] < 1) small.push(large.pop());
  }
  return () => {
    const at = next() * n;
    const i = Math.floor(at);
    return at - i < chance[i] ? i : alias[i];
  };
}

/**
 * One side. `wave`, `drift` and `own` are standard deviations of the logarithm of a function's cost: of slow waves that all
 * instances share (AR(1) over windows, 0.8), of slow waves of each instance, and between instances for all time. `bursts`:
 * the chance of a window in which one function takes a third of the CPU for itself.
 */
export function side(
  cost,
  { instances, windows, samples, blocks, wave = 0, drift = 0, own = 0, bursts = 0 },
  next,
) {
  const functions = cost.length;
  const size = instances * blocks;
  const weight = new Float64Array(size);
  const value = new Float64Array(functions * size);
  const KEEP = 0.8;
  const step = (state, sd) => {
    for (let f = 0; f < state.length; f++)
      state[f] = KEEP * state[f] + Math.sqrt(1 - KEEP * KEEP) * sd * normal(next);
  };
  const start = sd => Float64Array.from(cost, () => (sd > 0 ? sd * normal(next) : 0));
  const shared = start(wave);
  const offsets = Array.from({ length: instances }, () => start(own));
  const waves = Array.from({ length: instances }, () => start(drift));
  const varies = wave + drift + own > 0;
  const always = varies ? null : drawer(cost, next);
  for (let window = 0; window < windows; window++) {
    const block = Math.floor((window * blocks) / windows);
    if (wave > 0) step(shared, wave);
    for (let instance = 0; instance < instances; instance++) {
      if (drift > 0) step(waves[instance], drift);
      const draw =
        always ??
        drawer(
          cost.map((one, f) => one * Math.exp(shared[f] + offsets[instance][f] + waves[instance][f])),
          next,
        );
      const cell = instance * blocks + block;
      const burst = bursts > 0 && next() < bursts ? Math.floor(next() * functions) : -1;
      for (let i = 0; i < samples; i++) {
        const f = burst >= 0 && next() < 1 / 3 ? burst : draw();
        value[f * size + cell]++;
      }
      weight[cell] += samples;
    }
  }
  return { instances, blocks, weight, value, quantum: 1 };
}

/** Welch's t-test on the shares of windows, each a replicate, and plain Benjamini-Hochberg: the plainest method. */
export function plainest(base, head, functions, { studentTwoSided }) {
  const p = new Float64Array(functions);
  const moments = ({ weight, value }, f) => {
    const n = weight.length;
    let sum = 0;
    let squares = 0;
    for (let cell = 0; cell < n; cell++) {
      const share = value[f * n + cell] / weight[cell];
      sum += share;
      squares += share * share;
    }
    const mean = sum / n;
    return { mean, error: Math.max(0, squares / n - mean * mean) / (n - 1), df: n - 1 };
  };
  for (let f = 0; f < functions; f++) {
    const a = moments(base, f);
    const b = moments(head, f);
    const v = a.error + b.error;
    p[f] =
      v > 0
        ? studentTwoSided(
            (b.mean - a.mean) / Math.sqrt(v),
            v ** 2 / (a.error ** 2 / a.df + b.error ** 2 / b.df),
          )
        : 1;
  }
  const order = [...p.keys()].sort((a, b) => p[a] - p[b]);
  const q = new Float64Array(functions);
  let least = 1;
  for (let rank = functions; rank > 0; rank--) {
    least = Math.min(least, (p[order[rank - 1]] * functions) / rank);
    q[order[rank - 1]] = least;
  }
  return { p, q };
}
