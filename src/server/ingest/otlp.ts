// SPDX-License-Identifier: Apache-2.0
// OTLP profiles: converted to pprof by the engine, then stored as everything else.
import { convertOtlp, type OtlpExport } from '#native/profile';
import type { Context } from '../context.js';
import type { Reservation } from './in-flight.js';

/** Names that the agent has for what OpenTelemetry's semantic conventions name otherwise. The rest is kept as it is. */
const LABELS: Record<string, string> = {
  'service.version': 'deploy',
  'host.name': 'host',
  'k8s.namespace.name': 'namespace',
  'k8s.pod.name': 'pod',
  'k8s.container.name': 'container',
  'container.name': 'container',
  'container.id': 'container_id',
  'container.image.name': 'image',
};
/** One less than a profile may have: the service is one, too. */
const MAX_LABELS = 63;
/** Named in the message of a request that was partly refused; the rest is counted. */
const MAX_NAMED = 10;

/** ExportProfilesServiceResponse. */
export interface OtlpAnswer {
  /** Absent when all is well. */
  partialSuccess?: { rejectedProfiles: bigint; errorMessage: string };
}

/**
 * Stores an ExportProfilesServiceRequest. What cannot be read is refused whole; profiles that are well-formed but
 * refused for themselves (too old, …) are counted in the answer, and the others are stored.
 * @throws SW_OTLP_INVALID, SW_PPROF_LIMIT, SW_SERVER_BUSY, what the store says, and the reason when nothing is stored
 */
export async function exportOtlp(
  { ingest, config, metrics }: Context,
  tenant: string,
  request: Uint8Array,
  reservation: Reservation,
): Promise<OtlpAnswer> {
  const { profiles, droppedAttributes } = await convertOtlp(request, {
    maxBytes: config.limits.profileBytes,
  });
  reservation.grow(profiles.reduce((sum, { pprof }) => sum + pprof.length, 0));
  let dropped = droppedAttributes;
  const { refused } = await ingest.add(
    tenant,
    profiles.map(profile => {
      const { labels, omitted } = labelsOf(profile);
      dropped += omitted;
      return { pprof: profile.pprof, labels, id: null, from: null, until: null };
    }),
  );
  for (const { error } of refused) metrics.errors.inc({ code: error.code });
  if (refused.length > 0 && refused.length === profiles.length) throw refused[0]!.error;
  const told = refused.slice(0, MAX_NAMED).map(({ error }) => `${error.code}: ${error.message}`);
  if (refused.length > MAX_NAMED) told.push(`and ${refused.length - MAX_NAMED} more`);
  if (dropped > 0)
    told.push(`${dropped} attributes are not stored: they are too long, or more than ${MAX_LABELS}`);
  if (told.length === 0) return {};
  const rejected = refused.reduce((sum, { index }) => sum + profiles[index]!.profiles, 0);
  return { partialSuccess: { rejectedProfiles: BigInt(rejected), errorMessage: told.join('; ') } };
}

function labelsOf({ attributes, service, name }: OtlpExport['profiles'][number]): {
  labels: [string, string][];
  omitted: number;
} {
  const labels = new Map<string, string>();
  let omitted = 0;
  for (const [key, value] of attributes) {
    const label = Object.hasOwn(LABELS, key) ? LABELS[key]! : key;
    if (labels.size < MAX_LABELS || labels.has(label)) labels.set(label, value);
    else omitted++;
  }
  labels.set('service_name', service);
  if (name !== '') labels.set('__name__', name);
  return { labels: [...labels], omitted };
}
