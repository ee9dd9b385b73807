// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Piece, plan } from '../../src/server/query/plan.js';
import { type Bucket, LEVELS, PARTITIONS } from '../../src/store/store.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.UTC(2026, 5, 1, 12);
const everything = { stale: [] as Bucket[], settled: Number.MAX_SAFE_INTEGER, maxLevel: 3600, wide: false };

const brief = (pieces: Piece[]) =>
  pieces.map(({ level, from, until, partitions }) => [
    level,
    (from - NOON) / MINUTE,
    (until - NOON) / MINUTE,
    ...(partitions === undefined ? [] : [partitions]),
  ]);

describe('a plan', () => {
  it('takes the coarsest level that fits, and finer ones at the edges', () => {
    const from = NOON - 65.5 * MINUTE;
    const until = NOON + 3 * HOUR + 21.25 * MINUTE;
    expect(brief(plan({ ...everything, from, until }))).toEqual([
      [0, -65.5, -65],
      [60, -65, -60],
      [3600, -60, 180],
      [600, 180, 200],
      [60, 200, 201],
      [0, 201, 201.25],
    ]);
  });

  it('reads finer ones where rollups are behind, for the part of the services that is', () => {
    const stale: Bucket[] = [
      { level: 3600, start: NOON + HOUR, partition: 3 },
      { level: 600, start: NOON + HOUR + 20 * MINUTE, partition: 3 },
      { level: 60, start: NOON + HOUR + 24 * MINUTE, partition: 3 },
    ];
    const others = Array.from({ length: PARTITIONS }, (_, row) => row).filter(row => row !== 3);
    expect(brief(plan({ ...everything, stale, from: NOON, until: NOON + 3 * HOUR }))).toEqual([
      [3600, 0, 60],
      [3600, 60, 120, others],
      [600, 60, 80, [3]],
      [60, 80, 84, [3]],
      [0, 84, 85, [3]],
      [60, 85, 90, [3]],
      [600, 90, 120, [3]],
      [3600, 120, 180],
    ]);
  });

  it('does not count on what has just ended, nor on coarser levels than it may', () => {
    const until = NOON + 2 * HOUR;
    expect(brief(plan({ ...everything, from: NOON, until, settled: until - 2.5 * MINUTE }))).toEqual([
      [3600, 0, 60],
      [600, 60, 110],
      [60, 110, 117],
      [0, 117, 120],
    ]);
    expect(brief(plan({ ...everything, from: NOON, until, maxLevel: 60 }))).toEqual([[60, 0, 120]]);
    expect(brief(plan({ ...everything, from: NOON, until, maxLevel: 0 }))).toEqual([[0, 0, 120]]);
  });

  it('is wide only in rollups', () => {
    const pieces = plan({ ...everything, wide: true, from: NOON, until: NOON + HOUR + 1 });
    expect(pieces.map(({ level, wide }) => [level, wide])).toEqual([
      [3600, true],
      [0, false],
    ]);
  });

  it('has every moment of every partition once, and nothing that is stale', () => {
    const bucket = fc.record({
      level: fc.constantFrom(...LEVELS),
      row: fc.integer({ min: 0, max: 200 }),
      partition: fc.integer({ min: 0, max: PARTITIONS - 1 }),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 * HOUR }),
        fc.integer({ min: 0, max: 4 * HOUR }),
        fc.integer({ min: 0, max: 8 * HOUR }),
        fc.constantFrom(0, 60, 600, 3600),
        fc.array(bucket, { maxLength: 30 }),
        (start, length, settled, maxLevel, buckets) => {
          const stale = buckets.map(({ level, row, partition }) => ({
            level,
            start: NOON + ((row * level * 1000) % (8 * HOUR)),
            partition,
          }));
          const from = NOON + start;
          const until = from + length;
          const pieces = plan({ from, until, stale, settled: NOON + settled, maxLevel, wide: false });
          for (let partition = 0; partition < PARTITIONS; partition++) {
            const own = pieces
              .filter(({ partitions }) => partitions?.includes(partition) ?? true)
              .sort((a, b) => a.from - b.from);
            let at = from;
            for (const piece of own) {
              expect(piece.from).toBe(at);
              at = piece.until;
              if (piece.level === 0) continue;
              const step = piece.level * 1000;
              expect([piece.from % step, piece.until % step]).toEqual([0, 0]);
              expect(piece.until).toBeLessThanOrEqual(NOON + settled);
              expect(piece.level).toBeLessThanOrEqual(maxLevel);
              expect(
                stale.filter(
                  one =>
                    one.level === piece.level &&
                    one.partition === partition &&
                    one.start >= piece.from &&
                    one.start < piece.until,
                ),
              ).toEqual([]);
            }
            expect(at).toBe(until);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
