// SPDX-License-Identifier: Apache-2.0
// Which targets pods ask for by their annotations. Pure: what a pod says is its owner's, and is trusted with nothing
// but its own address.
import { z } from 'zod';
import type { ScrapeJob } from '../../config/scrape.js';
import type { ContainerInfo } from '../containers/info.js';
import { cleanName } from '../procfs/text.js';
import { type Ask, type Asks, asksOf, KINDS, type Kind } from './kinds.js';
import { parseAddress, type Target } from './target.js';

const texts = z.record(z.string(), z.string()).nullish();
const containerSchema = z.object({
  name: z.string(),
  image: z.string().nullish(),
  ports: z
    .array(z.object({ name: z.string().nullish(), containerPort: z.int(), protocol: z.string().nullish() }))
    .nullish(),
});
const statusSchema = z.object({ name: z.string(), containerID: z.string().nullish() });

/** The part of a Pod (core/v1) that matters here. */
const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    labels: texts,
    annotations: texts,
  }),
  spec: z.object({ nodeName: z.string().nullish(), containers: z.array(containerSchema) }),
  status: z
    .object({
      phase: z.string().nullish(),
      podIP: z.string().nullish(),
      containerStatuses: z.array(statusSchema).nullish(),
    })
    .nullish(),
});
export type Pod = z.infer<typeof podSchema>;
type Container = z.infer<typeof containerSchema>;

export const podListSchema = z.object({
  kind: z.literal('PodList'),
  metadata: z.object({ continue: z.string().nullish() }).nullish(),
  items: z.array(podSchema).nullish(),
});

/** Annotations call CPU profiles so. */
const ANNOTATED: Record<Kind, string> = {
  memory: 'memory',
  goroutine: 'goroutine',
  mutex: 'mutex',
  block: 'block',
  process_cpu: 'cpu',
};

/**
 * Targets of pods that run. `PREFIX/KIND.scrape: "true"` asks for a kind, `.port_name` or `.port` says where (else at
 * every TCP port that is declared), `.scheme` and `.path` how.
 */
export function podTargets(job: ScrapeJob, pods: readonly Pod[]): Target[] {
  const usual = asksOf({
    ...job.profiles,
    // The annotation is what switches it on, whatever the job takes by itself.
    ...Object.fromEntries(KINDS.map(kind => [kind, { ...job.profiles[kind], enabled: true }])),
  } as ScrapeJob['profiles']);
  return pods.flatMap(pod => {
    const ip = pod.status?.podIP ?? '';
    if (pod.status?.phase !== 'Running' || ip === '') return [];
    /** By scheme and port: kinds that are asked for at one place are one target. */
    const places = new Map<string, { scheme: Target['scheme']; port: number; asks: Asks }>();
    for (const kind of KINDS) {
      const annotation = (name: string) =>
        pod.metadata.annotations?.[`${job.kubernetes.annotations}/${ANNOTATED[kind]}.${name}`] ?? '';
      if (annotation('scrape') !== 'true') continue;
      const ask: Ask = { ...usual[kind]!, ...pathOf(annotation('path')) };
      const scheme =
        annotation('scheme') === 'https' ? 'https' : annotation('scheme') === 'http' ? 'http' : job.scheme;
      for (const port of portsOf(pod, annotation('port_name'), annotation('port'))) {
        const place = `${scheme} ${port}`;
        const at = places.get(place) ?? { scheme, port, asks: {} };
        at.asks[kind] = ask;
        places.set(place, at);
      }
    }
    return [...places.values()].flatMap(({ scheme, port, asks }) => {
      const address = `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
      if (parseAddress(address) === null) return [];
      return {
        job,
        scheme,
        address,
        asks,
        labels: job.labels,
        container: containerOf(pod, port),
        local: true,
      };
    });
  });
}

function pathOf(path: string): { path?: string } {
  return /^\/[\x21-\x7e]{0,1023}$/.test(path) ? { path } : {};
}

function portsOf(pod: Pod, name: string, number: string): number[] {
  const declared = pod.spec.containers.flatMap(({ ports }) => ports ?? []);
  if (name !== '') return unique(declared.filter(port => port.name === name));
  if (/^\d{1,5}$/.test(number)) return [Number(number)];
  return unique(declared.filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP'));
}

function unique(ports: { containerPort: number }[]): number[] {
  return [...new Set(ports.map(({ containerPort }) => containerPort))];
}

/** The container that declares the port, or the only one. */
function containerOf(pod: Pod, port: number): ContainerInfo {
  const { containers } = pod.spec;
  const declares = ({ ports }: Container) => ports?.some(({ containerPort }) => containerPort === port);
  const container = containers.find(declares) ?? (containers.length === 1 ? containers[0] : undefined);
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container?.name);
  const [, runtime = '', id = ''] = /^([\w-]+):\/\/(\w+)$/.exec(status?.containerID ?? '') ?? [];
  const { name, namespace, uid, labels } = pod.metadata;
  return {
    id,
    runtime,
    name: container?.name ?? '',
    pod: name,
    podUid: uid,
    namespace,
    image: cleanName(container?.image ?? '', 512),
    labels: labels ?? {},
  };
}
