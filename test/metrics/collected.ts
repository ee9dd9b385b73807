// SPDX-License-Identifier: Apache-2.0
// Collectors as an agent runs them, without the rest of it.
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { Watch } from '#native/bpf';
import { Containers } from '../../src/agent/containers/containers.js';
import { HIERARCHIES } from '../../src/agent/containers/layout.js';
import type { CollectorPlugin } from '../../src/agent/metrics/collector.js';
import { type CollectorSettings, Collectors } from '../../src/agent/metrics/registry.js';
import { Targets } from '../../src/agent/metrics/targets.js';
import { objects } from '../bpf/helpers.js';

export const HOST = { host: 'h1', region: 'r1' };

/** The text of one scrape. */
export class Scrape {
  constructor(readonly text: string) {}

  /** Sum of the series whose labels hold all of these; NaN when there is none. */
  value(name: string, labels: Record<string, string> = {}): number {
    const found = this.series(name).filter(one =>
      Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    );
    return found.length === 0 ? Number.NaN : found.reduce((sum, { value }) => sum + value, 0);
  }

  series(name: string): { labels: Record<string, string>; value: number }[] {
    return this.text.split('\n').flatMap(line => {
      const [, found, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (found !== name) return [];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
      return [{ labels: Object.fromEntries(pairs), value: Number(value) }];
    });
  }
}

export interface Collected {
  collectors: Collectors;
  containers: Containers;
  warnings: Record<string, unknown>[];
  scrape(): Promise<Scrape>;
}

export async function collect(
  plugins: CollectorPlugin[],
  settings: CollectorSettings = {},
  { maxContainers = 100, folder = objects } = {},
): Promise<Collected> {
  const containers = new Containers();
  await containers.refresh();
  const targets = new Targets(containers, { ...HOST, maxContainers });
  const warnings: Record<string, unknown>[] = [];
  const collectors = await Collectors.start(plugins, {
    Watch,
    objects: folder,
    hierarchy: HIERARCHIES.indexOf(containers.layout.hierarchy),
    targets,
    settings,
    log: { info() {}, error() {}, warn: fields => warnings.push(fields) },
  });
  onTestFinished(() => collectors.close());
  const registry = new Registry();
  collectors.register(registry);
  return {
    collectors,
    containers,
    warnings,
    async scrape() {
      await containers.poll();
      return new Scrape(await registry.metrics());
    },
  };
}
