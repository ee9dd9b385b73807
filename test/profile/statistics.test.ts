// SPDX-License-Identifier: Apache-2.0
// The statistics of a comparison: against values that SciPy gives, and against services whose truth is known.
import { describe, expect, it } from 'vitest';
import { random, shares, side } from '../../bench/statistics/simulate.mjs';
import { compare, falseDiscovery, OF_PARTS } from '../../src/profile/statistics/compare.js';
import {
  digamma,
  inverseTrigamma,
  logGamma,
  studentQuantile,
  studentTwoSided,
  trigamma,
} from '../../src/profile/statistics/student.js';
import type { Cells } from '../../src/profile/statistics/variance.js';
import type { SideCells } from '../../src/server/query/replicates.js';
import { statistics } from '../../src/server/query/statistics.js';

describe("Student's distribution", () => {
  it.each([
    // 2 * scipy.stats.t.sf(t, df)
    [2, 10, 0.073_388_034_770_740_4],
    [0.5, 1, 0.704_832_764_699_133],
    [12.706_204_736_174_7, 1, 0.05],
    [2.570_581_835_636_31, 5, 0.05],
    [5, 30, 2.329_668_546_700_78e-5],
    [1.959_963_984_540_05, Number.POSITIVE_INFINITY, 0.05],
    [8, 1000, 3.426_661_482_391_5e-15],
  ])('P(|T| > %s) with %s degrees of freedom', (t, df, wanted) => {
    expect(studentTwoSided(t, df) / wanted).toBeCloseTo(1, df === Number.POSITIVE_INFINITY ? 4 : 9);
    if (wanted > 1e-10) expect(studentQuantile(wanted, df) / t).toBeCloseTo(1, 4);
  });

  it('rests on functions of the gamma family', () => {
    // scipy.special.gammaln, digamma and polygamma(1, x)
    expect(logGamma(0.5)).toBeCloseTo(0.572_364_942_924_7, 10);
    expect(logGamma(100)).toBeCloseTo(359.134_205_369_575, 9);
    expect(digamma(1)).toBeCloseTo(-0.577_215_664_901_533, 9);
    expect(digamma(7.5)).toBeCloseTo(1.946_757_484_246_087, 8);
    expect(trigamma(1)).toBeCloseTo(1.644_934_066_848_23, 7);
    expect(trigamma(12.3)).toBeCloseTo(0.084_695_17, 7);
    for (const x of [0.1, 1, 4, 50, 3000]) expect(inverseTrigamma(trigamma(x)) / x).toBeCloseTo(1, 4);
  });
});

describe('false discovery rate', () => {
  it('is that of Benjamini and Hochberg where all weigh the same', () => {
    const p = Float64Array.of(0.01, 0.04, 0.03, 0.005, 0.5);
    const q = new Float64Array(5);
    falseDiscovery(p, new Float64Array(5).fill(0.2), q);
    // scipy.stats.false_discovery_control
    expect([...q].map(one => Number(one.toFixed(12)))).toEqual([0.025, 0.05, 0.05, 0.025, 0.5]);
  });

  it('does not depend on into how many names the rest is split', () => {
    const of = (rest: number) => {
      const p = Float64Array.from([0.001, ...new Array(rest).fill(1)]);
      const q = new Float64Array(p.length);
      falseDiscovery(p, Float64Array.from([0.2, ...new Array(rest).fill(0.8 / rest)]), q);
      return q[0]!;
    };
    expect(of(4)).toBeCloseTo(0.005, 12);
    expect(of(4000)).toBeCloseTo(0.005, 12);
  });
});

const made = (counts: number[][], weights: number[], quantum = 1): Cells => ({
  instances: 1,
  blocks: weights.length,
  weight: Float64Array.from(weights),
  value: Float64Array.from(counts.flat()),
  quantum,
});
const PARTS = { noise: OF_PARTS, scales: [1, 1] as [number, number] };

describe('compare', () => {
  it('has the counting error of two proportions where there are no replicates', () => {
    const { p, error, change } = compare(
      made([[100], [900]], [1000]),
      made([[150], [850]], [1000]),
      2,
      PARTS,
    );
    const pooled = 250 / 2000;
    expect(error[0]).toBeCloseTo(Math.sqrt((2 * pooled * (1 - pooled)) / 1000), 12);
    expect(change[0]).toBeCloseTo(0.5, 12);
    // scipy.stats.chi2_contingency without Yates's correction
    expect(p[0]! / 0.000_723_232_716).toBeCloseTo(1, 3);
  });

  it('has an interval without 0 just where the test at 5 % refuses that there is no change', () => {
    const next = random(3);
    for (let i = 0; i < 300; i++) {
      const counts = () => {
        const a = Array.from({ length: 8 }, () => Math.floor(20 + 15 * next()));
        return made([a, a.map(one => 100 - one)], new Array(8).fill(100));
      };
      const { low, high, p } = compare(counts(), counts(), 2, PARTS);
      for (const row of [0, 1]) expect(p[row]! < 0.05).toBe(low[row]! > 0 || high[row]! < 0);
    }
  });

  it('keeps what is on one side only', () => {
    const { change, low, q } = compare(made([[0], [1000]], [1000]), made([[300], [700]], [1000]), 2, PARTS);
    expect([change[0], low[0]]).toEqual([Number.POSITIVE_INFINITY, Number.NaN]);
    expect(q[0]).toBeLessThan(1e-10);
    const gone = compare(made([[300], [700]], [1000]), made([[0], [1000]], [1000]), 2, PARTS);
    expect(gone.change[0]).toBe(-1);
    expect(gone.high[0]).toBeLessThan(-0.9);
  });

  it('knows nothing about an empty side', () => {
    const { p, q } = compare(made([[0], [0]], [0]), made([[3], [4]], [7]), 2, PARTS);
    expect([...p, ...q].every(one => one >= 0 && one <= 1)).toBe(true);
  });

  it('takes instances that differ for what they are, and not for a change', () => {
    // Four instances of each side, each with its own share, always the same: more time does not make that more certain.
    const instances = (own: number[]): Cells => {
      const blocks = 16;
      const size = own.length * blocks;
      const value = own.flatMap(share => new Array(blocks).fill(share * 1000));
      return {
        instances: own.length,
        blocks,
        weight: new Float64Array(size).fill(1000),
        value: Float64Array.from([...value, ...value.map(one => 1000 - one)]),
        quantum: 1,
      };
    };
    const { p } = compare(instances([0.1, 0.2, 0.3, 0.4]), instances([0.15, 0.25, 0.35, 0.45]), 2, PARTS);
    // scipy.stats.ttest_ind of the four against the four.
    expect(p[0]).toBeCloseTo(0.6036, 1);
  });
});

/** As a server tests: of 300 functions, in ten minutes of three busy instances at 19 Hz, in sixteen blocks of time. */
const SERVICE = { instances: 3, windows: 60, samples: 190, blocks: 15 };

/** One side: samples by function and cell, as `side` makes them. */
type Side = Pick<Cells, 'instances' | 'blocks' | 'weight' | 'value'>;

async function tell(sides: [Side, Side], kind: 'stable' | 'total') {
  const sizes = sides.map(({ weight }) => weight.length) as [number, number];
  const count = sides[0].value.length / sizes[0];
  const columns = sizes[0] + sizes[1];
  const values = new Float64Array(count * columns);
  const sums = new Float64Array(columns);
  for (const [at, { value, weight }] of sides.entries()) {
    const first = at * sizes[0];
    sums.set(weight, first);
    for (let row = 0; row < count; row++)
      values.set(value.subarray(row * sizes[at]!, (row + 1) * sizes[at]!), row * columns + first);
  }
  const names = new Array(count).fill('');
  const cells = (at: 0 | 1): SideCells => ({
    groups: sides[at].instances,
    blocks: sides[at].blocks,
    seconds: new Float64Array(sizes[at]).fill(40),
    joined: 1,
    given: sides[at].blocks,
    first: at * sizes[0],
    instances: sides[at].instances,
  });
  const { statistics: found } = await statistics(
    {
      functions: { name: names, file: names, module: names, reason: names, buildId: names },
      omitted: 0,
      left: { self: new Float64Array(count), total: new Float64Array(count) },
      right: { self: new Float64Array(count), total: new Float64Array(count) },
      replicates: { sum: sums, self: values, total: new Float64Array(values.length) },
    },
    cells(0),
    cells(1),
    { kind, left: 1, right: 1 },
    1,
  );
  return found.self;
}

function pair(seed: number, base: Float64Array, head: Float64Array, kind: 'stable' | 'total') {
  const next = random(seed);
  return tell([side(base, SERVICE, next), side(head, SERVICE, next)], kind);
}

describe('of services whose truth is known', () => {
  const cost = shares(300, [0.2]);

  it('a pair without a change seldom shows one', async () => {
    let wrong = 0;
    for (let seed = 0; seed < 1000; seed++)
      if ((await pair(seed, cost, cost, 'total')).q.some(q => q < 0.05)) wrong++;
    expect(wrong).toBeLessThanOrEqual(50);
  }, 300_000);

  it('finds a fifth of the CPU that got a tenth dearer, how much that is, and nothing else', async () => {
    const dearer = cost.map((one, row) => (row === 0 ? one * 1.1 : one));
    const PAIRS = 100;
    let found = 0;
    let covered = 0;
    let others = 0;
    for (let seed = 0; seed < PAIRS; seed++) {
      const { q, low, high } = await pair(5000 + seed, cost, dearer, 'stable');
      if (q[0]! < 0.05) found++;
      if (low[0]! <= 0.1 && high[0]! >= 0.1) covered++;
      if (q.subarray(1).some(one => one < 0.05)) others++;
    }
    expect(found).toBeGreaterThanOrEqual(80);
    expect(covered).toBeGreaterThanOrEqual(85);
    expect(others).toBeLessThanOrEqual(10);
  }, 120_000);
});

/**
 * Samples of price, render, parse, code without a name yet, and all else, in windows of 2 s: a Java service at 999 Hz before
 * and after price got a fifth dearer. In the first window of the second the virtual machine starts.
 */
const BEFORE = [
  [643, 462, 431, 0, 173],
  [765, 592, 563, 0, 57],
  [741, 555, 543, 0, 51],
  [754, 541, 568, 0, 36],
  [783, 564, 521, 0, 25],
  [795, 551, 539, 0, 25],
  [785, 551, 531, 0, 19],
  [727, 587, 561, 0, 29],
  [724, 592, 627, 0, 20],
  [792, 543, 561, 0, 20],
  [791, 562, 579, 0, 31],
  [780, 563, 567, 0, 25],
  [738, 598, 567, 0, 22],
  [731, 554, 612, 0, 23],
  [810, 553, 546, 0, 23],
  [629, 469, 463, 7, 22],
];
const AFTER = [
  [0, 0, 0, 150, 111],
  [752, 500, 477, 128, 57],
  [807, 550, 520, 1, 45],
  [844, 510, 508, 0, 47],
  [846, 533, 528, 0, 31],
  [853, 540, 531, 0, 22],
  [828, 549, 559, 0, 21],
  [885, 505, 544, 0, 23],
  [865, 516, 555, 0, 21],
  [852, 538, 506, 0, 35],
  [830, 531, 530, 0, 30],
  [864, 534, 526, 0, 17],
  [838, 524, 538, 0, 33],
  [859, 508, 551, 0, 12],
  [876, 512, 549, 0, 16],
  [859, 525, 540, 0, 32],
];

function measured(windows: number[][], joined: number): Side {
  const blocks = windows.length / joined;
  const weight = new Float64Array(blocks);
  const value = new Float64Array(windows[0]!.length * blocks);
  for (const [window, samples] of windows.entries())
    for (const [row, count] of samples.entries()) {
      const block = Math.floor(window / joined);
      weight[block] = weight[block]! + count;
      value[row * blocks + block] = value[row * blocks + block]! + count;
    }
  return { instances: 1, blocks, weight, value };
}

describe('three functions that are nearly all', () => {
  it('the one that got dearer is not taken for the measure of the two that did not', async () => {
    const { q, low, high } = await tell([measured(BEFORE, 2), measured(AFTER, 1)], 'stable');
    expect(q[0]).toBeLessThan(0.05);
    expect(low[0]).toBeLessThan(0.2);
    expect(high[0]).toBeGreaterThan(0.2);
    for (const other of [1, 2]) expect(q[other]).toBeGreaterThan(0.05);
  });
});
