// SPDX-License-Identifier: Apache-2.0
// What the agent says of itself. Values are read when they are asked for: nothing ticks in between.
import { Counter, Gauge, Registry } from 'prom-client';
import type { Profiler } from '#native/bpf';
import { REASONS, STACK_ENDS } from '../../profile/types.js';
import { DROP_CAUSES, type Outbox } from '../outbox/outbox.js';
import { PUSH_RESULTS, type PushResult } from '../outbox/sender.js';
import { readSmall } from '../procfs/file.js';
import { ATTACH_RESULTS } from '../profiling/attach/result.js';
import type { Sampler } from '../profiling/sampler.js';
import type { SymbolSource } from '../profiling/symbols.js';
import { scrapeMetrics } from '../scraping/metrics.js';
import type { Scraper } from '../scraping/scraper.js';
import type { Collectors } from './registry.js';
import type { Targets } from './targets.js';

export interface MetricSources {
  sampler: Sampler;
  symbols: SymbolSource;
  outbox: Outbox;
  profiler: Pick<Profiler, 'programs' | 'memory'>;
  services: { readonly size: number };
  pushes: Record<PushResult, number>;
  /** Null where nothing is scraped. */
  scraper: Scraper | null;
  targets: Targets;
  collectors: Collectors;
}

/** CPU seconds of another process of ours; 0 when it does not run. */
function cpuSeconds(pid: number | null): number {
  const text = pid === null ? null : readSmall(`/proc/${pid}/stat`, 4096);
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) / 100;
}

const INCOMPLETE_ENDS = STACK_ENDS.filter(end => end !== 'root' && end !== 'no_user');

/** Also of what there was none yet: a rate needs a series that starts at 0. */
function each(causes: readonly string[], counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(causes.map(cause => [cause, counts[cause] ?? 0]));
}

export function agentMetrics(sources: MetricSources): Registry {
  const { sampler, symbols, outbox, profiler, services, pushes, targets, collectors } = sources;
  const { totals } = sampler;
  const registry = new Registry();
  const common = { registers: [registry] };
  // A counter whose value is kept elsewhere: set from there at each scrape.
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      ...common,
      name: `stackwell_agent_${name}`,
      help,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  const counters = (name: string, help: string, label: string, read: () => Record<string, number>) =>
    new Counter({
      ...common,
      name: `stackwell_agent_${name}`,
      help,
      labelNames: [label],
      collect() {
        this.reset();
        for (const [key, value] of Object.entries(read())) this.inc({ [label]: key }, value);
      },
    });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...common,
      name: `stackwell_agent_${name}`,
      help,
      collect() {
        this.set(read());
      },
    });

  counters('cpu_seconds_total', 'CPU time used by the agent, by process', 'process', () => {
    const { user, system } = process.cpuUsage();
    return { agent: (user + system) / 1e6, symbolizer: cpuSeconds(symbols.stats().pid) };
  });
  new Gauge({
    ...common,
    name: 'stackwell_agent_resident_bytes',
    help: 'resident memory, by process',
    labelNames: ['process'],
    collect() {
      this.set({ process: 'agent' }, process.memoryUsage.rss());
      this.set({ process: 'symbolizer' }, symbols.stats().residentBytes);
    },
  });
  new Gauge({
    ...common,
    name: 'stackwell_agent_table_bytes',
    help: 'memory of BPF maps (kernel) and of the process and mapping tables (user)',
    labelNames: ['side'],
    collect() {
      const { kernelBytes, userBytes } = profiler.memory;
      this.set({ side: 'kernel' }, kernelBytes + collectors.kernelBytes);
      this.set({ side: 'user' }, userBytes);
    },
  });
  gauge('unwind_tables', 'unwind tables in the kernel', () => profiler.memory.tables.tables);
  gauge('unwind_table_bytes', 'kernel memory of unwind tables', () => profiler.memory.tables.bytes);
  counters('unwind_tables_missing_total', 'unwind tables that are not there, by cause', 'cause', () => {
    const { evicted, refused, noRoom } = profiler.memory.tables;
    return { evicted, none: refused - noRoom, no_room: noRoom };
  });
  gauge('processes', 'processes whose mappings are known', () => profiler.memory.processes);
  gauge(
    'trace_publishers',
    'processes whose threads say which trace they work on',
    () => profiler.memory.publishers,
  );
  gauge('identities', 'processes whose service is known', () => services.size);

  counters('samples_total', 'samples (cpu) and intervals (offcpu)', 'type', () => totals.byKind);
  counter('truncated_total', 'samples with a stack that was cut', () => totals.truncated);
  counters('lost_total', 'samples lost before they were read, by cause', 'cause', () => totals.lost);
  counters(
    'untraced_total',
    'samples without the trace that their thread works on, by cause',
    'cause',
    () => totals.untraced,
  );
  counters('incomplete_total', 'samples whose stack does not reach the root, by how it ends', 'end', () =>
    each(INCOMPLETE_ENDS, totals.incomplete),
  );
  counter('frames_total', 'sampled frames', () => totals.frames);
  counters('unresolved_total', 'sampled frames without a name, by reason', 'reason', () =>
    each(REASONS, totals.unresolved),
  );
  counters(
    'java_perf_maps_total',
    'perf maps that Java virtual machines were asked for, by result',
    'result',
    () => each(ATTACH_RESULTS, sampler.perfMaps.results),
  );
  counter('windows_total', 'windows that were made', () => totals.windows);
  counter('windows_failed_total', 'windows whose samples were lost by a failure', () => totals.failedWindows);
  counter('windows_late_total', 'times a window had to wait for the one before', () => totals.lateWindows);
  counter('profiles_total', 'profiles that were made', () => totals.profiles);
  gauge('window_seconds', 'from drain to outbox, last window', () => totals.lastSeconds);
  const programs = () => [...profiler.programs(), ...collectors.programs()];
  counters(
    'program_run_seconds_total',
    'run time of BPF programs (kernel.bpf_stats_enabled)',
    'program',
    () => Object.fromEntries(programs().map(({ name, runNs }) => [name, Number(runNs) / 1e9])),
  );
  counters('program_runs_total', 'runs of BPF programs (kernel.bpf_stats_enabled)', 'program', () =>
    Object.fromEntries(programs().map(({ name, runCount }) => [name, Number(runCount)])),
  );
  gauge(
    'containers_omitted',
    'containers beyond maxContainers, which share one series',
    () => targets.omitted,
  );
  collectors.register(registry);

  counter(
    'symbolizer_restarts_total',
    'times the symbolizer was started again',
    () => symbols.stats().restarts,
  );
  gauge(
    'symbolizer_cached_locations',
    'locations whose names are kept',
    () => symbols.stats().cachedLocations,
  );

  gauge('outbox_windows', 'windows that wait to be sent', () => outbox.size.entries);
  gauge('outbox_bytes', 'bytes of the outbox', () => outbox.size.bytes);
  gauge('outbox_oldest_seconds', 'age of the oldest window', () => outbox.size.oldestAgeMs / 1000);
  counters('outbox_dropped_total', 'windows dropped, by cause', 'cause', () =>
    Object.fromEntries(DROP_CAUSES.map(cause => [cause, outbox.dropped[cause]])),
  );
  counters('pushes_total', 'requests to the server, by result', 'result', () =>
    Object.fromEntries(PUSH_RESULTS.map(result => [result, pushes[result]])),
  );
  if (sources.scraper !== null) scrapeMetrics(registry, sources.scraper);
  return registry;
}
