// SPDX-License-Identifier: Apache-2.0
// Rows of stale and leases. A version changes with every profile that comes to a bucket while its rollups are made.
import type Database from 'better-sqlite3';
import type { Bucket, Ticket } from '../store.js';

/** Oldest first. */
export function listStale(
  db: Database.Database,
  { from, until, limit }: { from: number; until: number; limit: number },
): Bucket[] {
  return db
    .prepare<[number, number, number], Bucket>(
      `SELECT level, start, partition FROM stale WHERE start + level * 1000 > ? AND start < ?
       ORDER BY start, level, partition LIMIT ?`,
    )
    .all(from, until, limit);
}

/** A ticket that no `finish` takes when the bucket is not stale. */
export function openTicket(db: Database.Database, bucket: Bucket): Ticket {
  const version = db
    .prepare<[Bucket], number>(
      'SELECT version FROM stale WHERE level = :level AND start = :start AND partition = :partition',
    )
    .pluck()
    .get(bucket);
  return { bucket, version: String(version ?? 'none') };
}

/** Whether the bucket was still in the state of the ticket; it is not stale any more then. */
export function closeTicket(db: Database.Database, { bucket, version }: Ticket): boolean {
  const { changes } = db
    .prepare<[Bucket & { version: number }]>(
      `DELETE FROM stale WHERE level = :level AND start = :start AND partition = :partition AND version = :version`,
    )
    .run({ ...bucket, version: Number(version) });
  return changes === 1;
}

export interface AbandonCall {
  level: number;
  before: number;
}

export function abandonStale(db: Database.Database, { level, before }: AbandonCall): number {
  return db.prepare<[number, number]>('DELETE FROM stale WHERE level = ? AND start < ?').run(level, before)
    .changes;
}

export interface LeaseCall {
  name: string;
  holder: string;
  ttlMs: number;
}

export function acquireLease(db: Database.Database, { name, holder, ttlMs }: LeaseCall): boolean {
  const now = Date.now();
  return (
    db
      .prepare<[string, string, number, string, number]>(
        `INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE holder = ? OR until <= ?`,
      )
      .run(name, holder, now + ttlMs, holder, now).changes === 1
  );
}

export function releaseLease(
  db: Database.Database,
  { name, holder }: { name: string; holder: string },
): void {
  db.prepare<[string, string]>('DELETE FROM leases WHERE name = ? AND holder = ?').run(name, holder);
}
