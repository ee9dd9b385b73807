// SPDX-License-Identifier: Apache-2.0
// Which targets there are now. Each source keeps what it found until it finds something else: an API server that is
// away for a minute ends no scrapes.

import type { ScrapeConfig, ScrapeJob } from '../../config/scrape.js';
import { asStackwellError, type ErrorCode, type StackwellError } from '../../errors.js';
import { TargetFiles } from './files.js';
import { listPods } from './kubernetes.js';
import { podTargets } from './pods.js';
import { keyOf, type Target, targetsOf } from './target.js';

interface Source {
  job: ScrapeJob;
  targets: Target[];
  /** Null: it never changes. */
  find: ((signal: AbortSignal, fail: (error: unknown) => void) => Promise<Target[]>) | null;
}

export interface DiscoveryOptions {
  config: Pick<ScrapeConfig, 'jobs' | 'maxTargets'>;
  refreshMs: number;
  /** All targets, by key, at most `maxTargets`; called after each look. */
  onTargets(targets: Map<string, Target>): void;
  onFailure(job: string, error: StackwellError): void;
}

export class Discovery {
  /** Targets over `maxTargets`, which are left out. */
  omitted = 0;
  /** By job and code. */
  readonly failures = new Map<string, { job: string; code: ErrorCode; count: number }>();
  private readonly sources: Source[];
  private readonly abort = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();

  /** @throws SW_SCRAPE_TARGETS where an address in the configuration is none */
  constructor(private readonly options: DiscoveryOptions) {
    this.sources = options.config.jobs.flatMap(job => sourcesOf(job));
  }

  start(): void {
    const look = async () => {
      await this.look();
      if (this.abort.signal.aborted) return;
      this.timer = setTimeout(() => {
        this.running = look();
      }, this.options.refreshMs);
    };
    this.running = look();
  }

  /** Resolves when every source has been asked once. */
  async look(): Promise<void> {
    await Promise.all(
      this.sources.map(async source => {
        const fail = (error: unknown) => this.fail(source.job.name, asStackwellError(error));
        try {
          source.targets = (await source.find?.(this.abort.signal, fail)) ?? source.targets;
        } catch (error) {
          fail(error);
        }
      }),
    );
    if (this.abort.signal.aborted) return;
    const targets = new Map<string, Target>();
    let omitted = 0;
    for (const target of this.sources.flatMap(source => source.targets)) {
      const key = keyOf(target);
      if (targets.has(key)) continue;
      if (targets.size < this.options.config.maxTargets) targets.set(key, target);
      else omitted++;
    }
    this.omitted = omitted;
    this.options.onTargets(targets);
  }

  async close(): Promise<void> {
    this.abort.abort();
    if (this.timer !== null) clearTimeout(this.timer);
    await this.running;
  }

  private fail(job: string, error: StackwellError): void {
    if (this.abort.signal.aborted) return;
    const key = `${job} ${error.code}`;
    const seen = this.failures.get(key) ?? { job, code: error.code, count: 0 };
    seen.count++;
    this.failures.set(key, seen);
    this.options.onFailure(job, error);
  }
}

function sourcesOf(job: ScrapeJob): Source[] {
  const sources: Source[] = [
    { job, targets: targetsOf(job, job.targets, `agent.scrape.jobs (${job.name})`), find: null },
  ];
  if (job.files.length > 0) {
    const files = new TargetFiles(job.files);
    const last = new Map<string, Target[]>();
    sources.push({
      job,
      targets: [],
      async find(_, fail) {
        const { files: found, failures } = await files.read();
        failures.forEach(fail);
        for (const path of last.keys()) if (!found.some(file => file.path === path)) last.delete(path);
        for (const { path, groups } of found)
          try {
            last.set(path, targetsOf(job, groups, path));
          } catch (error) {
            fail(error);
          }
        return [...last.values()].flat();
      },
    });
  }
  if (job.kubernetes.enabled)
    sources.push({
      job,
      targets: [],
      find: async signal => podTargets(job, await listPods(job.kubernetes, signal)),
    });
  return sources;
}
