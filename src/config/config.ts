// SPDX-License-Identifier: Apache-2.0
// One schema gives types, checks, --help texts and docs/configuration.md. Every section and key has a default.
import { z } from 'zod';
import { duration, durationMs } from './duration.js';
import { scrapeSchema } from './scrape.js';

export { durationMs } from './duration.js';

const MiB = 1024 * 1024;

export const serverSchema = z.strictObject({
  listen: z.string().default('127.0.0.1:4040').describe('address and port of the HTTP API and the page'),
  allowRemote: z
    .boolean()
    .default(false)
    .describe(
      'listen beyond loopback though there are no users and tokens: whoever reaches it can read and write',
    ),
  hosts: z
    .array(z.string())
    .default([])
    .describe('names, besides loopback, under which a server on loopback is asked, e.g. by a proxy'),
  tenants: z
    .boolean()
    .default(false)
    .describe(
      'keep tenants apart by the header X-Scope-OrgID, which a proxy in front of the server must set or check',
    ),
  data: z.string().default('/var/lib/stackwell').describe('folder of the embedded store'),
  elasticsearch: z
    .strictObject({
      urls: z
        .array(z.url({ protocol: /^https?$/ }))
        .default([])
        .describe('nodes of a cluster to store in, in place of the embedded store'),
      prefix: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,40}$/)
        .default('stackwell')
        .describe('what the names of its indices begin with'),
      username: z.string().default('').describe('basic authentication'),
      password: z.string().default('').describe('its password; better in STACKWELL_ELASTICSEARCH_PASSWORD'),
      apiKey: z
        .string()
        .default('')
        .describe('API key, encoded, in place of a user; better in STACKWELL_ELASTICSEARCH_API_KEY'),
      caFile: z.string().default('').describe('certificates to trust, PEM; empty = those of the system'),
      replicas: z
        .string()
        .regex(/^\d+(-\d+)?$/)
        .default('0-1')
        .describe(
          'copies of each shard beside the first: a number, or least-most by the nodes that there are',
        ),
      shards: z.int().min(1).max(64).default(1).describe('shards of an index of profiles'),
      timeout: duration.default('30s').describe('until a request that gets no answer has failed'),
    })
    .prefault({}),
  retention: z
    .strictObject({
      maxAge: duration
        .default('7d')
        .describe('profiles as they came are deleted when they are older than this'),
      minutes: duration.default('14d').describe('so are rollups of a minute'),
      tenMinutes: duration.default('60d').describe('of ten minutes'),
      hours: duration.default('90d').describe('of an hour'),
      days: duration.default('400d').describe('of a day'),
      maxBytes: z
        .int()
        .min(0)
        .default(10 * 1024 * MiB)
        .describe('bytes of the embedded store; the oldest hour goes first; 0 = no limit'),
      maxClusterBytes: z
        .int()
        .min(0)
        .default(0)
        .describe('bytes in Elasticsearch, copies included; the oldest day goes first; 0 = no limit'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      bodyBytes: z
        .int()
        .min(1024)
        .default(32 * MiB)
        .describe('bytes of one request body as sent'),
      profileBytes: z
        .int()
        .min(1024)
        .default(64 * MiB)
        .describe('bytes of one profile after decompression'),
      inflightBytes: z
        .int()
        .min(1024)
        .default(128 * MiB)
        .describe('bytes of request bodies held at once; more get 503'),
      maxNodes: z
        .int()
        .min(16)
        .default(1 << 20)
        .describe('largest max_nodes that a query may ask for'),
      queryProfiles: z
        .int()
        .min(1)
        .default(1_000_000)
        .describe('profiles that one query merges; past it the answer says so'),
    })
    .prefault({}),
  debuginfo: z
    .strictObject({
      maxFileBytes: z
        .int()
        .min(1024)
        .default(2048 * MiB)
        .describe('bytes of one debug file'),
      maxBytes: z
        .int()
        .min(1024)
        .default(10 * 1024 * MiB)
        .describe('bytes of all debug files; what was not used for longest goes first'),
    })
    .prefault({}),
  debuginfod: z
    .strictObject({
      urls: z
        .array(z.url({ protocol: /^https?$/ }))
        .default([])
        .describe('debuginfod servers that are asked, in turn, for what has no names'),
      timeout: duration.default('90s').describe('for one file'),
      retryAfter: duration.default('1h').describe('until they are asked again for what they did not have'),
    })
    .prefault({}),
});

export const agentSchema = z.strictObject({
  server: z.string().default('http://127.0.0.1:4040').describe('where profiles are sent'),
  data: z.string().default('/var/lib/stackwell-agent').describe('folder of the outbox'),
  hz: z.int().min(1).max(999).default(19).describe('on-CPU samples per second and CPU'),
  window: duration.default('10s').describe('length of one profile'),
  offCpu: z
    .strictObject({
      enabled: z.boolean().default(true).describe('record waits as well as CPU time'),
      min: duration.default('1ms').describe('shorter intervals are not recorded'),
      max: duration.default('0s').describe('longer intervals are not recorded; 0s = no maximum'),
    })
    .prefault({}),
  unwind: z
    .strictObject({
      tables: z
        .boolean()
        .default(true)
        .describe('unwind tables in the kernel; false = stacks by frame pointers only'),
      maxBytes: z
        .int()
        .min(MiB)
        .default(64 * MiB)
        .describe('kernel memory of unwind tables; those not used for longest go first'),
    })
    .prefault({}),
  java: z
    .strictObject({
      attach: z
        .boolean()
        .default(true)
        .describe(
          'ask Java virtual machines whose structures cannot be read for a perf map (jcmd Compiler.perfmap)',
        ),
    })
    .prefault({}),
  traceContext: z
    .boolean()
    .default(true)
    .describe(
      'read what the threads of a process work on (trace and span), where it publishes its OpenTelemetry thread context',
    ),
  metricsListen: z.string().default('127.0.0.1:4041').describe("address and port of the agent's /metrics"),
  metrics: z
    .record(z.string(), z.looseObject({ enabled: z.boolean().default(true) }))
    .default({})
    .describe('collectors of kernel metrics by name: `enabled`, and what each takes (docs/metrics.md)'),
  maxContainers: z
    .int()
    .min(0)
    .default(1000)
    .describe('containers that have series of their own; more share one, and are counted'),
  host: z.string().default('').describe('host label; empty = host name'),
  region: z.string().default('').describe('region label of metrics and events'),
  labels: z.record(z.string(), z.string()).default({}).describe('labels added to every profile'),
  serviceName: z
    .string()
    .default('')
    .describe('service name for everything on this host; empty = found by itself'),
  deploy: z
    .string()
    .default('')
    .describe('version label for everything on this host; empty = found by itself'),
  outbox: z
    .strictObject({
      maxBytes: z
        .int()
        .min(MiB)
        .default(256 * MiB)
        .describe('bytes on disk; the oldest window goes first, counted'),
      maxAge: duration.default('24h').describe('windows older than this are dropped, counted'),
    })
    .prefault({}),
  scrape: scrapeSchema.prefault({}),
});

export const configSchema = z.strictObject({
  server: serverSchema.prefault({}),
  agent: agentSchema.prefault({}),
});

export type ServerConfig = z.infer<typeof serverSchema>;
export type AgentConfig = z.infer<typeof agentSchema>;
export type Config = z.infer<typeof configSchema>;

/** Milliseconds that profiles of each level are kept. */
export function retentionAges(retention: ServerConfig['retention']): Record<number, number> {
  const { maxAge, minutes, tenMinutes, hours, days } = retention;
  return {
    0: durationMs(maxAge),
    60: durationMs(minutes),
    600: durationMs(tenMinutes),
    3600: durationMs(hours),
    86400: durationMs(days),
  };
}
