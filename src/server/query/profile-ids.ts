// SPDX-License-Identifier: Apache-2.0
// Single profiles, by the UUIDs that clients know them by: the one that the sender gave, or the one that exemplars name.
import { StackwellError } from '../../errors.js';
import type { ProfileRecord } from '../../store/store.js';
import { profileId } from '../ingest/identity.js';

const MAX_IDS = 64;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** Of a profile, as exemplars name it. */
export function uuidOf({ id }: ProfileRecord): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** @throws SW_REQUEST_INVALID */
export function checkIds(uuids: string[]): string[] {
  const bad = uuids.find(uuid => !UUID.test(uuid));
  if (bad !== undefined || uuids.length > MAX_IDS)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason:
        bad === undefined
          ? `profile_id_selector: more than ${MAX_IDS}`
          : `profile_id_selector: ${JSON.stringify(bad.slice(0, 64))} is not a UUID`,
    });
  return [...new Set(uuids)];
}

/** Those of the profiles, as they came, that are called so. */
export function withIds(records: ProfileRecord[], uuids: string[]): ProfileRecord[] {
  const own = new Set(uuids.map(uuid => uuid.replaceAll('-', '').toLowerCase()));
  // What the sender called it is not kept; but the id follows from that and from its type and labels.
  return records.filter(
    record => own.has(record.id) || uuids.some(uuid => profileId(uuid, record) === record.id),
  );
}
