// SPDX-License-Identifier: Apache-2.0
// What the agent scrapes (docs/scraping.md).
import { z } from 'zod';
import { duration, durationMs } from './duration.js';

const MiB = 1024 * 1024;

const labels = z.record(z.string().min(1).max(256), z.string().max(2048));
const path = z.string().regex(/^\/[\x21-\x7e]{0,1023}$/, 'a path begins with / and has no spaces');

/** Prometheus' file_sd form, which files of targets have, too. */
export const targetGroupSchema = z.strictObject({
  targets: z
    .array(z.string().regex(/^[^\s/]+:\d{1,5}$/, 'not host:port'))
    .describe('addresses, host:port; IPv6 in brackets'),
  labels: labels.default({}).describe('labels of their profiles; service_name among them'),
});

const taken = (enabled: boolean, from: string) => ({
  enabled: z.boolean().default(enabled).describe('take it'),
  path: path.default(from).describe('where it is; a query string is kept'),
});
const seconds = z
  .int()
  .min(0)
  .max(3600)
  .default(0)
  .describe(
    'ask for what is counted in so many seconds (?seconds=N); 0 = for all, of which the agent takes the growth',
  );

const profilesSchema = z.strictObject({
  memory: z.strictObject({ ...taken(true, '/debug/pprof/allocs'), seconds }).prefault({}),
  goroutine: z.strictObject(taken(true, '/debug/pprof/goroutine')).prefault({}),
  mutex: z.strictObject({ ...taken(true, '/debug/pprof/mutex'), seconds }).prefault({}),
  block: z.strictObject({ ...taken(true, '/debug/pprof/block'), seconds }).prefault({}),
  process_cpu: z
    .strictObject({
      ...taken(false, '/debug/pprof/profile'),
      seconds: z.int().min(1).max(3600).default(8).describe('how long it samples'),
    })
    .prefault({}),
});

const kubernetesSchema = z.strictObject({
  enabled: z.boolean().default(false).describe("scrape annotated pods of the agent's own node"),
  source: z
    .enum(['api', 'kubelet'])
    .default('api')
    .describe('who is asked for them: the API server (may list pods), or the kubelet (may get nodes/proxy)'),
  url: z
    .string()
    .regex(/^(https?:\/\/.+)?$/)
    .default('')
    .describe('its address; empty = KUBERNETES_SERVICE_HOST and _PORT, or port 10250 of HOST_IP'),
  node: z.string().default('').describe('name of this node; empty = NODE_NAME, else the host name'),
  annotations: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/)
    .default('profiles.grafana.com')
    .describe('prefix of the annotations that say what is scraped'),
  tokenFile: z
    .string()
    .default('/var/run/secrets/kubernetes.io/serviceaccount/token')
    .describe('bearer token, read anew each time; empty = none'),
  caFile: z
    .string()
    .default('/var/run/secrets/kubernetes.io/serviceaccount/ca.crt')
    .describe('certificates to trust, PEM; empty = those of the system'),
  insecure: z
    .boolean()
    .default(false)
    .describe('do not check its certificate: kubelets often have one that nobody signed'),
});

const jobSchema = z
  .strictObject({
    name: z.string().min(1).max(128).describe('label job'),
    targets: z.array(targetGroupSchema).default([]).describe('targets, here'),
    files: z
      .array(z.string().min(1))
      .default([])
      .describe('files of targets (JSON or YAML), read again when they change; * in the last part of a path'),
    kubernetes: kubernetesSchema.prefault({}),
    labels: labels.default({}).describe('labels of all profiles of the job'),
    scheme: z.enum(['http', 'https']).default('http').describe('how targets are asked'),
    profiles: profilesSchema.prefault({}),
    tls: z
      .strictObject({
        caFile: z.string().default('').describe('certificates to trust, PEM; empty = those of the system'),
        serverName: z.string().default('').describe('name in their certificates; empty = the address'),
        insecure: z.boolean().default(false).describe('do not check certificates'),
      })
      .prefault({}),
    basicAuth: z
      .strictObject({
        username: z.string().default('').describe('basic authentication'),
        passwordFile: z.string().default('').describe('file with its password, read anew each time'),
      })
      .prefault({}),
    bearerTokenFile: z.string().default('').describe('file with a bearer token, read anew each time'),
  })
  .refine(job => job.basicAuth.username === '' || job.bearerTokenFile === '', {
    message: 'either basicAuth or bearerTokenFile',
    path: ['bearerTokenFile'],
  });

export const scrapeSchema = z
  .strictObject({
    interval: duration.default('10s').describe('from one scrape of a target to the next'),
    timeout: duration.default('10s').describe('for one profile, beside the seconds that it samples'),
    refresh: duration.default('30s').describe('how often files are looked at and Kubernetes is asked'),
    concurrency: z.int().min(1).max(64).default(4).describe('profiles that are fetched at once'),
    maxTargets: z.int().min(1).max(4096).default(128).describe('more are left out, counted'),
    maxBodyBytes: z
      .int()
      .min(1024)
      .default(8 * MiB)
      .describe('bytes of one profile as sent'),
    maxProfileBytes: z
      .int()
      .min(1024)
      .default(32 * MiB)
      .describe('bytes of one profile after decompression'),
    maxStateBytes: z
      .int()
      .min(1024)
      .default(32 * MiB)
      .describe('memory for the counters of the profiles before'),
    jobs: z.array(jobSchema).default([]).describe('what is scraped: lists of targets and how to ask them'),
  })
  .superRefine(({ interval, jobs }, context) => {
    const names = new Set<string>();
    jobs.forEach(({ name, profiles }, row) => {
      if (names.has(name))
        context.addIssue({ code: 'custom', path: ['jobs', row, 'name'], message: 'two jobs have this name' });
      names.add(name);
      for (const [kind, one] of Object.entries(profiles))
        if ('seconds' in one && one.enabled && one.seconds * 1000 >= durationMs(interval))
          context.addIssue({
            code: 'custom',
            path: ['jobs', row, 'profiles', kind, 'seconds'],
            message: 'must be less than agent.scrape.interval',
          });
    });
  });

export type ScrapeConfig = z.infer<typeof scrapeSchema>;
export type ScrapeJob = ScrapeConfig['jobs'][number];
export type TargetGroup = z.infer<typeof targetGroupSchema>;
