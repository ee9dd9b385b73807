// SPDX-License-Identifier: Apache-2.0
// What the plugins of the API share.
import type { ServerConfig } from '../config/config.js';
import type { Store } from '../store/store.js';
import type { DebugInfo } from './debuginfo/debug-info.js';
import type { InFlight } from './ingest/in-flight.js';
import type { Ingest } from './ingest/ingest.js';
import type { Writers } from './ingest/writers.js';
import type { Metrics } from './metrics.js';
import type { Discovery } from './query/discovery.js';
import type { Query } from './query/query.js';

export interface Context {
  config: ServerConfig;
  store: Store;
  inFlight: InFlight;
  ingest: Ingest;
  writers: Writers;
  query: Query;
  discovery: Discovery;
  debugInfo: DebugInfo;
  metrics: Metrics;
  log: Log;
}

/** What startServer writes its log to: pino's shape. */
export interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
