// SPDX-License-Identifier: Apache-2.0
// The pods of one node, from the API server or from its kubelet: one GET of a PodList, with the token of the agent's
// service account.
import { hostname } from 'node:os';
import type { ScrapeJob } from '../../config/scrape.js';
import { StackwellError } from '../../errors.js';
import { authorization, trust } from './credentials.js';
import { fetchBytes } from './fetch.js';
import { type Pod, podListSchema } from './pods.js';

type Kubernetes = ScrapeJob['kubernetes'];

/** A node has some hundred pods at most; one of them is seldom over 30 kB. */
const MAX_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 20_000;
const MAX_PAGES = 64;

/** Where pods are listed. @throws SW_SCRAPE_DISCOVERY where nothing says where that is */
function listUrl({ source, url, node }: Kubernetes, env: NodeJS.ProcessEnv): URL {
  const inBrackets = (host: string) => (host.includes(':') ? `[${host}]` : host);
  const name = nodeName(node, env);
  if (source === 'kubelet') {
    const base = url || `https://${inBrackets(env.HOST_IP || '127.0.0.1')}:10250`;
    return new URL(`${base.replace(/\/$/, '')}/pods`);
  }
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (url === '' && !host)
    throw new StackwellError('SW_SCRAPE_DISCOVERY', {
      where: 'Kubernetes',
      reason: 'KUBERNETES_SERVICE_HOST is not set',
    });
  const list = new URL(`${(url || `https://${inBrackets(host!)}:${port}`).replace(/\/$/, '')}/api/v1/pods`);
  list.searchParams.set('fieldSelector', `spec.nodeName=${name}`);
  // From the API server's cache: what each agent of a large cluster asked of etcd would be all pods, each time.
  list.searchParams.set('resourceVersion', '0');
  return list;
}

export function nodeName(configured: string, env: NodeJS.ProcessEnv): string {
  return configured || env.NODE_NAME || hostname();
}

/** @throws SW_SCRAPE_DISCOVERY, SW_SCRAPE_CREDENTIALS */
export async function listPods(
  kubernetes: Kubernetes,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Pod[]> {
  const url = listUrl(kubernetes, env);
  const node = nodeName(kubernetes.node, env);
  const headers = {
    accept: 'application/json',
    ...(await authorization({
      bearerTokenFile: kubernetes.tokenFile,
      basicAuth: { username: '', passwordFile: '' },
    })),
  };
  // What is not checked needs no certificates, and a kubelet outside of a cluster has no file of them.
  const trusted = await trust(
    kubernetes.insecure || url.protocol === 'http:' ? { ...kubernetes, caFile: '' } : kubernetes,
  );
  const pods: Pod[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    let list: ReturnType<typeof podListSchema.parse>;
    try {
      const body = await fetchBytes(url, {
        headers,
        trust: trusted,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
        maxDecodedBytes: MAX_BYTES,
        signal,
      });
      list = podListSchema.parse(JSON.parse(body.toString('utf8')));
    } catch (error) {
      const reason =
        error instanceof StackwellError ? error.message : 'the answer is not a PodList of Kubernetes';
      throw new StackwellError('SW_SCRAPE_DISCOVERY', { where: url.origin, reason }, error);
    }
    pods.push(...(list.items ?? []));
    const next = list.metadata?.continue ?? '';
    // Whatever the answer holds: of other nodes their agents take care.
    if (next === '')
      return pods.filter(({ spec }) => (spec.nodeName ?? node) === node || kubernetes.source === 'kubelet');
    url.searchParams.set('continue', next);
    url.searchParams.delete('resourceVersion');
  }
  throw new StackwellError('SW_SCRAPE_DISCOVERY', { where: url.origin, reason: `over ${MAX_PAGES} pages` });
}
