// SPDX-License-Identifier: Apache-2.0
// The server as one call.

import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { durationMs, retentionAges, type ServerConfig } from '../config/config.js';
import { asStackwellError, StackwellError } from '../errors.js';
import { openEmbeddedStore } from '../store/embedded/embedded-store.js';
import type { Store } from '../store/store.js';
import { buildApp } from './app.js';
import type { Log } from './context.js';
import { DebugInfo } from './debuginfo/debug-info.js';
import { Debuginfod } from './debuginfo/debuginfod.js';
import { LateNames } from './debuginfo/late-names.js';
import { isLoopback } from './guard.js';
import { InFlight } from './ingest/in-flight.js';
import { Ingest } from './ingest/ingest.js';
import { Writers } from './ingest/writers.js';
import type { Listener } from './listener.js';
import { Metrics } from './metrics.js';
import { Discovery } from './query/discovery.js';
import { Query } from './query/query.js';
import { RollupWorker } from './rollup/worker.js';

const RETENTION_EVERY_MS = 60_000;
/** Requests that take longer than this to finish are cut off by close. */
const CLOSE_WITHIN_MS = 15_000;

export interface RunningServer {
  /** With the port that was given by the system where 0 was asked for. */
  url: string;
  /** Takes no more requests, finishes those under way, and puts everything into the store's file. */
  close(): Promise<void>;
}

/** Standard output is for answers; a server's log goes to standard error, one JSON object a line. */
function standardLog(): Log {
  return pino({ level: 'info', base: null }, pino.destination(2));
}

/** @throws SW_USAGE */
function parseListen(listen: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new StackwellError('SW_USAGE', {
      reason: `listen: ${JSON.stringify(listen)} is not address:port, e.g. 127.0.0.1:4040 or [::1]:4040`,
    });
  return { host: match[1] ?? match[2]!, port };
}

/**
 * Opens the store and listens.
 * @throws SW_DATA_DIR, SW_DISK_FULL, SW_STORE_DAMAGED, SW_PORT_TAKEN, SW_LISTEN_REMOTE, SW_NATIVE_MISSING, SW_USAGE
 */
export async function startServer(config: ServerConfig, options: { log?: Log } = {}): Promise<RunningServer> {
  const { host, port } = parseListen(config.listen);
  const remote = !isLoopback(host);
  if (remote && !config.allowRemote) throw new StackwellError('SW_LISTEN_REMOTE', { address: config.listen });
  const log = options.log ?? standardLog();
  const store = await openStore(config);
  try {
    return await listen(store, config, { host, port, remote, log });
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openStore({ elasticsearch, data }: ServerConfig): Promise<Store> {
  if (elasticsearch.urls.length === 0) return openEmbeddedStore(data);
  const { openElasticsearchStore } = await import('../store/elasticsearch/elasticsearch-store.js');
  return openElasticsearchStore({ ...elasticsearch, timeout: durationMs(elasticsearch.timeout) });
}

async function listen(
  store: Store,
  config: ServerConfig,
  { host, port, remote, log }: { host: string; port: number; remote: boolean; log: Log },
): Promise<RunningServer> {
  const ages = retentionAges(config.retention);
  const isShared = config.elasticsearch.urls.length > 0;
  const inFlight = new InFlight(config.limits.inflightBytes);
  const writers = new Writers();
  const metrics = new Metrics({ store, inFlight, writers });
  const ingest = new Ingest(store, writers, { maxBytes: config.limits.profileBytes }, ages[0]!, metrics);
  const debugInfo = await DebugInfo.open(store.debugFiles, config.debuginfo);
  metrics.watchDebugInfo(debugInfo);
  const debuginfod =
    config.debuginfod.urls.length === 0
      ? null
      : new Debuginfod(config.debuginfod, debugInfo, log, result => metrics.debuginfod.inc({ result }));
  const late = new LateNames(debugInfo, debuginfod, (result, places) =>
    metrics.latePlaces.inc({ result }, places),
  );
  const query = new Query(store, config, metrics, late);
  const rollups = new RollupWorker(store, writers, metrics, log, { holder: randomUUID(), ages });
  const discovery = new Discovery(store, ages);
  const context = { config, store, inFlight, writers, ingest, query, discovery, debugInfo, metrics, log };
  const app = await buildApp(context, { remote });
  const listener = app.server as Listener;
  metrics.watchConnections(() => listener.open);
  try {
    await app.listen({ host, port });
    if (host === 'localhost') {
      const all = await lookup(host, { all: true });
      await listener.listenAlso(all.map(({ address }) => address));
    }
  } catch (error) {
    await app.close();
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'EADDRINUSE' ? 'something else listens there' : message;
    throw new StackwellError('SW_PORT_TAKEN', { address: config.listen, reason }, error);
  }

  let expiring: Promise<void> | null = null;
  const expire = async () => {
    try {
      const { maxBytes, maxClusterBytes } = config.retention;
      const gone = await store.expire(
        { maxAge: ages, maxBytes: isShared ? maxClusterBytes : maxBytes },
        Date.now(),
      );
      metrics.expired.inc(gone.profiles);
      if (gone.profiles > 0) log.info({ ...gone }, 'retention deleted profiles');
    } catch (error) {
      const known = asStackwellError(error);
      log.error({ err: known, code: known.code }, `retention: ${known.message}`);
    }
  };
  const timer = setInterval(() => {
    expiring ??= expire().finally(() => {
      expiring = null;
    });
  }, RETENTION_EVERY_MS);
  timer.unref();
  rollups.start();
  if (isShared) debugInfo.follow();

  const address = app.server.address() as AddressInfo;
  const url = `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  const where = isShared ? config.elasticsearch.urls.map(one => new URL(one).host) : config.data;
  log.info({ url, store: where }, 'listening');
  let closing: Promise<void> | null = null;
  return {
    url,
    close: () => {
      closing ??= (async () => {
        clearInterval(timer);
        await closeApp(app);
        await rollups.stop();
        debugInfo.close();
        await debuginfod?.close();
        await late.close();
        await expiring;
        await store.close();
      })();
      return closing;
    },
  };
}

/**
 * Lets requests under way finish. A connection that was busy when closing began turns idle later, and would keep the
 * server open for as long as its client likes.
 */
async function closeApp(app: FastifyInstance): Promise<void> {
  const idle = setInterval(() => app.server.closeIdleConnections(), 50);
  const all = setTimeout(() => app.server.closeAllConnections(), CLOSE_WITHIN_MS);
  try {
    await app.close();
  } finally {
    clearInterval(idle);
    clearTimeout(all);
  }
}
