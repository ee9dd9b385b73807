// SPDX-License-Identifier: Apache-2.0
// From which rollups a range is answered: the coarsest that fit into it and have everything; at its edges, and where
// rollups are behind, from finer ones, at last from the profiles as they came.
import {
  type Bucket,
  LEVELS,
  PARTITIONS,
  type Selection,
  WIDE_LABELS,
  WIDE_SAMPLE_LABELS,
} from '../../store/store.js';

/** A part of a selection. All parts together have every profile of it once. */
export type Piece = Pick<Selection, 'from' | 'until' | 'partitions'> & { level: number; wide: boolean };

export interface PlanInput {
  /** Unix milliseconds, half open. */
  from: number;
  until: number;
  /** Rollups that are behind, of any level; those that have not ended long ago may be missing. */
  stale: Bucket[];
  /** Unix milliseconds: what ends later is not counted on to be rolled up. */
  settled: number;
  /** No coarser level than this, in seconds. */
  maxLevel: number;
  /** Rollups over all hosts will do. */
  wide: boolean;
}

const ALL = 2 ** PARTITIONS - 1;

/** In order of time. */
export function plan({ from, until, stale, settled, maxLevel, wide }: PlanInput): Piece[] {
  /** By level and start: a bit for each partition that is stale. */
  const behind = new Map<string, number>();
  for (const { level, start, partition } of stale) {
    const key = `${level} ${start}`;
    behind.set(key, (behind.get(key) ?? 0) | (1 << partition));
  }
  const pieces: Piece[] = [];
  const add = (level: number, from: number, until: number, partitions: number) => {
    if (from >= until || partitions === 0) return;
    const last = pieces.at(-1);
    const piece: Piece = {
      from,
      until,
      level,
      wide: wide && level > 0,
      ...(partitions === ALL ? {} : { partitions: listOf(partitions) }),
    };
    if (
      last !== undefined &&
      last.until === from &&
      last.level === level &&
      same(last.partitions, piece.partitions)
    )
      last.until = until;
    else pieces.push(piece);
  };
  const cover = (row: number, from: number, until: number, partitions: number) => {
    if (from >= until || partitions === 0) return;
    if (row < 0) {
      add(0, from, until, partitions);
      return;
    }
    const level = LEVELS[row]!;
    const step = level * 1000;
    const first = Math.ceil(from / step) * step;
    const end = Math.floor(Math.min(until, settled) / step) * step;
    if (level > maxLevel || first >= end) {
      cover(row - 1, from, until, partitions);
      return;
    }
    cover(row - 1, from, first, partitions);
    // Runs of buckets in the same state are one piece each.
    for (let at = first; at < end; ) {
      const missing = (behind.get(`${level} ${at}`) ?? 0) & partitions;
      let next = at + step;
      while (next < end && ((behind.get(`${level} ${next}`) ?? 0) & partitions) === missing) next += step;
      add(level, at, next, partitions & ~missing);
      cover(row - 1, at, next, missing);
      at = next;
    }
    cover(row - 1, end, until, partitions);
  };
  cover(LEVELS.length - 1, from, until, ALL);
  return pieces;
}

/** Whether a question can be answered from rollups that have no other labels than WIDE_LABELS. */
export function fitsWide({ matchers, sampleMatchers = [] }: Selection, groupBy: string[]): boolean {
  const isWide = (name: string) => (WIDE_LABELS as readonly string[]).includes(name);
  return (
    matchers.every(({ name }) => isWide(name)) &&
    groupBy.every(isWide) &&
    sampleMatchers.every(({ name }) => (WIDE_SAMPLE_LABELS as readonly string[]).includes(name))
  );
}

function listOf(partitions: number): number[] {
  return Array.from({ length: PARTITIONS }, (_, row) => row).filter(row => (partitions & (1 << row)) !== 0);
}

function same(a: number[] | undefined, b: number[] | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
