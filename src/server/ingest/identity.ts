// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { ProfileRecord } from '../../store/store.js';

/**
 * Id of a stored profile: the same for what is sent again, in no other tenant.
 * @param identity what the sender calls it, or a hash of its content
 */
export function profileId(
  identity: string,
  { tenant, type, labels }: Pick<ProfileRecord, 'tenant' | 'type' | 'labels'>,
): string {
  const of = tenant === '' ? [identity, type, labels] : [identity, type, labels, tenant];
  return createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, 32);
}
