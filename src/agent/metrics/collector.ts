// SPDX-License-Identifier: Apache-2.0
// What a metric collector is. Each is one file that exports a CollectorPlugin, a BPF program of the same name where it
// needs one, and one line in ./collectors.ts.
import type { z } from 'zod';
import type { Watch, WatchOptions } from '#native/bpf';
import type { Targets } from './targets.js';

/** A metric with all its series. Names are without `stackwell_<collector>_`, and as Prometheus wants them (units, _total). */
export interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
}

export interface Sample {
  labels: Record<string, string>;
  value: number;
  /** Of histograms: which of its series, '' else. */
  suffix?: '_bucket' | '_sum' | '_count';
}

/** What a collector found, by the name of the family. */
export type Samples<Name extends string = string> = Record<Name, Sample[]>;

export interface CollectorContext {
  /** Loads and attaches `<collector>.bpf.o`. Throws SW_BPF_LOAD. */
  watch(options?: Pick<WatchOptions, 'knobs' | 'entries' | 'omit' | 'periodNs'>): Watch;
  /** Of this kernel; -1 where it has no tracepoint of the name. */
  tracepointArguments(tracepoint: string): number;
  targets: Targets;
}

export interface Collector {
  /** All series as they are now. Called once a scrape, never twice at a time. */
  collect(): Promise<Samples>;
  /** What found no room in its tables, since the start. */
  overflow?(): number;
}

export interface CollectorPlugin<Options extends z.ZodType = z.ZodType> {
  /** Also of its BPF program. */
  name: string;
  about: string;
  families: Family[];
  options: Options;
  /** Throws a StackwellError where this host lacks what it needs: it is told once, and others go on. */
  start(context: CollectorContext, options: z.infer<Options>): Collector | Promise<Collector>;
}

export function collector<Options extends z.ZodType>(
  plugin: CollectorPlugin<Options>,
): CollectorPlugin<Options> {
  return plugin;
}
