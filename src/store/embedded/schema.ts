// SPDX-License-Identifier: Apache-2.0
// The embedded store's tables, and how a file of an older version becomes one of today.
import type Database from 'better-sqlite3';
import { LEVELS, PARTITIONS } from '../store.js';

/** Each entry takes a file from version i to i + 1. Entries are never changed, only added. */
const MIGRATIONS: readonly string[] = [
  `
  -- A series is a type with a set of labels. Ids are never used again (AUTOINCREMENT): readers cache what an id means.
  CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    type TEXT NOT NULL,
    labels TEXT NOT NULL
  );
  -- last: no profile that names the segment starts later (rounded up); from it follows when the segment can go.
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL UNIQUE,
    service TEXT NOT NULL,
    day TEXT NOT NULL,
    last INTEGER NOT NULL
  );
  -- Apart from segments, for an update of a row rewrites all of it.
  CREATE TABLE segment_bytes (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  -- segments: ids as little-endian 32-bit numbers, in the order in which rows counts them.
  CREATE TABLE profiles (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    series INTEGER NOT NULL,
    level INTEGER NOT NULL,
    start INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    period INTEGER NOT NULL,
    total INTEGER NOT NULL,
    stats TEXT NOT NULL,
    segments BLOB NOT NULL,
    rows BLOB NOT NULL
  );
  -- total is part of it so that a timeline never touches the rows.
  CREATE INDEX profiles_by_series ON profiles (series, level, start, total);
  CREATE INDEX profiles_by_start ON profiles (start, level);
  -- value '' says that there were more values than are listed. first and last are rounded outwards.
  CREATE TABLE facets (
    series INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (series, name, value)
  ) WITHOUT ROWID;
  `,
  `
  -- The files themselves are beside this one, in debuginfo/.
  CREATE TABLE debug_files (
    build_id TEXT NOT NULL,
    role TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    origin TEXT NOT NULL,
    added INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (build_id, role)
  ) WITHOUT ROWID;
  `,
  `
  ALTER TABLE series ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
  ALTER TABLE segments ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
  -- Buckets whose rollups lack something. version changes with each profile that comes while they are made.
  -- Of profiles, level is that of a rollup, negative when it is a wide one.
  CREATE TABLE stale (
    level INTEGER NOT NULL,
    start INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (level, start, partition)
  ) WITHOUT ROWID;
  -- What is there already has no rollups.
  INSERT OR IGNORE INTO stale (level, start, partition)
    WITH RECURSIVE
      partitions(p) AS (SELECT 0 UNION ALL SELECT p + 1 FROM partitions WHERE p < ${PARTITIONS - 1}),
      levels(l) AS (VALUES ${LEVELS.map(level => `(${level})`).join(', ')}),
      minutes(m) AS (SELECT DISTINCT start / 60000 * 60000 FROM profiles)
    SELECT l, m / (l * 1000) * (l * 1000), p FROM minutes, levels, partitions;
  CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  `,
  `
  -- Rollups of a day, of what is there already.
  INSERT OR IGNORE INTO stale (level, start, partition)
    WITH RECURSIVE
      partitions(p) AS (SELECT 0 UNION ALL SELECT p + 1 FROM partitions WHERE p < ${PARTITIONS - 1}),
      days(d) AS (SELECT DISTINCT start / 86400000 * 86400000 FROM profiles)
    SELECT 86400, d, p FROM days, partitions;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;
export const FILE_NAME = 'stackwell.db';
export const LOCK_NAME = 'lock.db';

/**
 * Times of facets and segments are rounded outwards to this many milliseconds: then a value that is seen in every
 * window is written once in ten minutes and not with every profile.
 */
export const ROUNDING_MS = 600_000;

/** The level of a profile as `profiles` has it. */
export function storedLevel(level = 0, wide = false): number {
  return wide ? -level : level;
}

/** Settings of the connection that writes. To be called before migrate: auto_vacuum only takes in an empty file. */
export function prepareWriter(db: Database.Database): void {
  db.pragma('page_size = 8192');
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('journal_mode = WAL');
  // FULL syncs the WAL at each commit: an acknowledged profile survives a power cut, not only a crash.
  db.pragma('synchronous = FULL');
  db.pragma('journal_size_limit = 16777216');
  db.pragma('cache_size = -8192');
}

/** Brings the file to SCHEMA_VERSION. @throws RangeError when a newer version wrote it. */
export function migrate(db: Database.Database): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version > SCHEMA_VERSION)
    throw new RangeError(`written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`);
  for (let next = version; next < SCHEMA_VERSION; next++) {
    db.transaction(() => {
      db.exec(MIGRATIONS[next]!);
      db.pragma(`user_version = ${next + 1}`);
    })();
  }
}
