// SPDX-License-Identifier: Apache-2.0
// Makes rollups in the background. Partitions are leased, so that servers that share a store share the work; a lease
// that ran out while its holder was slow does no harm, for a bucket is only finished in the state in which it was begun.
import { asStackwellError } from '../../errors.js';
import { type Bucket, LEVELS, SETTLE_MS, type Store, type Ticket } from '../../store/store.js';
import type { Log } from '../context.js';
import type { Writers } from '../ingest/writers.js';
import type { Metrics } from '../metrics.js';
import type { Ages } from '../query/pieces.js';
import { Segments } from '../query/segments.js';
import { below, type Made, rollUp } from './roll-up.js';

const EVERY_MS = 10_000;
const LEASE_MS = 60_000;
/** Seconds in which a bucket that is begun is finished for certain. */
const MARGIN_S = 3600;
/** Buckets that are looked at in one round. */
const MOST_BUCKETS = 10_000;

export interface WorkerOptions {
  /** Names this server among those that share the store. */
  holder: string;
  /** Of what is past its retention nothing can be made. */
  ages: Ages;
  settleMs?: number;
}

export class RollupWorker {
  readonly #symbols: Segments;
  #timer: NodeJS.Timeout | null = null;
  #round: Promise<void> | null = null;
  #stopping = false;

  constructor(
    private readonly store: Store,
    /** Those of ingest: profiles that arrive next find symbols together that a rollup brought together. */
    private readonly writers: Writers,
    private readonly metrics: Metrics,
    private readonly log: Log,
    private readonly options: WorkerOptions,
  ) {
    this.#symbols = new Segments(store);
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#round ??= this.#run().finally(() => {
        this.#round = null;
      });
    }, EVERY_MS);
    this.#timer.unref();
  }

  /** Waits for the bucket that is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#round;
  }

  async #finish(ticket: Ticket, made: Made): Promise<boolean> {
    let whole = false;
    try {
      whole = await this.store.rollups.finish(ticket, made);
    } catch (error) {
      // Retention or somebody's request took symbols that a writer still counted on. The next round writes them again.
      if ((error as { code?: string }).code !== 'SW_SEGMENT_UNKNOWN') throw error;
      this.writers.clear();
    } finally {
      for (const { writer, ticket } of made.tickets) {
        if (whole) writer.commit(ticket);
        else writer.rollback(ticket);
      }
      this.writers.trim();
    }
    return whole;
  }

  async #run(): Promise<void> {
    try {
      await this.round(Date.now());
    } catch (error) {
      const known = asStackwellError(error);
      this.log.warn({ err: known, code: known.code }, `rollups: ${known.message}`);
    }
  }

  #stale(now: number): Promise<Bucket[]> {
    return this.store.rollups.stale({ from: 0, until: now }, MOST_BUCKETS);
  }

  /** What is about to be deleted is not made into rollups of a level that lack a part of it. */
  #kept(level: number, now: number): number {
    return now - this.options.ages[below(level)]! + Math.max(level, MARGIN_S) * 1000;
  }

  /** Everything that is due; how many buckets were made whole. */
  async round(now: number): Promise<number> {
    const { settleMs = SETTLE_MS, holder } = this.options;
    let stale = await this.#stale(now);
    const tooOld = LEVELS.filter(level =>
      stale.some(one => one.level === level && one.start < this.#kept(level, now)),
    );
    for (const level of tooOld)
      this.metrics.rollupsAbandoned.inc(await this.store.rollups.abandon(level, this.#kept(level, now)));
    if (tooOld.length > 0) stale = await this.#stale(now);
    const oldest = stale.find(({ level }) => level === LEVELS[0]);
    this.metrics.rollupLag.set(oldest === undefined ? 0 : (now - oldest.start) / 1000);
    // Where the list ends early, what a bucket lacks may not be in it.
    const listed = stale.length < MOST_BUCKETS ? now : stale.at(-1)!.start;
    const isDue = ({ start, level }: Bucket) =>
      start + level * 1000 <= Math.min(now - settleMs, level === LEVELS[0] ? now : listed);
    let whole = 0;
    for (const partition of new Set(stale.filter(isDue).map(one => one.partition))) {
      const lease = `rollup-${partition}`;
      if (this.#stopping) break;
      if (!(await this.store.leases.acquire(lease, holder, LEASE_MS))) continue;
      let until = performance.now() + LEASE_MS / 2;
      const own = stale.filter(one => one.partition === partition);
      // The finest level first: the others are made of it.
      for (const level of LEVELS)
        for (const bucket of own.filter(one => one.level === level && isDue(one))) {
          if (this.#stopping) break;
          if (lacks(own, bucket)) continue;
          if (performance.now() > until) {
            if (!(await this.store.leases.acquire(lease, holder, LEASE_MS))) break;
            until = performance.now() + LEASE_MS / 2;
          }
          if (await this.#rollUp(bucket)) {
            whole++;
            own.splice(own.indexOf(bucket), 1);
          }
        }
      await this.store.leases.release(lease, holder);
    }
    return whole;
  }

  async #rollUp(bucket: Bucket): Promise<boolean> {
    const done = this.metrics.rollupSeconds.startTimer({ level: String(bucket.level) });
    const { start, level } = bucket;
    const ticket = await this.store.rollups.begin(bucket);
    // A profile that came late made the finer ones stale before this one.
    if (level > LEVELS[0]) {
      const stale = await this.store.rollups.stale(
        { from: start, until: start + level * 1000 },
        MOST_BUCKETS,
      );
      // Where the list ends early, what it lacks may be what comes after.
      if (stale.length === MOST_BUCKETS || lacks(stale, bucket)) return false;
    }
    const made = await rollUp(this.store, this.#symbols, this.writers, bucket);
    if (made.damaged > 0)
      this.log.warn({ ...bucket, damaged: made.damaged }, 'rollups: damaged profiles are left out');
    const whole = await this.#finish(ticket, made);
    this.metrics.rollups.inc({ level: String(level), result: whole ? 'whole' : 'again' });
    done();
    return whole;
  }
}

/** Whether what it is made of is stale itself. */
function lacks(stale: Bucket[], { level, start, partition }: Bucket): boolean {
  return stale.some(
    one =>
      one.level < level &&
      one.partition === partition &&
      one.start >= start &&
      one.start < start + level * 1000,
  );
}
