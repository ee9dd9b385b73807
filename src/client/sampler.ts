// SPDX-License-Identifier: Apache-2.0
// V8's samplers as @datadog/pprof drives them: one for time, which CPU and wall profiles share, and one for the heap.
// A process has one of each, whoever uses them.
import { type Contexts, contexts, type Labels, NO_LABELS } from './labels.js';
import { hasAsyncContextFrame, loadPprof, type Pprof, type Profile } from './load.js';
import type { Settings } from './options.js';

type SourceMapper = InstanceType<Pprof['SourceMapper']>;

/** One time that the sampler looked. */
export interface Tick {
  /** Nanoseconds. */
  at: number;
  /** Nanoseconds of CPU since the tick before. */
  cpu: number;
  /** Nothing ran. */
  idle: boolean;
}

export interface TimeProfile {
  /** One row for each tick that has the number of it as its label TICK, and some that are of none. */
  profile: Profile;
  ticks: Tick[];
}

/** V8's name for what is no JavaScript because there is nothing to do. */
export const IDLE = '(idle)';
/** No label of an application can have this name. */
export const TICK = '__tick';

/** Windows that cost too much become longer, up to so many times. */
export const MAX_STRETCH = 4;
const LONGEST_WINDOW_MS = 600_000;
const LONGEST_PULL_MS = 60_000;

/** Of a window that is stretched. */
export const windowMs = (settings: Settings, stretch: number): number =>
  Math.min(LONGEST_WINDOW_MS, settings.windowMs * stretch);

/** Original sources, read in the background: until they are there, frames have the names of what runs. */
export class Sources {
  #mapper: SourceMapper | null = null;

  constructor(private readonly folders: readonly string[]) {}

  mapper(): SourceMapper | undefined {
    if (this.folders.length === 0) return undefined;
    if (this.#mapper === null) {
      const mapper = new (loadPprof().SourceMapper)();
      this.#mapper = mapper;
      void this.#load(mapper);
    }
    return this.#mapper;
  }

  async #load(mapper: SourceMapper): Promise<void> {
    for (const folder of this.folders) {
      try {
        await mapper.loadDirectory(folder);
      } catch {
        // A folder that cannot be read has no maps.
      }
    }
  }
}

export class TimeSampler {
  started = false;
  #contexts: Contexts | null = null;
  #pprof: Pprof | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly sources: Sources,
  ) {}

  get time(): Pprof['time'] {
    this.#pprof ??= loadPprof();
    return this.#pprof.time;
  }

  get contexts(): Contexts {
    this.#contexts ??= contexts(hasAsyncContextFrame() ? 'frames' : 'hooks', this);
    return this.#contexts;
  }

  /** @throws where it cannot be: no binary for this platform, another copy of it in the process */
  start(): void {
    if (this.started) return;
    const mapper = this.sources.mapper();
    const { kind } = this.contexts;
    this.time.start({
      intervalMicros: Math.round(1e6 / this.settings.hz),
      // Room for labels and CPU time of the samples of the longest window; later samples would have none.
      durationMillis: Math.max(LONGEST_PULL_MS, windowMs(this.settings, MAX_STRETCH)),
      withContexts: process.platform !== 'win32',
      collectCpuTime: process.platform !== 'win32',
      workaroundV8Bug: true,
      useCPED: kind === 'frames',
      ...(mapper !== undefined && { sourceMapper: mapper }),
    });
    this.started = true;
    this.contexts.started();
  }

  /** What was sampled since `start` or the last time this was called. */
  take(last: boolean): TimeProfile {
    if (last) this.started = false;
    const ticks: Tick[] = [];
    const profile = this.time.stop(!last, ({ node, context }) => {
      // Other threads' time has no moment, and no tick.
      if (context === undefined || context.timestamp === 0n) return NO_LABELS;
      const { timestamp, cpuTime = 0 } = context;
      // The tick's place goes along as a label of the row that is made of it.
      const [idle, place] = [node.name === IDLE, ticks.length];
      ticks.push({ at: Number(timestamp), cpu: cpuTime, idle });
      return { ...(context.context as Labels | undefined), [TICK]: place };
    });
    if (last) this.#contexts?.close();
    return { profile, ticks };
  }
}

export class HeapSampler {
  started = false;

  constructor(
    private readonly settings: Settings,
    private readonly sources: Sources,
  ) {}

  /** @throws as TimeSampler */
  start(): void {
    if (this.started) return;
    loadPprof().heap.start(this.settings.heapIntervalBytes, this.settings.heapStackDepth);
    this.started = true;
  }

  /** What lives now of that which was allocated since `start`. */
  take(): Profile {
    return loadPprof().heap.profileV2(undefined, this.sources.mapper());
  }

  stop(): void {
    if (!this.started) return;
    this.started = false;
    loadPprof().heap.stop();
  }
}
