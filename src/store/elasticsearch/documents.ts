// SPDX-License-Identifier: Apache-2.0
// A profile as a document: what it is found by as fields, all of it as bytes.
import { createHash } from 'node:crypto';
import { type Coverage, noCoverage } from '../../profile/coverage.js';
import type { Labels } from '../../profile/types.js';
import { type ProfileRecord, type ProfileStats, partitionOf, type Segment } from '../store.js';

/** In front of the rows: a length of four bytes, and this as JSON. */
interface Head {
  id: string;
  tenant: string;
  type: string;
  labels: Labels;
  start: number;
  duration: number;
  /** Whole numbers of 64 bits, in decimal. */
  period: string;
  total: string;
  segments: string[];
  /** Without what is 0 or empty. */
  stats: Partial<ProfileStats>;
}

/** Only what is not zero: most profiles that do not come from our agent have nothing to say here. */
function withoutZeros(stats: ProfileStats): Partial<ProfileStats> {
  return Object.fromEntries(
    Object.entries(stats).filter(
      ([, value]) =>
        value !== 0 &&
        value !== '' &&
        !(typeof value === 'object' && Object.keys(value as object).length === 0),
    ),
  );
}

/** JSON of the document of a profile. */
export function profileDocument(profile: ProfileRecord): string {
  const { id, tenant, type, labels, start, duration, period, total, segments, stats } = profile;
  const head: Head = {
    id,
    tenant,
    type,
    labels,
    start,
    duration,
    period: String(period),
    total: String(total),
    segments,
    stats: withoutZeros(stats),
  };
  const json = Buffer.from(JSON.stringify(head));
  const body = Buffer.allocUnsafe(4 + json.length + profile.rows.length);
  body.writeUInt32LE(json.length);
  body.set(json, 4);
  body.set(profile.rows, 4 + json.length);
  const facets = Object.entries(profile.facets).flatMap(([name, values]) =>
    values.filter(value => value !== '').map(value => `${name}=${value}`),
  );
  return JSON.stringify({
    tenant,
    partition: partitionOf(tenant, labels.service_name ?? ''),
    type,
    series: createHash('sha256')
      .update(JSON.stringify([tenant, type, labels]))
      .digest('base64url')
      .slice(0, 22),
    labels,
    names: Object.keys(labels),
    facets: [...facets, ...profile.facetsOmitted.map(name => `${name}=`)],
    start: Math.trunc(start),
    high: Number(total >> 32n),
    low: Number(total & 0xffffffffn),
    body: body.toString('base64'),
  });
}

/** Null when it is damaged. `base64` is the field `body`. */
export function parseProfile(base64: unknown, level: number, wide: boolean): ProfileRecord | null {
  if (typeof base64 !== 'string') return null;
  const body = Buffer.from(base64, 'base64');
  if (body.length < 4) return null;
  const end = 4 + body.readUInt32LE();
  if (end > body.length) return null;
  try {
    const { stats, period, total, ...head } = JSON.parse(body.toString('utf8', 4, end)) as Head;
    return {
      ...head,
      facets: {},
      facetsOmitted: [],
      period: BigInt(period),
      total: BigInt(total),
      level,
      wide,
      rows: new Uint8Array(body.buffer, body.byteOffset + end, body.length - end),
      stats: { ...noCoverage(), clock: '', ...(stats as Partial<Coverage>) },
    };
  } catch {
    return null;
  }
}

export function segmentDocument({ tenant, service, bytes }: Segment): string {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return JSON.stringify({ tenant, service, body });
}
