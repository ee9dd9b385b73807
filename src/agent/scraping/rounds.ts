// SPDX-License-Identifier: Apache-2.0
// The scrapes of one target: all of its profiles in each interval, at a moment of its own.
import { createHash, randomUUID } from 'node:crypto';
import type { Delta, Grown } from '#native/profile';
import { asStackwellError, type ErrorCode, StackwellError } from '../../errors.js';
import type { PushSeries } from '../outbox/push-request.js';
import { authorization, trust } from './credentials.js';
import { fetchBytes } from './fetch.js';
import { type Ask, countersOf, KINDS, type Kind } from './kinds.js';
import { type Common, labelsOf } from './labels.js';
import type { Slots } from './slots.js';
import type { Target } from './target.js';

/** What was counted so long ago, in intervals, is not compared with: the growth would be of no moment. */
const FORGET_AFTER = 10;

export interface RoundOptions {
  intervalMs: number;
  timeoutMs: number;
  maxBodyBytes: number;
  maxProfileBytes: number;
  common: Common;
  createDelta(counters: readonly string[]): Delta;
  /** Fetches at once; and profiles that are decoded at once, over all targets. */
  fetches: Slots;
  decodes: Slots;
  /** True when so many more bytes may be remembered. */
  reserve(bytes: number): boolean;
  onProfile(series: PushSeries): void;
  onFailure(target: Target, kind: Kind, error: StackwellError): void;
}

/** What is known of one profile of a target. */
export class Taken {
  /** null before the first answer. */
  up: boolean | null = null;
  lastError: ErrorCode | null = null;
  /** Unix milliseconds of the last success; 0 = none yet. */
  lastSuccess = 0;
  seconds = 0;
  /** performance.now() of it. */
  at = Number.NEGATIVE_INFINITY;
  stateBytes = 0;

  constructor(readonly delta: Delta) {}
}

export class Rounds {
  scrapes = 0;
  /** Intervals that were left out because the one before still went on. */
  late = 0;
  restarts = 0;
  readonly failures = new Map<ErrorCode, number>();
  readonly taken = new Map<Kind, Taken>();
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private readonly abort = new AbortController();

  constructor(
    readonly target: Target,
    key: string,
    private readonly options: RoundOptions,
  ) {
    for (const kind of KINDS) {
      const ask = target.asks[kind];
      if (ask !== undefined) this.taken.set(kind, new Taken(options.createDelta(countersOf(kind, ask))));
    }
    // Always the same part of the interval for the same target: agents that start together do not scrape together.
    const part = createHash('sha256').update(key).digest().readUInt32BE() / 2 ** 32;
    const { intervalMs } = options;
    const phase = part * intervalMs;
    const wait = () => intervalMs - ((Date.now() - phase) % intervalMs);
    const tick = () => {
      // A timer may come a moment before it is due: that moment is not another round.
      const rest = wait();
      this.timer = setTimeout(tick, rest < intervalMs / 2 ? rest + intervalMs : rest);
      if (this.running === null)
        this.running = this.round().finally(() => {
          this.running = null;
        });
      else this.late++;
    };
    this.timer = setTimeout(tick, wait());
  }

  async close(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.abort.abort();
    await this.running;
    for (const taken of this.taken.values()) this.remember(taken, 0);
  }

  private async round(): Promise<void> {
    this.scrapes++;
    const one = async (kind: Kind, taken: Taken) => {
      const ask = this.target.asks[kind]!;
      // What samples for seconds keeps no other target waiting.
      const get = () => this.take(kind, ask, taken);
      await (ask.seconds > 0 ? get() : this.options.fetches.run(get));
    };
    await Promise.all([...this.taken].map(([kind, taken]) => one(kind, taken)));
  }

  private async take(kind: Kind, ask: Ask, taken: Taken): Promise<void> {
    if (this.abort.signal.aborted) return;
    const { onFailure, onProfile, decodes, common } = this.options;
    const began = performance.now();
    try {
      const body = await this.fetch(ask);
      const grown = await decodes.run(() => this.grow(kind, taken, body));
      taken.up = true;
      taken.lastError = null;
      taken.lastSuccess = Date.now();
      taken.seconds = (performance.now() - began) / 1000;
      if (grown.restarted) this.restarts++;
      if (grown.samples === 0) return;
      onProfile({ id: randomUUID(), pprof: grown.pprof, labels: labelsOf(this.target, kind, grown, common) });
    } catch (thrown) {
      if (this.abort.signal.aborted) return;
      const error = asStackwellError(thrown);
      taken.up = false;
      taken.lastError = error.code;
      taken.seconds = (performance.now() - began) / 1000;
      this.failures.set(error.code, (this.failures.get(error.code) ?? 0) + 1);
      onFailure(this.target, kind, error);
    }
  }

  private async fetch({ path, seconds }: Ask): Promise<Buffer> {
    const { scheme, address, job } = this.target;
    const url = new URL(`${scheme}://${address}`);
    // Set, not parsed together: a path that starts with // would name another host.
    const query = path.indexOf('?');
    url.pathname = query < 0 ? path : path.slice(0, query);
    if (query >= 0) url.search = path.slice(query);
    if (seconds > 0) url.searchParams.set('seconds', String(seconds));
    const { timeoutMs, maxBodyBytes, maxProfileBytes } = this.options;
    return fetchBytes(url, {
      headers: { accept: '*/*', ...(await authorization(job)) },
      trust: await trust(job.tls),
      timeoutMs: timeoutMs + seconds * 1000,
      maxBytes: maxBodyBytes,
      maxDecodedBytes: maxProfileBytes,
      signal: this.abort.signal,
    });
  }

  private async grow(kind: Kind, taken: Taken, body: Buffer): Promise<Grown> {
    const { intervalMs } = this.options;
    const now = performance.now();
    const since = now - taken.at;
    const forgotten = since > FORGET_AFTER * intervalMs;
    if (forgotten) await taken.delta.forget();
    // Of the first one there is a snapshot at most: it stands for one interval, as the others do.
    const durationMs = Math.max(1, Math.round(forgotten ? intervalMs : since));
    const window = {
      timeNanos: BigInt(Date.now() - durationMs) * 1_000_000n,
      durationNanos: BigInt(durationMs) * 1_000_000n,
    };
    const grown = await taken.delta.add(body, kind === 'process_cpu' ? undefined : window);
    taken.at = now;
    if (!this.remember(taken, taken.delta.size.bytes)) {
      await taken.delta.forget();
      throw new StackwellError('SW_SCRAPE_STATE', { bytes: taken.delta.size.bytes });
    }
    return grown;
  }

  private remember(taken: Taken, bytes: number): boolean {
    const more = bytes - taken.stateBytes;
    if (!this.options.reserve(more)) {
      this.options.reserve(-taken.stateBytes);
      taken.stateBytes = 0;
      return false;
    }
    taken.stateBytes = bytes;
    return true;
  }
}
