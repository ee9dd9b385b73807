// SPDX-License-Identifier: Apache-2.0
// Deletion on request, in small transactions as retention's.
import type Database from 'better-sqlite3';
import { labelOf } from '../../profile/labels.js';
import type { Labels } from '../../profile/types.js';
import { BATCH, reclaim, repeat } from './expire.js';

export interface Owner {
  tenant: string;
  service?: string;
}

/** @param forget as of `expire` */
export async function deleteOwned(
  db: Database.Database,
  { tenant, service }: Owner,
  forget: () => void,
): Promise<{ profiles: number; segments: number }> {
  const find = db.prepare<[string], { id: number; labels: string }>(
    'SELECT id, labels FROM series WHERE tenant = ?',
  );
  const series = find
    .all(tenant)
    .filter(
      ({ labels }) =>
        service === undefined || labelOf(JSON.parse(labels) as Labels, 'service_name') === service,
    )
    .map(({ id }) => id);
  const gone = { profiles: 0, segments: 0 };
  const removeProfiles = db.prepare<[number, number]>(
    'DELETE FROM profiles WHERE id IN (SELECT id FROM profiles WHERE series = ? LIMIT ?)',
  );
  const removeRest = db.transaction((id: number) => {
    db.prepare('DELETE FROM facets WHERE series = ?').run(id);
    // A profile that came meanwhile stays, with its series.
    return db
      .prepare('DELETE FROM series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM profiles WHERE series = ?)')
      .run(id, id).changes;
  });
  for (const id of series) {
    gone.profiles += await repeat(() => removeProfiles.run(id, BATCH).changes);
    removeRest(id);
    forget();
  }
  const ofService = service === undefined ? '' : 'AND service = ?';
  const segments = db
    .prepare<string[], number>(`SELECT id FROM segments WHERE tenant = ? ${ofService}`)
    .pluck()
    .all(...(service === undefined ? [tenant] : [tenant, service]));
  const removeSegment = db.transaction((id: number) => {
    db.prepare('DELETE FROM segment_bytes WHERE id = ?').run(id);
    return db.prepare('DELETE FROM segments WHERE id = ?').run(id).changes;
  });
  for (let at = 0; at < segments.length; at += BATCH) {
    gone.segments += segments.slice(at, at + BATCH).reduce((sum, id) => sum + removeSegment(id), 0);
    forget();
    await reclaim(db);
  }
  await reclaim(db);
  return gone;
}
