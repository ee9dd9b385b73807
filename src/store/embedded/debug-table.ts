// SPDX-License-Identifier: Apache-2.0
// Rows of debug_files.
import type Database from 'better-sqlite3';
import type { DebugFile } from '../store.js';

export function listDebugFiles(db: Database.Database): DebugFile[] {
  return db
    .prepare<[], DebugFile>(
      `SELECT build_id AS buildId, role, kind, sha256, size, origin, added, used FROM debug_files
       ORDER BY build_id, role`,
    )
    .all();
}

/** In place of the row with the same build id and role. */
export function putDebugFile(db: Database.Database, file: DebugFile): void {
  db.prepare<[DebugFile]>(
    `INSERT OR REPLACE INTO debug_files (build_id, role, kind, sha256, size, origin, added, used)
     VALUES (:buildId, :role, :kind, :sha256, :size, :origin, :added, :used)`,
  ).run(file);
}

/** Nothing when it is another file by now. */
export function deleteDebugFile(db: Database.Database, file: DebugFile): void {
  db.prepare<[DebugFile]>(
    'DELETE FROM debug_files WHERE build_id = :buildId AND role = :role AND sha256 = :sha256',
  ).run(file);
}

export function touchDebugFiles(
  db: Database.Database,
  { files, now }: { files: DebugFile[]; now: number },
): void {
  const touch = db.prepare<[number, string, string]>(
    'UPDATE debug_files SET used = ? WHERE build_id = ? AND role = ?',
  );
  db.transaction(() => {
    for (const { buildId, role } of files) touch.run(now, buildId, role);
  })();
}
