// SPDX-License-Identifier: Apache-2.0
// Where targets come from: the configuration, files that change, pods of this node.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listPods } from '../../src/agent/scraping/kubernetes.js';
import { podTargets } from '../../src/agent/scraping/pods.js';
import { parseAddress } from '../../src/agent/scraping/target.js';
import { configSchema } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import type { ScrapeJob } from '../../src/config/scrape.js';
import { eventually, sleep, temporaryFolder } from '../helpers/stackwell.js';
import { pprof } from '../server/fixtures.js';
import { bakery, MEMORY, ownServer, type ScrapeInput, scraping, serve } from './scraping.js';

const GOROUTINE_ONLY = { memory: { enabled: false }, mutex: { enabled: false }, block: { enabled: false } };

async function goroutines(): Promise<string> {
  const body = await pprof({ samples: [{ stack: ['main'], values: [3] }], types: [['goroutine', 'count']] });
  return serve((_, response) => void response.end(body));
}

test('files of targets are read when they change', { timeout: 60_000 }, async () => {
  const folder = join(temporaryFolder(), 'targets');
  mkdirSync(folder);
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, '.new'), text);
    renameSync(join(folder, '.new'), join(folder, name));
  };
  const [one, two] = [await goroutines(), await goroutines()];
  put('a.json', JSON.stringify([{ targets: [one], labels: { service_name: 'cart', __meta_x: 'gone' } }]));
  put('ignored.txt', 'nothing');
  const { scraper, metric, logged, delivered } = await scraping({
    refresh: '100ms',
    jobs: [
      {
        name: 'files',
        files: [join(folder, '*.json'), join(folder, 'b.yml')],
        profiles: GOROUTINE_ONLY,
        labels: { zone: 'z1' },
      },
    ],
  });
  const targets = () => [...scraper.rounds.values()].map(({ target }) => target.address).sort();
  const become = (what: string, wanted: string[]) =>
    eventually(what, 5, () => JSON.stringify(targets()) === JSON.stringify([...wanted].sort()) || null);
  await become('the first', [one]);
  await eventually('profiles', 10, () => delivered.length > 0 || null);
  expect(delivered[0]!.labels).toEqual({
    __name__: 'goroutine',
    host: 'here',
    instance: one,
    job: 'files',
    service_name: 'cart',
    zone: 'z1',
    // The fixture's program.
    build_id: 'abcdef',
    deploy: 'abcdef',
  });
  put('b.yml', `- targets: ['${two}']\n  labels: {service_name: bank, deploy: v7}\n`);
  await become('another one', [one, two]);
  // What is half written, or wrong, changes nothing, and is told.
  put('a.json', '[{"targets": [');
  put('b.yml', '- targets: [nonsense]\n');
  await eventually(
    'two failures',
    5,
    async () =>
      ((await metric('scrape_discovery_failures_total{job="files",code="SW_SCRAPE_TARGETS"}')) ?? 0) >= 2 ||
      null,
  );
  expect(targets()).toEqual([one, two].sort());
  expect(logged).toContainEqual(expect.objectContaining({ code: 'SW_SCRAPE_TARGETS', job: 'files' }));
  const kept = scraper.rounds.values().next().value;
  put('a.json', JSON.stringify([{ targets: [one], labels: { service_name: 'cart' } }]));
  rmSync(join(folder, 'b.yml'));
  await become('one is gone', [one]);
  // A file that was written again with the same content starts nothing anew.
  expect([...scraper.rounds.values()]).toContain(kept);
  put('a.json', JSON.stringify([{ targets: [two] }, { targets: [two] }]));
  await become('twice is once', [two]);
  put('a.json', `[]${' '.repeat(1 << 20)}`);
  await sleep(300);
  expect(targets()).toEqual([two]);
  put('a.json', '[]');
  await become('none', []);
});

/** As the API writes them, with more than is read of it. */
function pod(name: string, annotations: Record<string, string>, more: Record<string, unknown> = {}) {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      resourceVersion: '4711',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: {
        'app.kubernetes.io/name': 'cart',
        'app.kubernetes.io/version': '2.1',
        'pod-template-hash': '5d8',
      },
      annotations: { 'kubernetes.io/config.seen': '2026-01-01T00:00:00Z', ...annotations },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'cart-5d8', uid: 'u', controller: true },
      ],
    },
    spec: {
      nodeName: 'node-1',
      containers: [
        {
          name: 'cart',
          image: 'registry.test/shop/cart:v2.1.3',
          ports: [
            { name: 'http', containerPort: 8080, protocol: 'TCP' },
            { name: 'debug', containerPort: 6060, protocol: 'TCP' },
            { name: 'dns', containerPort: 53, protocol: 'UDP' },
          ],
          resources: {},
        },
        { name: 'proxy', image: 'envoy:latest', ports: [{ containerPort: 9901 }] },
      ],
      serviceAccountName: 'default',
    },
    status: {
      phase: 'Running',
      hostIP: '10.0.0.1',
      podIP: '10.1.2.3',
      podIPs: [{ ip: '10.1.2.3' }],
      containerStatuses: [
        {
          name: 'cart',
          ready: true,
          restartCount: 0,
          containerID: `containerd://${'ab'.repeat(32)}`,
          state: { running: {} },
        },
        { name: 'proxy', ready: true, restartCount: 0, containerID: `containerd://${'cd'.repeat(32)}` },
      ],
    },
    ...more,
  };
}
const list = (items: unknown[], metadata: object = { resourceVersion: '1' }) => ({
  kind: 'PodList',
  apiVersion: 'v1',
  metadata,
  items,
});

const job = (more: ScrapeInput = {}): ScrapeJob =>
  configSchema.parse({ agent: { scrape: { jobs: [{ name: 'pods', ...more }] } } }).agent.scrape.jobs[0]!;
const on = (...names: string[]) =>
  Object.fromEntries(names.map(name => [`profiles.grafana.com/${name}.scrape`, 'true']));

test('annotations say what is scraped of a pod, and where', () => {
  const places = (annotations: Record<string, string>, more: Record<string, unknown> = {}) =>
    podTargets(job(), [pod('p', annotations, more)] as never).map(
      ({ scheme, address, asks }) =>
        `${scheme}://${address} ${Object.entries(asks)
          .map(([kind, ask]) => `${kind}=${ask.path}${ask.seconds > 0 ? `+${ask.seconds}` : ''}`)
          .join(' ')}`,
    );
  expect(places({})).toEqual([]);
  expect(places({ 'profiles.grafana.com/memory.scrape': 'false' })).toEqual([]);
  // By name, by number, or every TCP port that is declared.
  expect(
    places({
      ...on('memory', 'cpu'),
      'profiles.grafana.com/memory.port_name': 'debug',
      'profiles.grafana.com/cpu.port_name': 'debug',
    }),
  ).toEqual(['http://10.1.2.3:6060 memory=/debug/pprof/allocs process_cpu=/debug/pprof/profile+8']);
  expect(places({ ...on('mutex'), 'profiles.grafana.com/mutex.port': '7070' })).toEqual([
    'http://10.1.2.3:7070 mutex=/debug/pprof/mutex',
  ]);
  expect(places(on('goroutine'))).toEqual(
    [8080, 6060, 9901].map(port => `http://10.1.2.3:${port} goroutine=/debug/pprof/goroutine`),
  );
  expect(
    places({
      ...on('block', 'goroutine'),
      'profiles.grafana.com/block.port_name': 'debug',
      'profiles.grafana.com/block.scheme': 'https',
      'profiles.grafana.com/block.path': '/own/block?x=1',
      'profiles.grafana.com/goroutine.port': '6060',
    }),
  ).toEqual([
    'http://10.1.2.3:6060 goroutine=/debug/pprof/goroutine',
    'https://10.1.2.3:6060 block=/own/block?x=1',
  ]);
  // What makes no sense, or would be another place.
  expect(places({ ...on('block'), 'profiles.grafana.com/block.port_name': 'none' })).toEqual([]);
  expect(places({ ...on('block'), 'profiles.grafana.com/block.port': '99999' })).toEqual([]);
  expect(
    places({
      ...on('block'),
      'profiles.grafana.com/block.port': '1',
      'profiles.grafana.com/block.path': '@evil.test/ x',
    }),
  ).toEqual(['http://10.1.2.3:1 block=/debug/pprof/block']);
  expect(places(on('block'), { status: { phase: 'Pending' } })).toEqual([]);
  expect(places(on('block'), { status: { phase: 'Running' } })).toEqual([]);
  expect(
    places(
      { ...on('block'), 'profiles.grafana.com/block.port': '1' },
      { status: { phase: 'Running', podIP: 'fd00::7' } },
    ),
  ).toEqual(['http://[fd00::7]:1 block=/debug/pprof/block']);
  const own = job({ kubernetes: { annotations: 'stackwell.io' } });
  expect(podTargets(own, [pod('p', on('block'))] as never)).toEqual([]);
  const [target] = podTargets(job(), [
    pod('p', { ...on('block'), 'profiles.grafana.com/block.port_name': 'debug' }),
  ] as never);
  expect(target!.container).toEqual({
    id: 'ab'.repeat(32),
    runtime: 'containerd',
    name: 'cart',
    pod: 'p',
    podUid: 'uid-p',
    namespace: 'shop',
    image: 'registry.test/shop/cart:v2.1.3',
    labels: expect.objectContaining({ 'app.kubernetes.io/name': 'cart' }),
  });
});

test('pods are listed by the API server and by a kubelet, with a token that changes', async () => {
  const token = join(temporaryFolder(), 'token');
  writeFileSync(token, 'one');
  const asked: string[] = [];
  let answer: (url: URL) => { status: number; body: unknown } = () => ({ status: 200, body: list([]) });
  const address = await serve((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    const { status, body } = answer(new URL(request.url!, 'http://x'));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const kubernetes = (more: ScrapeInput) =>
    job({
      kubernetes: { enabled: true, node: 'node-1', url: `http://${address}`, tokenFile: token, ...more },
    }).kubernetes;
  const names = async (more: ScrapeInput = {}, env: NodeJS.ProcessEnv = {}) =>
    (await listPods(kubernetes(more), AbortSignal.timeout(5000), env)).map(({ metadata }) => metadata.name);
  answer = url =>
    url.searchParams.has('continue')
      ? { status: 200, body: list([pod('b', {})]) }
      : {
          status: 200,
          body: list([pod('a', {}), pod('x', {}, { spec: { nodeName: 'node-2', containers: [] } })], {
            continue: 'page2',
            remainingItemCount: 1,
          }),
        };
  expect(await names()).toEqual(['a', 'b']);
  expect(asked).toEqual([
    'GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1&resourceVersion=0 Bearer one',
    'GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1&continue=page2 Bearer one',
  ]);
  asked.length = 0;
  writeFileSync(token, 'two\n');
  // As in a pod: by its environment.
  answer = () => ({ status: 200, body: { ...list([pod('k', {})]), metadata: {} } });
  expect(await names({ source: 'kubelet' })).toEqual(['k']);
  const [host, port] = address.split(':');
  await expect(
    names(
      { url: '', insecure: true },
      { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, NODE_NAME: 'node-1' },
    ),
  ).rejects.toMatchObject({ code: 'SW_SCRAPE_DISCOVERY' });
  expect(asked).toEqual(['GET /pods Bearer two']);
  await expect(names({ url: '' })).rejects.toMatchObject({ code: 'SW_SCRAPE_DISCOVERY' });
  for (const bad of [
    { status: 403, body: { kind: 'Status', status: 'Failure', reason: 'Forbidden', code: 403 } },
    { status: 200, body: { kind: 'NodeList', items: [] } },
    { status: 200, body: [] },
    { status: 302, body: {} },
  ]) {
    answer = () => bad;
    await expect(names()).rejects.toMatchObject({ code: 'SW_SCRAPE_DISCOVERY' });
  }
  await expect(names({ tokenFile: '/none' })).rejects.toMatchObject({ code: 'SW_SCRAPE_CREDENTIALS' });
});

test('an annotated pod is scraped under its own labels, also while the API server is away', {
  timeout: 60_000,
}, async () => {
  const server = await ownServer();
  const shop = await bakery();
  const token = join(temporaryFolder(), 'token');
  writeFileSync(token, 'secret');
  let down = false;
  const [ip, port] = shop.address.split(':') as [string, string];
  const running = pod('cart-5d8-x', { ...on('memory'), 'profiles.grafana.com/memory.port': port });
  running.status.podIP = ip;
  running.spec.containers[0]!.ports.push({ name: 'pprof', containerPort: Number(port), protocol: 'TCP' });
  const api = await serve((request, response) => {
    if (down || request.headers.authorization !== 'Bearer secret') response.writeHead(401).end('{}');
    else response.end(JSON.stringify(list([running, pod('other', {})])));
  });
  const { metric, close } = await scraping(
    {
      refresh: '200ms',
      jobs: [
        {
          name: 'pods',
          kubernetes: { enabled: true, node: 'node-1', url: `http://${api}`, tokenFile: token },
        },
      ],
    },
    server,
  );
  const scrapes = `scrapes_total{job="pods",target="${shop.address}"}`;
  await eventually('it is scraped', 10, async () => ((await metric(scrapes)) ?? 0) >= 2 || null);
  down = true;
  await eventually(
    'failures',
    10,
    async () =>
      ((await metric('scrape_discovery_failures_total{job="pods",code="SW_SCRAPE_DISCOVERY"}')) ?? 0) >= 2 ||
      null,
  );
  const before = (await metric(scrapes))!;
  await eventually('it goes on', 10, async () => (await metric(scrapes))! >= before + 2 || null);
  await close();
  const query =
    '{service_name="cart",namespace="shop",pod="cart-5d8-x",deploy="2.1",image="registry.test/shop/cart:v2.1.3"}';
  await eventually(
    'stored',
    10,
    async () =>
      (await server.json('/api/v1/top', { type: MEMORY('inuse_space'), query })).profiles > 0 || null,
  );
});

test('mistakes in the configuration are told with their line', () => {
  const file = join(temporaryFolder(), 'stackwell.yaml');
  const refused = (text: string) => {
    writeFileSync(file, text);
    return expect(() => loadConfig(file));
  };
  const jobs = (text: string) => `agent:\n  scrape:\n    jobs:\n${text}`;
  refused(jobs('      - name: a\n        targets: [{targets: [nowhere]}]\n')).toThrow(
    /yaml:5: agent.scrape.jobs.0.targets.0.targets.0: not host:port/,
  );
  refused(jobs('      - {name: a}\n      - {name: a}\n')).toThrow(/yaml:5: .*two jobs/);
  refused(jobs('      - name: a\n        profiles: {process_cpu: {enabled: true, seconds: 10}}\n')).toThrow(
    /less than agent.scrape.interval/,
  );
  refused(jobs('      - name: a\n        profiles: {memory: {path: allocs}}\n')).toThrow(/begins with/);
  refused(jobs('      - name: a\n        bearerTokenFile: x\n        basicAuth: {username: y}\n')).toThrow(
    /either/,
  );
  for (const [text, parsed] of [
    ['a.test:1', { host: 'a.test', port: 1 }],
    ['[::1]:65535', { host: '[::1]', port: 65_535 }],
    ['a:0', null],
    ['a:65536', null],
    ['a', null],
    ['a/b:1', null],
    ['user@a:1', null],
    ['::1:80', null],
  ] as const)
    expect(parseAddress(text)).toEqual(parsed);
});
