// SPDX-License-Identifier: Apache-2.0
// Scrapes what discovery finds, and delivers it in batches.
import type { Delta as NativeDelta } from '#native/profile';
import { durationMs } from '../../config/duration.js';
import type { ScrapeConfig } from '../../config/scrape.js';
import type { Log } from '../log.js';
import { oncePerMinute } from '../log.js';
import type { PushSeries } from '../outbox/push-request.js';
import { Discovery } from './discovery.js';
import type { Common } from './labels.js';
import { type RoundOptions, Rounds } from './rounds.js';
import { Slots } from './slots.js';
import type { Target } from './target.js';

/** Profiles wait so long for others to be delivered with: a file in the outbox for each would be many. */
const BATCH_MS = 2000;
const BATCH_BYTES = 4 * 1024 * 1024;

export interface ScraperOptions {
  config: ScrapeConfig;
  common: Common;
  Delta: typeof NativeDelta;
  /** Never rejects. */
  deliver(series: PushSeries[]): Promise<void>;
  log: Log;
}

export class Scraper {
  readonly rounds = new Map<string, Rounds>();
  readonly discovery: Discovery;
  profiles = 0;
  stateBytes = 0;
  private readonly options: RoundOptions;
  private batch: PushSeries[] = [];
  private batchBytes = 0;
  private timer: NodeJS.Timeout | null = null;
  private delivering: Promise<void> = Promise.resolve();
  private readonly ending = new Set<Promise<void>>();

  /** @throws SW_SCRAPE_TARGETS where an address in the configuration is none */
  constructor({ config, common, Delta, deliver, log }: ScraperOptions) {
    const warn = oncePerMinute((fields, message) => log.warn(fields, message));
    this.deliver = deliver;
    this.options = {
      intervalMs: durationMs(config.interval),
      timeoutMs: durationMs(config.timeout),
      maxBodyBytes: config.maxBodyBytes,
      maxProfileBytes: config.maxProfileBytes,
      common,
      createDelta: counters =>
        new Delta({ counters: [...counters], limits: { maxBytes: config.maxProfileBytes } }),
      fetches: new Slots(config.concurrency),
      decodes: new Slots(1),
      reserve: bytes => {
        if (bytes > 0 && this.stateBytes + bytes > config.maxStateBytes) return false;
        this.stateBytes += bytes;
        return true;
      },
      onProfile: series => this.add(series),
      onFailure: ({ job, address }, profile, { code, message }) =>
        warn(code, { code, job: job.name, target: address, profile, reason: message }, 'a scrape failed'),
    };
    this.discovery = new Discovery({
      config,
      refreshMs: durationMs(config.refresh),
      onTargets: targets => {
        this.follow(targets);
        if (this.discovery.omitted > 0)
          warn(
            'SW_SCRAPE_TOO_MANY',
            { code: 'SW_SCRAPE_TOO_MANY', omitted: this.discovery.omitted, max: config.maxTargets },
            'targets are left out',
          );
      },
      onFailure: (job, { code, message }) =>
        warn(code, { code, job, reason: message }, 'targets are as they were before'),
    });
  }

  private readonly deliver: (series: PushSeries[]) => Promise<void>;

  start(): void {
    this.discovery.start();
  }

  /** Ends what is under way, and delivers what was taken. */
  async close(): Promise<void> {
    await this.discovery.close();
    this.follow(new Map());
    await Promise.all(this.ending);
    await this.flush();
  }

  private follow(targets: Map<string, Target>): void {
    for (const [key, rounds] of this.rounds) {
      if (targets.has(key)) continue;
      this.rounds.delete(key);
      const ended = rounds.close().finally(() => this.ending.delete(ended));
      this.ending.add(ended);
    }
    for (const [key, target] of targets)
      if (!this.rounds.has(key)) this.rounds.set(key, new Rounds(target, key, this.options));
  }

  private add(series: PushSeries): void {
    this.profiles++;
    this.batch.push(series);
    this.batchBytes += series.pprof.length;
    if (this.batchBytes >= BATCH_BYTES) void this.flush();
    else
      this.timer ??= setTimeout(() => {
        void this.flush();
      }, BATCH_MS);
  }

  private flush(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const batch = this.batch;
    this.batch = [];
    this.batchBytes = 0;
    if (batch.length > 0) this.delivering = this.delivering.then(() => this.deliver(batch));
    return this.delivering;
  }
}
