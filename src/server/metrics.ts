// SPDX-License-Identifier: Apache-2.0
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Store, StoreStats } from '../store/store.js';
import type { DebugInfo } from './debuginfo/debug-info.js';
import type { InFlight } from './ingest/in-flight.js';
import type { Writers } from './ingest/writers.js';
import { SingleFlight } from './single-flight.js';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
  readonly registry = new Registry();
  readonly profiles = new Counter({
    name: 'stackwell_ingest_profiles_total',
    help: 'Profiles received, by what became of them: stored, duplicate, refused.',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });
  readonly ingestBytes = new Counter({
    name: 'stackwell_ingest_bytes_total',
    help: 'Bytes of pprof received, as sent.',
    registers: [this.registry],
  });
  readonly ingestSeconds = new Histogram({
    name: 'stackwell_ingest_seconds',
    help: 'From a request whose body is complete until it is on disk.',
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly querySeconds = new Histogram({
    name: 'stackwell_query_seconds',
    help: 'Time of a question, by kind.',
    labelNames: ['kind'] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly queryProfiles = new Counter({
    name: 'stackwell_query_profiles_total',
    help: 'Profiles that answers are made of, as they came.',
    registers: [this.registry],
  });
  readonly readProfiles = new Counter({
    name: 'stackwell_query_read_total',
    help: 'Profiles and rollups read for questions.',
    registers: [this.registry],
  });
  readonly errors = new Counter({
    name: 'stackwell_errors_total',
    help: 'Requests answered with an error, by code.',
    labelNames: ['code'] as const,
    registers: [this.registry],
  });
  readonly latePlaces = new Counter({
    name: 'stackwell_late_places_total',
    help: 'Places without a name that questions looked up in debug files: named, no_symbols, file_damaged, symbolizer_busy.',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });
  readonly debugUploads = new Counter({
    name: 'stackwell_debuginfo_uploads_total',
    help: 'Debug files that were sent: stored, present (the same content was there), kept (something better was), refused.',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });
  readonly debuginfod = new Counter({
    name: 'stackwell_debuginfod_requests_total',
    help: 'Questions to debuginfod servers: stored, not_found, refused (not what was asked for), failed, dropped (too many waited).',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });
  readonly rollups = new Counter({
    name: 'stackwell_rollups_total',
    help: 'Buckets rolled up, by level in seconds and result: whole, again (profiles came meanwhile).',
    labelNames: ['level', 'result'] as const,
    registers: [this.registry],
  });
  readonly rollupSeconds = new Histogram({
    name: 'stackwell_rollup_seconds',
    help: 'Time to roll up one bucket, by level in seconds.',
    labelNames: ['level'] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly rollupLag = new Gauge({
    name: 'stackwell_rollup_lag_seconds',
    help: 'Age of the oldest minute that is not rolled up; about two minutes when all is well.',
    registers: [this.registry],
  });
  readonly rollupsAbandoned = new Counter({
    name: 'stackwell_rollups_abandoned_total',
    help: 'Buckets that were not rolled up before what is in them was past its retention.',
    registers: [this.registry],
  });
  readonly expired = new Counter({
    name: 'stackwell_expired_profiles_total',
    help: 'Profiles deleted by retention.',
    registers: [this.registry],
  });

  constructor(sources: { store: Store; inFlight: InFlight; writers: Writers }) {
    const { store, inFlight, writers } = sources;
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(value());
        },
      });
    gauge('stackwell_ingest_inflight_bytes', 'Bytes of request bodies in memory.', () => inFlight.bytes);
    gauge('stackwell_symbol_writers', 'Services whose known symbols are in memory.', () => writers.count);
    gauge('stackwell_symbol_writer_bytes', 'Memory of known symbols.', () => writers.bytes);
    // All gauges of a scrape are collected at the same time: one look at the store does for the three.
    const looks = new SingleFlight<StoreStats>();
    const stats = () => looks.do('', () => store.stats());
    new Gauge({
      name: 'stackwell_store_objects',
      help: 'What is stored, by kind.',
      labelNames: ['kind'] as const,
      registers: [this.registry],
      async collect() {
        const now = await stats();
        for (const kind of ['profiles', 'segments', 'series'] as const) this.set({ kind }, now[kind]);
      },
    });
    new Gauge({
      name: 'stackwell_store_oldest_seconds',
      help: 'Start of the oldest profile, Unix time; 0 without profiles.',
      registers: [this.registry],
      async collect() {
        this.set(((await stats()).oldest ?? 0) / 1000);
      },
    });
    new Gauge({
      name: 'stackwell_store_bytes',
      help: 'Bytes on disk.',
      registers: [this.registry],
      async collect() {
        this.set((await stats()).bytes);
      },
    });
    collectDefaultMetrics({ register: this.registry });
  }

  watchConnections(open: () => Record<string, number>): void {
    new Gauge({
      name: 'stackwell_http_connections',
      help: 'Open connections, by protocol: http1, http2, undecided (nothing that tells has arrived).',
      labelNames: ['protocol'] as const,
      registers: [this.registry],
      collect() {
        for (const [protocol, count] of Object.entries(open())) this.set({ protocol }, count);
      },
    });
  }

  watchDebugInfo(debugInfo: DebugInfo): void {
    const { registry } = this;
    new Gauge({
      name: 'stackwell_debuginfo_bytes',
      help: 'Bytes of debug files on disk.',
      registers: [registry],
      collect() {
        this.set(debugInfo.bytes);
      },
    });
    new Gauge({
      name: 'stackwell_debuginfo_files',
      help: 'Debug files on disk.',
      registers: [registry],
      collect() {
        this.set(debugInfo.files);
      },
    });
    new Counter({
      name: 'stackwell_debuginfo_evicted_total',
      help: 'Debug files deleted to make room, those that were not used for longest first.',
      registers: [registry],
      collect() {
        this.reset();
        this.inc(debugInfo.evicted);
      },
    });
  }
}
