// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type AgentConfig, durationMs } from '../config/config.js';
import { StackwellError } from '../errors.js';
import { Containers } from './containers/containers.js';
import { HIERARCHIES } from './containers/layout.js';
import { deliver } from './delivery.js';
import { type Log, oncePerMinute, stderrLog } from './log.js';
import { agentMetrics } from './metrics/agent.js';
import { COLLECTORS } from './metrics/collectors.js';
import { Collectors } from './metrics/registry.js';
import { serveMetrics } from './metrics/serve.js';
import { Targets } from './metrics/targets.js';
import { BPF_OBJECTS, loadNative } from './native.js';
import { Outbox } from './outbox/outbox.js';
import type { PushSeries } from './outbox/push-request.js';
import { type PushResult, Sender } from './outbox/sender.js';
import { profilerOptions } from './profiling/options.js';
import { Sampler } from './profiling/sampler.js';
import { Services } from './profiling/services.js';
import { startSymbolizer } from './profiling/symbolizer/symbolizer.js';
import type { SymbolSource } from './profiling/symbols.js';
import type { Scraper, ScraperOptions } from './scraping/scraper.js';

export interface AgentOptions {
  log?: Log;
  /** Folder with the compiled BPF programs. */
  objects?: string;
  /** Milliseconds of the first window (default 3000), so that there is something to see soon. */
  firstWindowMs?: number;
  /** Milliseconds that `close` spends on sending what is in the outbox (default 3000). */
  flushMs?: number;
}

export interface RunningAgent {
  /** Where the agent's own metrics are. */
  metricsUrl: string;
  /** Takes and sends the last window as far as time allows, detaches everything. What was not sent stays in the outbox. */
  close(): Promise<void>;
}

/** What our own processes are called, whatever else is configured: what the agent costs should be easy to find. */
const OWN_SERVICE = 'stackwell-agent';

/**
 * Samples this host and sends profiles until closed. Throws what is in the way, and leaves nothing behind then:
 * SW_NOT_ROOT, SW_NO_BTF, SW_KERNEL_TOO_OLD, SW_BPF_LOAD, SW_NATIVE_MISSING, SW_NO_CGROUPS, SW_DATA_DIR, SW_PORT_TAKEN,
 * SW_SYMBOLIZER, SW_CONFIG_INVALID.
 */
export async function startAgent(config: AgentConfig, options: AgentOptions = {}): Promise<RunningAgent> {
  const { log = stderrLog, objects = BPF_OBJECTS } = options;
  const server = serverAddress(config.server);
  const native = await loadNative();
  const containers = new Containers();
  /** What to undo, last first, when a later step fails. */
  const undo: (() => unknown)[] = [];
  try {
    const outbox = await Outbox.open({
      folder: join(config.data, 'outbox'),
      maxBytes: config.outbox.maxBytes,
      maxAgeMs: durationMs(config.outbox.maxAge),
    });
    let registry: ReturnType<typeof agentMetrics> | null = null;
    const metrics = await serveMetrics(config.metricsListen, () => registry);
    undo.push(() => metrics.close());

    const profiler = new native.Profiler({
      objects,
      scope: { kind: 'host' },
      cgroupHierarchy: containers.layout.hierarchy,
      ...profilerOptions(config),
    });
    undo.push(() => profiler.close());
    const symbols: SymbolSource = await startSymbolizer();
    undo.push(() => symbols.close());
    await containers.refresh();

    const services = new Services(containers, {
      host: config.host || hostname(),
      labels: config.labels,
      serviceName: config.serviceName,
      deploy: config.deploy,
      own: () =>
        new Map(
          [process.pid, symbols.stats().pid].flatMap(pid => (pid === null ? [] : [[pid, OWN_SERVICE]])),
        ),
    });
    const pushes: Record<PushResult, number> = { ok: 0, rejected: 0, retried: 0, unreachable: 0 };
    const warn = oncePerMinute((fields, message) => log.warn(fields, message));
    const sender = new Sender({
      server,
      outbox,
      onResult(result, detail) {
        pushes[result]++;
        if (result === 'rejected')
          warn('rejected', { ...detail, code: 'SW_REQUEST_INVALID' }, 'the server refused a window');
        if (result === 'retried' || result === 'unreachable')
          warn(
            'unreachable',
            { ...detail, code: 'SW_SERVER_UNREACHABLE', url: config.server },
            'profiles are kept in the outbox',
          );
      },
    });
    const store = async (series: PushSeries[]) => {
      if ((await deliver(outbox, series)) > 0)
        warn('dropped', { dropped: outbox.dropped }, 'profiles could not be kept in the outbox');
      sender.poke();
    };
    const scraper = await createScraper(config, { deliver: store, Delta: native.Delta, log });
    const sampler = new Sampler({
      profiler,
      symbols,
      services,
      containers,
      encode: native.encode,
      hz: config.hz,
      attach: config.java.attach,
      windowMs: durationMs(config.window),
      ...(options.firstWindowMs === undefined ? {} : { firstWindowMs: options.firstWindowMs }),
      deliver: store,
      log,
    });
    const targets = new Targets(containers, {
      host: config.host || hostname(),
      region: config.region,
      maxContainers: config.maxContainers,
    });
    const collectors = await Collectors.start(COLLECTORS, {
      Watch: native.Watch,
      objects,
      hierarchy: HIERARCHIES.indexOf(containers.layout.hierarchy),
      targets,
      settings: config.metrics,
      log,
    });
    undo.push(() => collectors.close());
    registry = agentMetrics({
      ...{ sampler, symbols, outbox, profiler, services, pushes, scraper, targets, collectors },
    });
    sender.start();
    sampler.start();
    scraper?.start();

    let closing: Promise<void> | null = null;
    const stop = async () => {
      collectors.close();
      await Promise.all([sampler.close(), scraper?.close()]);
      await sender.close(options.flushMs ?? 3000);
      await metrics.close();
      await symbols.close();
    };
    return {
      metricsUrl: metrics.url,
      close() {
        closing ??= stop();
        return closing;
      },
    };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** Null where nothing is to be scraped: what does it is not loaded then. @throws SW_SCRAPE_TARGETS */
async function createScraper(
  { scrape, labels, serviceName, deploy, host }: AgentConfig,
  options: Pick<ScraperOptions, 'deliver' | 'Delta' | 'log'>,
): Promise<Scraper | null> {
  if (scrape.jobs.length === 0) return null;
  const { Scraper } = await import('./scraping/scraper.js');
  const common = { host: host || hostname(), labels, serviceName, deploy };
  return new Scraper({ config: scrape, common, ...options });
}

/** Throws SW_CONFIG_INVALID. */
function serverAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new StackwellError('SW_CONFIG_INVALID', {
      reason: `agent.server is not an http or https address: ${text}`,
    });
  return url;
}
