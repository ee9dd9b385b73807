// SPDX-License-Identifier: Apache-2.0
// Runs the collectors: each by itself, so that one that cannot work here, or breaks, takes no other down.
import type { Metric, Registry } from 'prom-client';
import { z } from 'zod';
import type { ProgramCost, Watch } from '#native/bpf';
import { asStackwellError, StackwellError } from '../../errors.js';
import { type Log, oncePerMinute } from '../log.js';
import type { Collector, CollectorPlugin, Family, Samples } from './collector.js';
import type { Targets } from './targets.js';

const PRUNE_MS = 60_000;

/** Of each collector, by name: whether it runs, and what it knows besides. */
export type CollectorSettings = Record<string, { enabled: boolean } & Record<string, unknown>>;

export interface CollectorOptions {
  Watch: typeof Watch;
  objects: string;
  /** Of bpf/hierarchy.h */
  hierarchy: number;
  targets: Targets;
  settings: CollectorSettings;
  log: Log;
}

export type CollectorState =
  | { name: string; state: 'running' }
  | { name: string; state: 'off' }
  /** It cannot work here. */
  | { name: string; state: 'unavailable'; reason: string };

interface Running {
  plugin: CollectorPlugin;
  collector: Collector;
  watches: Watch[];
  failures: number;
  /** The scrape under way. */
  scrape: Promise<Samples> | null;
}

export class Collectors {
  readonly states: CollectorState[] = [];
  private readonly running: Running[] = [];

  #pruned = performance.now();

  readonly #warn: ReturnType<typeof oncePerMinute>;

  private constructor(private readonly options: CollectorOptions) {
    this.#warn = oncePerMinute((fields, message) => options.log.warn(fields, message));
  }

  /** @throws SW_CONFIG_INVALID for settings of a collector that there is not, or that it does not take */
  static async start(plugins: CollectorPlugin[], options: CollectorOptions): Promise<Collectors> {
    const parsed = plugins.map(plugin => settingsOf(plugin, options.settings));
    const unknown = Object.keys(options.settings).find(name => !plugins.some(plugin => plugin.name === name));
    if (unknown !== undefined)
      throw new StackwellError('SW_CONFIG_INVALID', {
        reason: `agent.metrics.${unknown}: there is no such collector; there are ${plugins.map(({ name }) => name).join(', ')}`,
      });
    const collectors = new Collectors(options);
    for (const [at, plugin] of plugins.entries()) await collectors.#start(plugin, parsed[at]!);
    return collectors;
  }

  async #start(plugin: CollectorPlugin, { enabled, ...settings }: { enabled: boolean }): Promise<void> {
    const { name } = plugin;
    if (!enabled) {
      this.states.push({ name, state: 'off' });
      return;
    }
    const { Watch, objects, hierarchy, targets, log } = this.options;
    const watches: Watch[] = [];
    try {
      const collector = await plugin.start(
        {
          targets,
          tracepointArguments: tracepoint => Watch.tracepointArguments(tracepoint),
          watch({ knobs, ...more } = {}) {
            const file = `${name}.bpf.o`;
            const all = { ...knobs, sw_cgroup_hierarchy: hierarchy };
            const watch = new Watch({ ...more, objects, file, knobs: all });
            watches.push(watch);
            return watch;
          },
        },
        settings,
      );
      this.running.push({ plugin, collector, watches, failures: 0, scrape: null });
      this.states.push({ name, state: 'running' });
    } catch (thrown) {
      for (const watch of watches) watch.close();
      const { code, message } = asStackwellError(thrown);
      this.states.push({ name, state: 'unavailable', reason: `${code}: ${message}` });
      log.warn({ collector: name, code, reason: message }, 'a collector cannot work here');
    }
  }

  /** Adds every metric of every collector, and what is to be known of the collectors themselves. */
  register(registry: Registry): void {
    for (const running of this.running)
      for (const family of running.plugin.families) this.#register(registry, running, family);
    const own = (name: string, help: string, type: Family['type'], read: () => Iterable<[string, number]>) =>
      registry.registerMetric(
        metricOf(`stackwell_agent_collector_${name}`, help, type, async () => {
          // What this scrape finds out is in it.
          await Promise.all(this.running.map(({ scrape }) => scrape));
          return Array.from(read(), ([collector, value]) => ({ labels: { collector }, value }));
        }),
      );
    own('up', '1 for a collector that runs, 0 for one that cannot work here', 'gauge', () =>
      this.states
        .filter(({ state }) => state !== 'off')
        .map(({ name, state }): [string, number] => [name, state === 'running' ? 1 : 0]),
    );
    own('failures_total', 'scrapes that a collector had nothing for, because it failed', 'counter', () =>
      this.running.map(({ plugin, failures }): [string, number] => [plugin.name, failures]),
    );
    own('overflow_total', 'what found no room in the tables of a collector', 'counter', () =>
      this.running.map(({ plugin, collector }): [string, number] => [
        plugin.name,
        collector.overflow?.() ?? 0,
      ]),
    );
  }

  #register(registry: Registry, running: Running, { name, help, type }: Family): void {
    const full = `stackwell_${running.plugin.name}_${name}`;
    registry.registerMetric(
      metricOf(full, help, type, async () => {
        const samples = (await this.#scrape(running))[name] ?? [];
        return samples.map(({ labels, value, suffix }) =>
          suffix === undefined ? { labels, value } : { labels, value, metricName: full + suffix },
        );
      }),
    );
  }

  /** All families of a collector ask for it in one scrape: it is asked once. */
  #scrape(running: Running): Promise<Samples> {
    if (performance.now() - this.#pruned > PRUNE_MS) {
      this.#pruned = performance.now();
      this.options.targets.prune();
    }
    running.scrape ??= running.collector
      .collect()
      .catch((error: unknown) => {
        running.failures++;
        const { code, message } = asStackwellError(error);
        const { name } = running.plugin;
        this.#warn(name, { collector: name, code, reason: message }, 'a collector failed');
        return {};
      })
      .finally(() => {
        running.scrape = null;
      });
    return running.scrape;
  }

  programs(): ProgramCost[] {
    return this.running.flatMap(({ watches }) => watches.flatMap(watch => watch.programs()));
  }

  get kernelBytes(): number {
    return this.running.reduce(
      (sum, { watches }) => sum + watches.reduce((bytes, watch) => bytes + watch.kernelBytes, 0),
      0,
    );
  }

  close(): void {
    for (const { watches } of this.running) for (const watch of watches) watch.close();
    this.running.length = 0;
  }
}

function settingsOf(plugin: CollectorPlugin, settings: CollectorSettings): { enabled: boolean } {
  const { enabled = true, ...own } = settings[plugin.name] ?? {};
  const parsed = plugin.options.safeParse(own);
  if (!parsed.success)
    throw new StackwellError('SW_CONFIG_INVALID', {
      reason: `agent.metrics.${plugin.name}: ${z.prettifyError(parsed.error)}`,
    });
  return { ...(parsed.data as object), enabled: enabled as boolean };
}

type Value = { labels: Record<string, string>; value: number; metricName?: string };

/** A metric for prom-client whose values are read when they are asked for: its own classes only count up and down. */
function metricOf(name: string, help: string, type: Family['type'], values: () => Promise<Value[]>): Metric {
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: async () => ({ name, help, type, aggregator: 'sum', values: await values() }),
    reset() {},
  };
  return metric as unknown as Metric;
}
