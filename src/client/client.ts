// SPDX-License-Identifier: Apache-2.0
// One process's profiling: cuts windows, shapes and queues what they give, counts what happens to it. After its
// construction nothing here throws at the application.
import { randomUUID } from 'node:crypto';
import type { StackwellError } from '../errors.js';
import { type Contexts, type LabelSet, type Labels, mergeLabels, NO_LABELS } from './labels.js';
import { TraceLabels } from './opentelemetry.js';
import type { Settings } from './options.js';
import { Pusher } from './push.js';
import { CAUSES, type Cause, Queue } from './queue.js';
import { HeapSampler, MAX_STRETCH, Sources, TimeSampler, windowMs } from './sampler.js';
import { encode, type Shaped, shapeHeap, shapeTime, type Window } from './shape.js';
import { Warnings } from './warnings.js';

export const KINDS = ['cpu', 'wall', 'heap'] as const;
export type Kind = (typeof KINDS)[number];

/** Counts since `init`; profiles, unless they say otherwise. */
export interface Stats {
  /** What is sampled now. */
  running: Record<Kind, boolean>;
  /** How labels follow callbacks: see docs/node-client.md; null while nothing is sampled. */
  labels: 'frames' | 'hooks' | null;
  taken: number;
  sent: number;
  /** Attempts that failed and were or will be made again. */
  retried: number;
  /** By cause: no room left, refused by the server, could not be made, not sent when it stopped. */
  dropped: Record<Cause, number>;
  /** Labels that were left out: too many, or no label. */
  labelsRefused: number;
  waiting: { profiles: number; bytes: number };
  /** How long the main thread was held for the last window, and for all of them; milliseconds. */
  held: { last: number; total: number };
  /** Length of a window now, milliseconds: it grows where holding the main thread would cost too much. */
  windowMs: number;
  /** What went wrong last; '' when nothing did. */
  lastError: string;
}

/** Of the time, at most so much may go into ending windows; below the second, windows become shorter again. */
const [DEAR, CHEAP] = [0.02, 0.004];

export class Client {
  readonly #running: Record<Kind, boolean> = { cpu: false, wall: false, heap: false };
  readonly #time: TimeSampler;
  readonly #heap: HeapSampler;
  readonly #queue: Queue;
  readonly #pusher: Pusher;
  readonly #warnings: Warnings;
  readonly #traces = new TraceLabels();
  readonly #encoding = new Set<Promise<void>>();
  readonly #dropped = Object.fromEntries(CAUSES.map(cause => [cause, 0])) as Record<Cause, number>;
  #counts = { taken: 0, sent: 0, retried: 0, labelsRefused: 0 };
  #held = { last: 0, total: 0 };
  #lastError = '';
  #stretch = 1;
  #timer: NodeJS.Timeout | null = null;
  /** Unix milliseconds; when the window that is sampled now began. */
  #from = 0;
  #pulling = false;

  constructor(private readonly settings: Settings) {
    const sources = new Sources(settings.sourceMaps);
    this.#time = new TimeSampler(settings, sources);
    this.#heap = new HeapSampler(settings, sources);
    this.#warnings = new Warnings(settings.logger);
    this.#queue = new Queue(settings.queueBytes, (cause, count) => this.#drop(cause, count));
    this.#pusher = new Pusher(settings, this.#queue, {
      result: (result, reason) => {
        if (result === 'sent') this.#counts.sent++;
        else if (result === 'rejected') this.#drop('rejected', 1, reason);
        else {
          this.#counts.retried++;
          this.#warn('SW_CLIENT_PUSH', { url: settings.url.origin, reason });
        }
      },
    });
  }

  get isRunning(): boolean {
    return KINDS.some(kind => this.#running[kind]);
  }

  get windowMs(): number {
    return windowMs(this.settings, this.#stretch);
  }

  start(kinds: readonly Kind[] = KINDS.filter(kind => this.settings[kind])): void {
    // What runs already must not get a window that is partly of the time before.
    if (this.isRunning) this.#cut();
    else this.#from = Date.now();
    const samplers = new Set(kinds.map(kind => (kind === 'heap' ? this.#heap : this.#time)));
    for (const sampler of samplers)
      try {
        sampler.start();
      } catch (error) {
        this.#warn('SW_CLIENT_PROFILER', { reason: message(error) });
      }
    for (const kind of kinds) this.#running[kind] = kind === 'heap' ? this.#heap.started : this.#time.started;
    this.#attachTraces();
    this.#schedule();
  }

  /** Takes what there is of these, and sends it for at most `timeoutMs`. */
  async stop(kinds: readonly Kind[] = KINDS, timeoutMs = 5_000): Promise<void> {
    if (kinds.some(kind => this.#running[kind])) {
      const left = KINDS.filter(kind => this.#running[kind] && !kinds.includes(kind));
      this.#cut(!left.includes('cpu') && !left.includes('wall'), !left.includes('heap'));
      for (const kind of kinds) this.#running[kind] = false;
    }
    if (!this.#time.started) this.#traces.detach();
    const until = performance.now() + timeoutMs;
    await Promise.all(this.#encoding);
    await this.#pusher.flush(Math.max(0, until - performance.now()));
    if (this.isRunning) this.#pusher.poke();
    else {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      this.#queue.clear('stopped');
    }
  }

  /** The labels that hold where this is called. */
  labels(): Labels {
    return this.#time.started ? this.#time.contexts.current() : NO_LABELS;
  }

  /** As `set` says, and otherwise as they are, while `call` runs and in whatever it starts. */
  run<T>(set: LabelSet, call: () => T): T {
    if (!this.#time.started) return call();
    const { contexts } = this.#time;
    return contexts.run(this.#merge(contexts.current(), set), call);
  }

  /** As `run`, with labels that were checked before. */
  runWith<T>(labels: Labels, call: () => T): T {
    return this.#time.started ? this.#time.contexts.run(labels, call) : call();
  }

  setLabels(set: LabelSet): void {
    if (this.#time.started) this.#time.contexts.enter(this.#merge(NO_LABELS, set));
  }

  stats(): Stats {
    return {
      running: { ...this.#running },
      labels: this.#time.started ? this.#time.contexts.kind : null,
      ...this.#counts,
      dropped: { ...this.#dropped },
      waiting: { profiles: this.#queue.length, bytes: this.#queue.bytes },
      held: { ...this.#held },
      windowMs: this.windowMs,
      lastError: this.#lastError,
    };
  }

  /**
   * CPU and wall of the next `seconds`, gzipped pprof; null when someone else waits for one. What is sampled for the
   * server goes on: it gets the same window.
   */
  async pullTime(seconds: number): Promise<Buffer | null> {
    if (this.#pulling) return null;
    this.#pulling = true;
    const isPushed = () => this.#running.cpu || this.#running.wall;
    try {
      if (isPushed()) this.#cut();
      else this.#time.start();
      if (this.#timer !== null) clearTimeout(this.#timer);
      const from = Date.now();
      await new Promise(resolve => setTimeout(resolve, seconds * 1000).unref());
      if (!this.#time.started) return null;
      const pushed = isPushed();
      // A start or stop of something else may have ended a window meanwhile.
      const window = { from: pushed ? Math.max(from, this.#from) : from, until: Date.now() };
      const shaped = shapeTime(this.#time.take(!pushed), window, { cpu: true, wall: true });
      if (pushed) {
        this.#from = window.until;
        for (const one of shaped) if (this.#running[one.name === 'wall' ? 'wall' : 'cpu']) this.#enqueue(one);
      }
      return await encode(shaped.find(({ name }) => name === 'wall')!.profile);
    } finally {
      this.#pulling = false;
      this.#schedule();
    }
  }

  /** What lives on the heap, gzipped pprof. Sampling begins with the first call, if it did not before. */
  async pullHeap(): Promise<Buffer> {
    this.#heap.start();
    const now = Date.now();
    return encode(shapeHeap(this.#heap.take(), { from: now, until: now }).profile);
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.isRunning || this.#pulling) return;
    this.#timer = setTimeout(() => {
      this.#cut();
      this.#attachTraces();
      this.#schedule();
    }, this.windowMs);
    this.#timer.unref();
  }

  /** Ends the window, and with it what is not needed any more. */
  #cut(lastTime = false, lastHeap = false): void {
    const began = performance.now();
    const window: Window = { from: this.#from, until: Date.now() };
    this.#from = window.until;
    const { cpu, wall, heap } = this.#running;
    // Where only a pull samples, its window is not for the server.
    if (this.#time.started && (cpu || wall))
      this.#attempt(() => {
        for (const one of shapeTime(this.#time.take(lastTime), window, { cpu, wall })) this.#enqueue(one);
      });
    if (this.#heap.started) {
      if (heap) this.#attempt(() => this.#enqueue(shapeHeap(this.#heap.take(), window)));
      if (lastHeap) this.#attempt(() => this.#heap.stop());
    }
    const held = performance.now() - began;
    this.#held = { last: held, total: this.#held.total + held };
    const share = held / this.windowMs;
    if (share > DEAR) this.#stretch = Math.min(MAX_STRETCH, this.#stretch * 2);
    else if (share < CHEAP) this.#stretch = Math.max(1, this.#stretch / 2);
  }

  #enqueue({ name, profile }: Shaped): void {
    if (profile.sample.length === 0) return;
    this.#counts.taken++;
    const encoded = this.#encode(name, profile).finally(() => this.#encoding.delete(encoded));
    this.#encoding.add(encoded);
  }

  async #encode(name: string, profile: Shaped['profile']): Promise<void> {
    try {
      this.#queue.add({ id: randomUUID(), name, pprof: await encode(profile) });
      this.#pusher.poke();
    } catch (error) {
      this.#drop('failed', 1, message(error));
    }
  }

  #attempt(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#drop('failed', 1, message(error));
    }
  }

  #attachTraces(): void {
    if (!this.settings.traceLabels || !this.#time.started) return;
    this.#attempt(() => this.#traces.attach((): Contexts => this.#time.contexts, process.argv[1]));
  }

  #merge(base: Labels, set: LabelSet): Labels {
    return mergeLabels(base, set, count => {
      this.#counts.labelsRefused += count;
    });
  }

  #drop(cause: Cause, count: number, reason = ''): void {
    this.#dropped[cause] += count;
    this.#warn('SW_CLIENT_DROPPED', { count, cause, reason: reason === '' ? cause : reason }, cause);
  }

  #warn(code: StackwellError['code'], details: Record<string, unknown>, kind = ''): void {
    this.#lastError = this.#warnings.warn(code, details, kind);
  }
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));
