// SPDX-License-Identifier: Apache-2.0
// A scraper that delivers to a real server, as the agent's does.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { Delta } from '#native/profile';
import { deliver } from '../../src/agent/delivery.js';
import { Outbox } from '../../src/agent/outbox/outbox.js';
import type { PushSeries } from '../../src/agent/outbox/push-request.js';
import { Sender } from '../../src/agent/outbox/sender.js';
import { scrapeMetrics } from '../../src/agent/scraping/metrics.js';
import { Scraper } from '../../src/agent/scraping/scraper.js';
import { configSchema } from '../../src/config/config.js';
import {
  eventually,
  freePort,
  type Running as Process,
  start,
  temporaryFolder,
} from '../helpers/stackwell.js';
import { program } from '../programs/build.js';
import { type Running, server } from '../server/fixtures.js';

export const MEMORY = (type: string) =>
  `memory:${type}:${type.endsWith('space') ? 'bytes' : 'count'}:space:bytes`;
export const DELAY = (name: string) => `${name}:delay:nanoseconds:contentions:count`;
export const CONTENTIONS = (name: string) => `${name}:contentions:count:contentions:count`;
export const GOROUTINES = 'goroutine:goroutine:count:goroutine:count';

// biome-ignore lint/suspicious/noExplicitAny: any part of agent.scrape, nested
export type ScrapeInput = Record<string, any>;

export interface Scraping {
  scraper: Scraper;
  /** Codes and messages that were logged. */
  logged: Record<string, unknown>[];
  /** Everything that was delivered. */
  delivered: PushSeries[];
  /** The value of a series of /metrics, as it is written there; null when it is not there. */
  metric(series: string): Promise<number | null>;
  close(): Promise<void>;
}

/** Starts to scrape; to nowhere but `delivered` when there is no server. */
export async function scraping(scrape: ScrapeInput, to: Running | null = null): Promise<Scraping> {
  const { agent } = configSchema.parse({
    agent: { scrape: { interval: '1s', timeout: '900ms', refresh: '200ms', ...scrape } },
  });
  const outbox = await Outbox.open({ folder: temporaryFolder(), maxBytes: 64 << 20, maxAgeMs: 3_600_000 });
  const sender = to === null ? null : new Sender({ server: new URL(to.url), outbox });
  const logged: Record<string, unknown>[] = [];
  const delivered: PushSeries[] = [];
  const warn = (fields: Record<string, unknown>) => void logged.push(fields);
  const scraper = new Scraper({
    config: agent.scrape,
    common: { host: 'here', labels: {}, serviceName: '', deploy: '' },
    Delta,
    async deliver(series) {
      delivered.push(...series);
      if (sender === null) return;
      await deliver(outbox, series);
      sender.poke();
    },
    log: { info() {}, warn, error: warn },
  });
  const registry = new Registry();
  scrapeMetrics(registry, scraper);
  sender?.start();
  scraper.start();
  let closing: Promise<void> | null = null;
  const close = () => {
    closing ??= scraper.close().then(() => sender?.close(5000));
    return closing;
  };
  onTestFinished(close);
  return {
    scraper,
    logged,
    delivered,
    async metric(series) {
      const line = (await registry.metrics())
        .split('\n')
        .find(text => text.startsWith(`stackwell_agent_${series} `));
      return line === undefined ? null : Number(line.split(' ').at(-1));
    },
    close,
  };
}

/** A server that is removed when the test ends. */
export async function ownServer(): Promise<Running> {
  const running = await server();
  onTestFinished(() => running.stop());
  return running;
}

export interface Bakery {
  address: string;
  process: Process;
  truth(): Promise<{ loaves: number; waits: number; waitedNanos: number }>;
}

/** test/programs/go/bakery, which is stopped when the test ends. */
export async function bakery(port?: number): Promise<Bakery> {
  const address = `127.0.0.1:${port ?? (await freePort())}`;
  const process = start(program('bakery'), [address]);
  onTestFinished(async () => {
    await process.stop('SIGKILL');
  });
  const truth = async () => (await fetch(`http://${address}/truth`)).json() as ReturnType<Bakery['truth']>;
  await eventually('the bakery is open', 10, truth);
  return { address, process, truth };
}

/** An HTTP server on loopback, which is closed when the test ends. Its address, host:port. */
export async function serve(listener: RequestListener, using: Server = createServer()): Promise<string> {
  using.on('request', listener);
  using.listen(0, '127.0.0.1');
  await once(using, 'listening');
  onTestFinished(() => {
    using.close();
    (using as Server).closeAllConnections();
  });
  return `127.0.0.1:${(using.address() as AddressInfo).port}`;
}
