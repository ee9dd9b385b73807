// SPDX-License-Identifier: Apache-2.0
// Selections, from whichever rollups there are.

import { isOfRequest } from '../../profile/types.js';
import { LEVELS, type ProfileRecord, SETTLE_MS, type Selection, type Store } from '../../store/store.js';
import { fitsWide, type Piece, plan } from './plan.js';

/** With more buckets behind than this, rollups are not used where they are. */
const MOST_STALE = 10_000;
/** Ranges up to this are read as they came: a rollup would save nothing. */
const SHORT_MS = 2 * LEVELS[0] * 1000;
/** Beyond the settling time, for the round of the worker and for what a store shows a moment later. */
const MARGIN_MS = 30_000;

/** Milliseconds that each level is kept; 0 and those of LEVELS. */
export type Ages = Record<number, number>;

export interface PieceOptions {
  groupBy?: string[];
  /** No coarser rollups, in seconds. */
  maxLevel?: number;
  /** Labels of profiles or of samples are asked for that wide rollups do not have. */
  narrow?: boolean;
  ages: Ages;
  now?: number;
}

export async function choosePieces(
  store: Store,
  selection: Selection,
  { groupBy = [], maxLevel = LEVELS.at(-1)!, narrow = false, ages, now = Date.now() }: PieceOptions,
): Promise<{ pieces: Piece[]; warnings: string[] }> {
  const { from, until, sampleMatchers = [] } = selection;
  const asTheyCame = [{ from, until, level: 0, wide: false }];
  if (until - from <= SHORT_MS || maxLevel < LEVELS[0]) return { pieces: asTheyCame, warnings: [] };
  const ofRequests = sampleMatchers.map(({ name }) => name).filter(isOfRequest);
  if (ofRequests.length > 0) {
    // What else there is of this range is in rollups, which do not tell requests apart.
    const { sampleMatchers: _, ...whole } = selection;
    const { pieces } = await choosePieces(store, whole, { ages, now });
    const parts = await Promise.all(pieces.map(piece => totalOf(store, { ...whole, ...piece })));
    const all = parts.reduce((sum, part) => sum + part, 0n);
    const kept = await totalOf(store, { ...whole, level: 0 });
    return { pieces: asTheyCame, warnings: all === kept ? [] : [onlyInRollups(ofRequests, kept, all)] };
  }
  const stale = await store.rollups.stale({ from, until }, MOST_STALE);
  // Where the list ends, what comes after is not known.
  const listed = stale.length < MOST_STALE ? Number.POSITIVE_INFINITY : stale.at(-1)!.start;
  const pieces = plan({
    from,
    until,
    stale,
    settled: Math.min(now - SETTLE_MS - MARGIN_MS, listed),
    maxLevel,
    wide: !narrow && fitsWide(selection, groupBy),
  });
  // An edge of the range that lies within a rollup, of which nothing finer is kept.
  const cut = pieces.find(
    ({ level, until: end }, row) =>
      end <= now - (ages[level] ?? Infinity) && pieces[row + 1]?.level !== undefined,
  );
  const warnings =
    cut === undefined || pieces.every(({ level }) => level === cut.level)
      ? []
      : [
          `profiles around ${new Date(cut.from).toISOString()} are only kept in longer intervals; those that the range cuts are left out`,
        ];
  return { pieces, warnings };
}

async function totalOf(store: Store, selection: Selection): Promise<bigint> {
  const series = await store.timeline(selection, selection.until - selection.from, []);
  return series.flatMap(({ totals }) => totals).reduce((sum, total) => sum + total, 0n);
}

function onlyInRollups(names: string[], kept: bigint, all: bigint): string {
  const percent = all === 0n ? 0 : Math.round((Number(kept) / Number(all)) * 1000) / 10;
  return `rollups do not keep ${[...new Set(names)].join(' and ')}: the answer is from the ${percent} % of this range that is still there as it came`;
}

/** Piece after piece, in batches, oldest first; the next piece is asked for while one is worked on. */
export async function* selectPieces(
  store: Store,
  selection: Selection,
  pieces: Piece[],
  onDamaged: () => void,
): AsyncGenerator<ProfileRecord[]> {
  type Reader = { batches: AsyncIterator<ProfileRecord[]>; first: Promise<IteratorResult<ProfileRecord[]>> };
  const open = (piece: Piece | undefined): Reader | null => {
    if (piece === undefined) return null;
    const batches = store.selectProfiles({ ...selection, ...piece }, onDamaged)[Symbol.asyncIterator]();
    const first = batches.next();
    // If nobody comes to take it, its failure is nobody's.
    first.catch(() => {});
    return { batches, first };
  };
  let current = open(pieces[0]);
  let next: Reader | null = null;
  try {
    for (let row = 0; current !== null; row++) {
      next = open(pieces[row + 1]);
      let result = await current.first;
      while (!result.done) {
        yield result.value;
        result = await current.batches.next();
      }
      current = next;
      next = null;
    }
  } finally {
    await current?.batches.return?.();
    await next?.batches.return?.();
  }
}
