// SPDX-License-Identifier: Apache-2.0
// How far the shares of one side may be off. Its replicates are cells: what one instance did in one block of time.
import { inverseTrigamma, trigamma } from './student.js';

/** One side of a comparison. Cell (instance, block) is instance × blocks + block. */
export interface Cells {
  instances: number;
  blocks: number;
  /**
   * What values are parts of, by cell: all the CPU time in it for shares, its length for cores. 0: nothing was seen, which
   * is no replicate.
   */
  weight: Float64Array;
  /** Function × cell. */
  value: Float64Array;
  /** One sample in units of the values; 0 when values are not counts of anything. */
  quantum: number;
}

/** Of each function. */
export interface Spread {
  /** Values over weights. */
  rate: Float64Array;
  /** Variance of the rate. */
  variance: Float64Array;
  /** Degrees of freedom of that variance; 0 where there are no replicates, so that only counting noise is known. */
  df: Float64Array;
}

/**
 * Variance of a rate by counting alone, times samples of the weight. Of a part p of a whole that is p (1 − p), of what is no
 * part of its weight p (1 + p), and p where the weight is not counted.
 */
export type Noise = (rate: number, row: number, isReplicated: boolean) => number;

/** Fewer samples in a function say nothing about how cells vary in general. */
const ENOUGH_SAMPLES = 20;

/** Blocks are joined two by two, to see slower waves, as long as there are this many. */
const FEWEST_BLOCKS = 4;

/**
 * Two-way cluster-robust variance of a ratio (Cameron, Gelbach and Miller 2011): of blocks of time, in which all instances
 * may have been different together; of instances, which may differ all the time; less that of single cells, which is in
 * both. With three instances the second alone would be a guess, so what blocks and instances add to the cells is shrunk
 * towards what they add in all functions (empirical Bayes, Smyth 2004). It is never less than the noise of counting.
 */
export function spread(cells: Cells, functions: number, pooledRate: Float64Array, noise: Noise): Spread {
  const { instances, blocks, weight, value, quantum } = cells;
  const size = instances * blocks;
  const weights = weight.reduce((sum, one) => sum + one, 0);
  const seen = weight.reduce((count, one) => count + (one > 0 ? 1 : 0), 0);
  const rate = new Float64Array(functions);
  const variance = new Float64Array(functions);
  const df = new Float64Array(functions);
  if (weights <= 0) return { rate, variance, df };

  const byInstance = new Clusters(
    functions,
    Uint32Array.from({ length: size }, (_, cell) => Math.floor(cell / blocks)),
    weight,
  );
  const byBlock: Clusters[] = [];
  for (let joined = 1; joined === 1 || Math.ceil(blocks / joined) >= FEWEST_BLOCKS; joined *= 2)
    byBlock.push(
      new Clusters(
        functions,
        Uint32Array.from({ length: size }, (_, cell) => Math.floor((cell % blocks) / joined)),
        weight,
      ),
    );
  const ofCells = new Float64Array(functions);
  const isKnown = new Uint8Array(functions);
  const residual = new Float64Array(size);
  for (let row = 0; row < functions; row++) {
    const first = row * size;
    let sum = 0;
    for (let cell = 0; cell < size; cell++) sum += value[first + cell]!;
    const ratio = sum / weights;
    rate[row] = ratio;
    let squares = 0;
    for (let cell = 0; cell < size; cell++) {
      const one = value[first + cell]! - ratio * weight[cell]!;
      residual[cell] = one;
      squares += one * one;
    }
    ofCells[row] = (squares / weights ** 2) * correction(seen);
    byInstance.take(row, residual, weights);
    for (const clusters of byBlock) clusters.take(row, residual, weights);
    isKnown[row] = squares > 0 && (quantum <= 0 || Math.abs(sum) >= ENOUGH_SAMPLES * quantum) ? 1 : 0;
  }

  byInstance.moderate(rate, ofCells, isKnown);
  for (const clusters of byBlock) clusters.moderate(rate, ofCells, isKnown);
  for (let row = 0; row < functions; row++) {
    const block = slowest(byBlock, row);
    let factor = 1;
    if (block.df > 0 && byInstance.df > 0) {
      const [a, b] = [block.factor, byInstance.factor[row]!];
      // Clusters that say less than their cells do so by chance.
      factor = Math.max(1, a + b - 1);
      df[row] = factor ** 2 / (a ** 2 / block.df + b ** 2 / byInstance.df);
    } else if (block.df > 0 || byInstance.df > 0) {
      const only = block.df > 0 ? block : { factor: byInstance.factor[row]!, df: byInstance.df };
      factor = Math.max(1, only.factor);
      df[row] = only.df;
    }
    df[row] = Math.min(df[row]!, seen - 1);
    const counting = (noise(pooledRate[row]!, row, df[row]! > 0) * quantum) / weights;
    variance[row] = Math.max(ofCells[row]! * factor, counting);
  }
  return { rate, variance, df };
}

/** What the blocks that are half as long say counts for this many degrees of freedom. */
const FINER_DF = 4;

/**
 * The greatest factor of blocks of all lengths. Long ones are few, and where there are few functions to learn from, one of
 * several lengths would often say much by chance: each is drawn towards the one before, which is as great unless there are
 * slow waves.
 */
function slowest(byBlock: Clusters[], row: number): { factor: number; df: number } {
  let finer = { factor: byBlock[0]!.factor[row]!, df: byBlock[0]!.df };
  let most = finer;
  for (const { factor, df } of byBlock.slice(1)) {
    if (df <= 0) break;
    finer = { factor: (df * factor[row]! + FINER_DF * finer.factor) / (df + FINER_DF), df: df + FINER_DF };
    if (finer.factor > most.factor) most = finer;
  }
  return most;
}

function correction(count: number): number {
  return count > 1 ? count / (count - 1) : 0;
}

/** Cells that may have something in common: of one instance, or of one time. */
class Clusters {
  /** By how much the variance of clusters is greater than that of cells; of each function, after `moderate`. */
  readonly factor: Float64Array;
  /** Of the factors; 0 where there is but one cluster, so that nothing is known. */
  df: number;
  readonly #variance: Float64Array;
  readonly #count: number;
  readonly #sums: Float64Array;

  constructor(
    functions: number,
    private readonly clusterOf: Uint32Array,
    weight: Float64Array,
  ) {
    this.#variance = new Float64Array(functions);
    this.factor = new Float64Array(functions).fill(1);
    this.#sums = new Float64Array(1 + clusterOf.reduce((most, one) => Math.max(most, one), 0));
    this.#count = new Set(clusterOf.filter((_, cell) => weight[cell]! > 0)).size;
    this.df = this.#count - 1;
  }

  take(row: number, residual: Float64Array, weights: number): void {
    this.#sums.fill(0);
    for (let cell = 0; cell < residual.length; cell++) this.#sums[this.clusterOf[cell]!]! += residual[cell]!;
    let squares = 0;
    for (const one of this.#sums) squares += one * one;
    this.#variance[row] = (squares / weights ** 2) * correction(this.#count);
  }

  /**
   * Draws what each function shows towards what is usual. Costs that vary among clusters do so in proportion to
   * themselves, counting noise with their root, so what is usual is 1 + k · rate² / variance of cells, with one k for all
   * functions; how closely they keep to it says how much to trust it.
   */
  moderate(rate: Float64Array, ofCells: Float64Array, isKnown: Uint8Array): void {
    const df = this.#count - 1;
    if (df < 1) return;
    const rows: number[] = [];
    for (let row = 0; row < rate.length; row++) if (isKnown[row] === 1) rows.push(row);
    const ratio = (row: number) => this.#variance[row]! / ofCells[row]!;
    const precision = (row: number) => rate[row]! ** 2 / ofCells[row]!;
    const k = rows.length < 3 ? 0 : trend(rows.map(precision), rows.map(ratio), df);
    let usualDf = 0;
    if (rows.length >= 3) {
      // The logarithm of a ratio with an F(df, usualDf) distribution around what is usual.
      const logs = rows.map(row => Math.log(Math.max(ratio(row), 1e-6) / (1 + k * precision(row))));
      const mean = logs.reduce((sum, one) => sum + one, 0) / logs.length;
      const beyond =
        logs.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (logs.length - 1) - trigamma(df / 2);
      usualDf = beyond > 0 ? Math.min(1e6, 2 * inverseTrigamma(beyond)) : 1e6;
    }
    this.df = usualDf + df;
    for (let row = 0; row < rate.length; row++) {
      const own = ofCells[row]! > 0 ? ratio(row) : 1;
      const usual = ofCells[row]! > 0 ? 1 + k * precision(row) : 1;
      this.factor[row] = (usualDf * usual + df * own) / this.df;
    }
  }
}

/**
 * k of ratio = 1 + k · precision, at least 0: least squares, weighted by what such a ratio (chi-squared over df) varies,
 * and with what is far above it cut, so that one odd function does not speak for all.
 */
function trend(precision: number[], ratio: number[], df: number): number {
  const most = 1 + 3 * Math.sqrt(2 / df);
  let k = 0;
  for (let round = 0; round < 30; round++) {
    let above = 0;
    let below = 0;
    for (let i = 0; i < ratio.length; i++) {
      const usual = 1 + k * precision[i]!;
      const weight = precision[i]! / usual ** 2;
      // In the first rounds nothing is usual yet.
      const own = round < 5 ? ratio[i]! : Math.min(ratio[i]!, most * usual);
      above += weight * (own - 1);
      below += weight * precision[i]!;
    }
    const next = below > 0 ? Math.max(0, above / below) : 0;
    if (Math.abs(next - k) <= 1e-6 * k) return next;
    k = next;
  }
  return k;
}
