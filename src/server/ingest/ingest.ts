// SPDX-License-Identifier: Apache-2.0
// From pprof bytes to a commit: decode and split natively, append, and only then remember the symbols as known.
import { webcrypto } from 'node:crypto';
import type { Limits, StoredProfile, SymbolWriter } from '#native/profile';
import { asStackwellError, StackwellError } from '../../errors.js';
import { readComments } from '../../profile/comments.js';
import { formatType } from '../../profile/types.js';
import type { ProfileRecord, Segment, Store } from '../../store/store.js';
import { Gate } from '../gate.js';
import type { Metrics } from '../metrics.js';
import { profileId } from './identity.js';
import { profileName, storedLabels } from './labels.js';
import type { Writers } from './writers.js';

/** As many as libuv has threads: more would only hold more decoded profiles in memory. */
const DECODERS = 4;
const MAX_AHEAD_MS = 3_600_000;
/** Nobody profiled before; a time_nanos near 0 is a client without a clock. */
const EARLIEST_MS = Date.UTC(2000, 0);
const INT64_MAX = 2n ** 63n - 1n;

export interface Incoming {
  pprof: Uint8Array;
  /** As sent, `__name__` among them. */
  labels: [string, string][];
  /** What the sender calls it; null to go by the content. */
  id: string | null;
  /** Unix milliseconds; what the profile itself says comes first. */
  from: number | null;
  until: number | null;
}

export interface Outcome {
  stored: number;
  duplicates: number;
  /** Profiles that were refused, by position; the others are stored. */
  refused: { index: number; error: StackwellError }[];
}

interface Prepared {
  service: string;
  writer: SymbolWriter;
  ticket: number;
  segment: Segment | null;
  records: ProfileRecord[];
}

export class Ingest {
  readonly #gate = new Gate(DECODERS, 4096, 'profiles');

  constructor(
    private readonly store: Store,
    private readonly writers: Writers,
    private readonly limits: Limits,
    /** Milliseconds; older profiles would be deleted at once. */
    private readonly maxAge: number,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Resolves when everything that is not refused is on disk.
   * @throws what the store says (SW_DISK_FULL, SW_STORE_UNAVAILABLE, …): then nothing counts as stored
   */
  async add(tenant: string, incoming: Incoming[]): Promise<Outcome> {
    const done = this.metrics.ingestSeconds.startTimer();
    try {
      const outcome = await this.#add(tenant, incoming, true);
      this.metrics.profiles.inc({ result: 'stored' }, outcome.stored);
      this.metrics.profiles.inc({ result: 'duplicate' }, outcome.duplicates);
      this.metrics.profiles.inc({ result: 'refused' }, outcome.refused.length);
      for (const { pprof } of incoming) this.metrics.ingestBytes.inc(pprof.length);
      return outcome;
    } finally {
      done();
    }
  }

  async #add(tenant: string, incoming: Incoming[], again: boolean): Promise<Outcome> {
    const day = new Date().toISOString().slice(0, 10);
    const refused: Outcome['refused'] = [];
    const prepared: Prepared[] = [];
    const failures: unknown[] = [];
    let next = 0;
    const prepareNext = async () => {
      while (next < incoming.length && failures.length === 0) {
        const index = next++;
        try {
          prepared.push(await this.#gate.run(() => this.#prepare(tenant, incoming[index]!, day)));
        } catch (error) {
          const known = asStackwellError(error);
          if (known.status >= 400 && known.status < 500) refused.push({ index, error: known });
          else failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: DECODERS }, prepareNext));
    const rollback = () => {
      for (const { writer, ticket } of prepared) writer.rollback(ticket);
    };
    if (failures.length > 0) {
      rollback();
      throw failures[0];
    }
    refused.sort((a, b) => a.index - b.index);
    if (prepared.length === 0) return { stored: 0, duplicates: 0, refused };
    try {
      const result = await this.store.append({
        segments: prepared.flatMap(({ segment }) => segment ?? []),
        profiles: prepared.flatMap(({ records }) => records),
      });
      for (const { writer, ticket } of prepared) writer.commit(ticket);
      this.writers.trim();
      return { ...result, refused };
    } catch (error) {
      rollback();
      if (!again || !(error instanceof StackwellError) || error.code !== 'SW_SEGMENT_UNKNOWN') throw error;
      // Retention took symbols that a writer still counted on. New writers send them again.
      for (const { service } of prepared) this.writers.drop(tenant, service, day);
      return this.#add(tenant, incoming, false);
    }
  }

  async #prepare(tenant: string, one: Incoming, day: string): Promise<Prepared> {
    const labels = storedLabels(one.labels);
    const service = labels.service_name!;
    const identity = one.id ?? (await contentHash(one.pprof, one.from));
    const writer = this.writers.get(tenant, service, day);
    const batch = await writer.add(one.pprof, this.limits);
    try {
      const name = one.labels.find(([key]) => key === '__name__')?.[1];
      const called = name || profileName(batch.profiles.map(({ sampleType }) => sampleType));
      return {
        service,
        writer,
        ticket: batch.ticket,
        segment: batch.segment && { ...batch.segment, tenant, service, day },
        records: batch.profiles.map(profile => {
          const record = { tenant, labels, ...this.#record(profile, one, called, batch.truncated) };
          return { id: profileId(identity, record), ...record };
        }),
      };
    } catch (error) {
      writer.rollback(batch.ticket);
      throw error;
    }
  }

  #record(
    profile: StoredProfile,
    { from, until }: Incoming,
    name: string,
    truncated: number,
  ): Omit<ProfileRecord, 'id' | 'tenant' | 'labels'> {
    const { start, duration } = this.#time(profile, from, until);
    if (profile.total > INT64_MAX || profile.total < -INT64_MAX || profile.period > INT64_MAX)
      throw new StackwellError('SW_PPROF_INVALID', { reason: 'the sum of its values is over 64 bits' });
    const sampleType = part(profile.sampleType, 'samples');
    const sampleUnit = part(profile.sampleUnit, 'count');
    const type = formatType({
      name: part(name, 'unknown'),
      sampleType,
      sampleUnit,
      periodType: part(profile.periodType, sampleType),
      periodUnit: part(profile.periodUnit, sampleUnit),
    });
    const stats = readComments(profile.comments);
    return {
      type,
      facets: profile.facets,
      facetsOmitted: Object.keys(profile.facetsOmitted),
      start,
      duration,
      period: profile.period,
      total: profile.total,
      level: 0,
      wide: false,
      segments: profile.segments,
      rows: profile.rows,
      stats: { ...stats, truncated: stats.truncated + truncated },
    };
  }

  #time(
    profile: StoredProfile,
    from: number | null,
    until: number | null,
  ): { start: number; duration: number } {
    const now = Date.now();
    let duration = Number(profile.durationNanos / 1_000_000n);
    if (duration <= 0) duration = from !== null && until !== null && until > from ? until - from : 0;
    const own = Number(profile.timeNanos / 1_000_000n);
    const start = own >= EARLIEST_MS ? own : (from ?? now - duration);
    const when = () => new Date(start).toISOString();
    if (start > now + MAX_AHEAD_MS)
      throw new StackwellError('SW_PPROF_INVALID', {
        reason: `it starts at ${when()}, more than an hour ahead of this server's clock`,
      });
    if (start < now - this.maxAge)
      throw new StackwellError('SW_PPROF_INVALID', {
        reason: `it starts at ${when()}, and is past its retention already`,
      });
    return { start: Math.floor(start), duration: Math.floor(duration) };
  }
}

/** A part of a type id. */
function part(text: string, otherwise: string): string {
  return text.replaceAll(':', '_').slice(0, 256) || otherwise;
}

/** Asynchronous: hashing a body of 32 MiB would hold the event loop for longer than it may be held. */
async function contentHash(bytes: Uint8Array, from: number | null): Promise<string> {
  const digest = await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return `${Buffer.from(digest).toString('hex')} ${from ?? ''}`;
}
