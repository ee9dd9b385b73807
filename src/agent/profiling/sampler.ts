// SPDX-License-Identifier: Apache-2.0
// The beat of the agent: reads mapping records a few times a second, and once a window turns what was sampled into
// profiles. One window at a time: while one is being named and written, the next only gets longer.
import type { Drained, Profiler } from '#native/bpf';
import type { encode as Encode } from '#native/profile';
import { asStackwellError } from '../../errors.js';
import { addCoverage, type Coverage, noCoverage } from '../../profile/coverage.js';
import type { Containers } from '../containers/containers.js';
import type { Log } from '../log.js';
import type { PushSeries } from '../outbox/push-request.js';
import { wallClock } from '../procfs/clock.js';
import { PerfMapRequests } from './attach/perf-map-requests.js';
import { type PublisherProfiler, Publishers } from './publishers.js';
import { type RuntimeProfiler, Runtimes } from './runtimes.js';
import type { Services } from './services.js';
import type { SymbolSource } from './symbols.js';
import { type TableProfiler, UnwindTables } from './unwind-tables.js';
import { type Kind, WindowBuilder } from './window.js';

export type WindowProfiler = Pick<Profiler, 'poll' | 'drain' | 'close'> &
  TableProfiler &
  RuntimeProfiler &
  PublisherProfiler;

export interface SamplerOptions {
  profiler: WindowProfiler;
  symbols: SymbolSource;
  services: Services;
  containers: Pick<Containers, 'poll'>;
  encode: typeof Encode;
  hz: number;
  /** Whether Java virtual machines that cannot be read are asked for perf maps. */
  attach: boolean;
  windowMs: number;
  /** The first window is shorter, so that there is something to see soon. */
  firstWindowMs?: number;
  /** Takes the profiles of a window; the next window waits for it. */
  deliver(series: PushSeries[]): Promise<void>;
  log: Log;
}

export interface SamplerTotals extends Coverage {
  windows: number;
  /** Windows whose samples were lost because something failed on the way. */
  failedWindows: number;
  /** Ticks at which the window before was still at work. */
  lateWindows: number;
  profiles: number;
  byKind: Record<Kind, number>;
  /** Samples that go without what their thread worked on, by cause. */
  untraced: Record<string, number>;
  /** Of the last window: from drain to delivery. */
  lastSeconds: number;
}

const TYPE_NAMES: Record<Kind, string> = { cpu: 'process_cpu', offcpu: 'process_offcpu' };
const POLL_MIN_MS = 25;
const POLL_MAX_MS = 400;
/** More records than this at once: look again sooner. */
const BUSY_RECORDS = 500;
const CONTAINER_POLL_MS = 2000;

/**
 * A window begins this long after a multiple of its length. Timers and clocks are good to a millisecond or two, and a
 * start that is written down as just before the multiple would put two windows into one step of a timeline.
 */
const PAST_MS = 20;

/** Milliseconds until the next window begins, by the wall clock; a remainder too short to be one is skipped. */
export function untilBoundary(windowMs: number, now: number): number {
  const rest = windowMs - ((now - PAST_MS) % windowMs);
  return rest < windowMs / 4 ? rest + windowMs : rest;
}

export class Sampler {
  readonly totals: SamplerTotals = {
    windows: 0,
    failedWindows: 0,
    lateWindows: 0,
    profiles: 0,
    byKind: { cpu: 0, offcpu: 0 },
    untraced: {},
    lastSeconds: 0,
    ...noCoverage(),
  };
  private pollTimer: NodeJS.Timeout | null = null;
  private windowTimer: NodeJS.Timeout | null = null;
  private pollMs = 100;
  private containersPolledAt = 0;
  private current: Promise<void> | null = null;
  private closed = false;

  readonly perfMaps: PerfMapRequests;
  private readonly tables: UnwindTables;
  private readonly runtimes: Runtimes;
  private readonly publishers: Publishers;

  constructor(private readonly options: SamplerOptions) {
    this.perfMaps = new PerfMapRequests(options.attach);
    this.tables = new UnwindTables(options.profiler, options.symbols);
    this.runtimes = new Runtimes(options.profiler, options.symbols, this.perfMaps);
    this.publishers = new Publishers(options.profiler, options.symbols);
  }

  start(): void {
    this.poll();
    const { windowMs, firstWindowMs = 3000 } = this.options;
    this.windowTimer = setTimeout(() => this.tick(), Math.min(firstWindowMs, windowMs));
  }

  /** Takes the last, partial window, then detaches. Resolves when it was delivered. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.pollTimer !== null) clearTimeout(this.pollTimer);
    if (this.windowTimer !== null) clearTimeout(this.windowTimer);
    await this.current;
    await this.perfMaps.close();
    await this.window(true);
    // Also when the drain failed.
    this.options.profiler.close();
  }

  private poll(): void {
    const { profiler, containers, log } = this.options;
    try {
      const records = profiler.poll();
      this.tables.follow();
      this.runtimes.follow();
      this.publishers.follow();
      // Half as long when there is much to read, slowly longer when there is not.
      this.pollMs =
        records > BUSY_RECORDS
          ? Math.max(POLL_MIN_MS, this.pollMs / 2)
          : Math.min(POLL_MAX_MS, this.pollMs * 1.25);
    } catch (error) {
      log.error({ reason: asStackwellError(error).message }, 'reading mapping records failed');
      this.pollMs = POLL_MAX_MS;
    }
    const now = performance.now();
    if (now - this.containersPolledAt >= CONTAINER_POLL_MS) {
      this.containersPolledAt = now;
      containers
        .poll()
        .catch(error => log.error({ reason: String(error) }, 'looking for new cgroups failed'));
    }
    this.pollTimer = setTimeout(() => this.poll(), this.pollMs);
  }

  private tick(): void {
    this.windowTimer = setTimeout(() => this.tick(), untilBoundary(this.options.windowMs, Date.now()));
    if (this.current !== null) {
      this.totals.lateWindows++;
      return;
    }
    this.current = this.window().finally(() => {
      this.current = null;
    });
  }

  private async window(last = false): Promise<void> {
    const started = performance.now();
    try {
      const drained = await this.options.profiler.drain();
      if (last) this.options.profiler.close();
      for (const [cause, count] of Object.entries(drained.lost))
        if (count > 0) this.totals.lost[cause] = (this.totals.lost[cause] ?? 0) + count;
      for (const [cause, count] of Object.entries(drained.untraced))
        this.totals.untraced[cause] = (this.totals.untraced[cause] ?? 0) + count;
      const series = await this.profiles(drained);
      this.totals.windows++;
      if (series.length > 0) await this.options.deliver(series);
      this.totals.lastSeconds = (performance.now() - started) / 1000;
    } catch (error) {
      this.totals.failedWindows++;
      const { code, message } = asStackwellError(error);
      this.options.log.error({ code, reason: message }, 'a window was lost');
    }
  }

  private async profiles(drained: Drained): Promise<PushSeries[]> {
    const { symbols, services, encode, hz } = this.options;
    const startNs = wallClock()(drained.startNs);
    if (drained.samples.kind.length === 0) return [];
    const names = await symbols.symbolize(drained);
    this.perfMaps.learn(drained, names);
    const { groups, groupOf } = await services.resolve(drained, names.buildIds);
    const series: PushSeries[] = [];
    const builder = new WindowBuilder(
      drained,
      names,
      { startNs, hz },
      this.perfMaps.mapped(drained.processes),
    );
    for (const { group, kind, columns, stats } of builder.build(groupOf, groups.length)) {
      // The host's losses are in every profile of the window, and are counted once, above.
      addCoverage(this.totals, { ...stats, lost: {} });
      this.totals.profiles++;
      this.totals.byKind[kind] += stats.samples;
      // Between two profiles the event loop gets its turn.
      const pprof = await encode(columns, { gzipLevel: 0 });
      series.push({
        labels: { ...groups[group], __name__: TYPE_NAMES[kind] },
        id: crypto.randomUUID(),
        pprof,
      });
    }
    return series;
  }
}
