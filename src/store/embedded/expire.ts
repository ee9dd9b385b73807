// SPDX-License-Identifier: Apache-2.0
// Retention. Small transactions with a pause after each, so that appends are never kept waiting for long.
import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { Retention } from '../store.js';
import { storedLevel } from './schema.js';

export const BATCH = 500;
const PAGES_PER_STEP = 512;
const HOUR_MS = 3_600_000;
const KEPT_AS_CAME_MS = 6 * HOUR_MS;

interface Gone {
  profiles: number;
  segments: number;
  bytes: number;
}

export function bytesOnDisk(file: string): number {
  let bytes = 0;
  for (const part of [file, `${file}-wal`, `${file}-shm`])
    bytes += statSync(part, { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

/**
 * Deletes what is past its age, then, while the file is too big, the oldest hour.
 * @param forget called right after rows went that the appender may remember, before anything else can be appended
 */
export async function expire(
  db: Database.Database,
  file: string,
  retention: Retention,
  now: number,
  forget: () => void,
): Promise<Gone> {
  const gone: Gone = { profiles: 0, segments: 0, bytes: 0 };
  const before = bytesOnDisk(file);
  let oldestKept = Number.POSITIVE_INFINITY;
  for (const [level, age] of Object.entries(retention.maxAge)) {
    oldestKept = Math.min(oldestKept, now - age);
    for (const wide of [false, true])
      if (level !== '0' || !wide)
        gone.profiles += await deleteProfiles(db, now - age, storedLevel(Number(level), wide));
  }
  gone.segments += await deleteOrphans(db, oldestKept, forget);
  await reclaim(db);
  while (retention.maxBytes > 0 && bytesOnDisk(file) > retention.maxBytes) {
    // Rollups are small and reach far back: they go when what they are made of is nearly gone.
    const asCame = oldestStart(db, 0);
    const level = asCame !== null && asCame < now - KEPT_AS_CAME_MS ? 0 : null;
    const oldest = oldestStart(db, level);
    if (oldest === null) break;
    const cut = (Math.floor(oldest / HOUR_MS) + 1) * HOUR_MS;
    gone.profiles += await deleteProfiles(db, cut, level);
    gone.segments += await deleteOrphans(db, cut, forget);
    await reclaim(db);
  }
  gone.bytes = Math.max(0, before - bytesOnDisk(file));
  return gone;
}

/** Of a level as it is stored; of all for null. */
function oldestStart(db: Database.Database, level: number | null): number | null {
  return db
    .prepare<[number | null, number | null], number | null>(
      'SELECT min(start) FROM profiles WHERE ? IS NULL OR level = ?',
    )
    .pluck()
    .get(level, level)!;
}

async function deleteProfiles(db: Database.Database, before: number, level: number | null): Promise<number> {
  const remove = db.prepare<[number, number | null, number | null, number]>(
    `DELETE FROM profiles WHERE id IN
       (SELECT id FROM profiles WHERE start < ? AND (? IS NULL OR level = ?) ORDER BY start LIMIT ?)`,
  );
  return repeat(() => remove.run(before, level, level, BATCH).changes);
}

/** Segments, facets and series that no profile needs any more. `cut` is where the age ends, for an empty store. */
async function deleteOrphans(db: Database.Database, cut: number, forget: () => void): Promise<number> {
  const oldest = oldestStart(db, null);
  // Without an age to go by (and nothing stored), what was just written and waits for its profile must stay.
  const before = oldest ?? (Number.isFinite(cut) ? cut : 0);
  const removeBytes = db.prepare(
    'DELETE FROM segment_bytes WHERE id IN (SELECT id FROM segments WHERE last <= ? LIMIT 50)',
  );
  const removeSegments = db.prepare(
    'DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE last <= ? LIMIT 50)',
  );
  const both = db.transaction(() => {
    removeBytes.run(before);
    return removeSegments.run(before).changes;
  });
  const forgetting = (step: () => number) => () => {
    const changes = step();
    if (changes > 0) forget();
    return changes;
  };
  const segments = await repeat(forgetting(both));

  const removeFacets = db.prepare(
    `DELETE FROM facets WHERE (series, name, value) IN (SELECT series, name, value FROM facets WHERE last <= ? LIMIT ${BATCH})`,
  );
  await repeat(forgetting(() => removeFacets.run(before).changes));
  const removeSeries = db.prepare(
    `DELETE FROM series WHERE id IN (SELECT id FROM series s
       WHERE NOT EXISTS (SELECT 1 FROM profiles p WHERE p.series = s.id) LIMIT ${BATCH})`,
  );
  const removeFacetsOfNone = db.prepare('DELETE FROM facets WHERE series NOT IN (SELECT id FROM series)');
  await repeat(forgetting(() => removeSeries.run().changes));
  removeFacetsOfNone.run();
  return segments;
}

/** Gives free pages back to the file system. */
export async function reclaim(db: Database.Database): Promise<void> {
  await repeat(() => {
    const free = db.pragma('freelist_count', { simple: true }) as number;
    db.pragma(`incremental_vacuum(${PAGES_PER_STEP})`);
    return free > PAGES_PER_STEP ? free : 0;
  });
  // The file itself only gets shorter when the WAL is copied into it. A reader in the way leaves it for the next time.
  db.pragma('wal_checkpoint(TRUNCATE)');
}

/** Until a step changes nothing. */
export async function repeat(step: () => number): Promise<number> {
  let sum = 0;
  for (;;) {
    const changes = step();
    if (changes === 0) return sum;
    sum += changes;
    await setImmediate();
  }
}
