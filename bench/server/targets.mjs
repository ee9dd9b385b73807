// SPDX-License-Identifier: Apache-2.0
// The servers that are measured: how each is started, and what its questions are called in the load tool.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PEERS = process.env.PEERS_HOME ?? join(homedir(), '.cache/stackwell-peers');
const PYROSCOPE = join(PEERS, 'bin/pyroscope');
const ELASTICSEARCH = join(
  process.env.STACKWELL_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stackwell'),
  'elasticsearch',
);
const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

function start(command, args, folder, env = {}) {
  const log = openSync(join(folder, 'log'), 'a');
  return spawn(command, args, { cwd: folder, stdio: ['ignore', log, log], env: { ...process.env, ...env } });
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(timer);
}

async function ready(url, child, seconds) {
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await wait(100)) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      if ((await fetch(url)).ok) return;
    } catch {}
  }
  throw new Error(`${url} is not ready`);
}

function memoryMB(pid, field = 'VmRSS') {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${field}:\\s+(\\d+)`));
  return Number(line[1]) / 1024;
}

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** As `du` has it; files come and go while it is counted. */
function diskBytes(folder) {
  const { stdout } = spawnSync('du', ['--bytes', '--summarize', folder], { encoding: 'utf8' });
  return Number(stdout.split('\t')[0]);
}

/** The process that serves: `bin/stackwell` is a shell that becomes it. */
async function stackwell(folder, more) {
  const config = join(folder, 'config.yaml');
  // The load has the times of hours ago.
  writeFileSync(config, 'server:\n  retention: { maxAge: 30d }\n');
  const listen = '127.0.0.1:4640';
  const args = ['server', '--config', config, '--listen', listen, '--data', join(folder, 'data'), ...more];
  const child = start(join(ROOT, 'bin/stackwell'), args, folder);
  const url = `http://${listen}`;
  await ready(`${url}/readyz`, child, 60);
  return { child, url, pid: child.pid };
}

const OWN_KINDS = { 'flame graph': 'flamegraph', pprof: 'pprof', diff: 'sw-diff' };
const PEER_KINDS = { 'flame graph': 'smst', pprof: 'smp', diff: 'diff' };

function pyroscope(storage, more) {
  const args = [
    ...['-target=all', `-architecture.storage=${storage}`, '-log.level=warn', ...more],
    ...['-server.http-listen-address=127.0.0.1', '-server.http-listen-port=4041'],
    ...['-server.grpc-listen-address=127.0.0.1', '-server.grpc-listen-port=9095'],
    ...['-usage-stats.enabled=false', '-self-profiling.disable-push=true', '-tracing.enabled=false'],
    ...['-memberlist.bind-addr=127.0.0.1', '-memberlist.advertise-addr=127.0.0.1'],
    ...[
      '-memberlist.abort-if-fast-join-fails=false',
      '-ring.store=inmemory',
      '-distributor.ring.store=inmemory',
    ],
    ...['-distributor.ring.instance-addr=127.0.0.1', '-ingester.lifecycler.addr=127.0.0.1'],
    ...[
      '-store-gateway.sharding-ring.store=inmemory',
      '-store-gateway.sharding-ring.instance-addr=127.0.0.1',
    ],
    ...['-compactor.ring.store=inmemory', '-compactor.ring.instance-addr=127.0.0.1'],
    ...['-query-scheduler.ring.store=inmemory', '-query-scheduler.ring.instance-addr=127.0.0.1'],
    ...['-overrides-exporter.ring.store=inmemory', '-overrides-exporter.ring.instance-addr=127.0.0.1'],
    ...['-query-frontend.instance-addr=127.0.0.1', '-segment-writer.store=inmemory'],
    ...['-segment-writer.lifecycler.addr=127.0.0.1', '-metastore.raft.bind-address=127.0.0.1:9099'],
    ...['-metastore.raft.advertise-address=127.0.0.1:9099', '-metastore.raft.server-id=127.0.0.1:9099'],
    // No limits: what is measured is what it can do, not what it allows.
    ...['-distributor.ingestion-rate-limit-mb=4096', '-distributor.ingestion-burst-size-mb=2048'],
    ...['-validation.reject-older-than=0', '-validation.max-profile-stacktrace-samples=0'],
    '-ingester.max-global-series-per-tenant=0',
  ];
  return {
    name: `pyroscope ${storage}`,
    kinds: PEER_KINDS,
    missing: () =>
      existsSync(PYROSCOPE) ? null : `${PYROSCOPE} is not there: bench/peers/build-pyroscope.sh`,
    async start(folder) {
      const data = join(folder, 'data');
      mkdirSync(data);
      const child = start(
        PYROSCOPE,
        [
          ...args,
          ...[`-metastore.data-dir=${data}/metastore/data`, `-metastore.raft.dir=${data}/metastore/raft`],
          ...[`-pyroscopedb.data-path=${data}/v1`, '-storage.backend=filesystem'],
          ...[`-storage.filesystem.dir=${data}/shared`, `-compactor.data-dir=${data}/compactor`],
          `-blocks-storage.bucket-store.sync-dir=${data}/sync`,
        ],
        folder,
      );
      const url = 'http://127.0.0.1:4041';
      await ready(`${url}/ready`, child, 120);
      return {
        url,
        pid: child.pid,
        memoryMB: field => memoryMB(child.pid, field),
        diskBytes: () => diskBytes(data),
        stop: () => stop(child),
      };
    },
  };
}

export const TARGETS = [
  {
    name: 'stackwell',
    kinds: OWN_KINDS,
    missing: () => null,
    async start(folder) {
      const { child, url, pid } = await stackwell(folder, []);
      return {
        url,
        pid,
        memoryMB: field => memoryMB(pid, field),
        diskBytes: () => diskBytes(join(folder, 'data')),
        stop: () => stop(child),
      };
    },
  },
  {
    name: 'stackwell, Elasticsearch',
    kinds: OWN_KINDS,
    missing: () => null,
    async start(folder) {
      execFileSync(join(ROOT, 'test/elasticsearch/setup.sh'), [ELASTICSEARCH], { stdio: 'ignore' });
      const data = join(folder, 'elasticsearch');
      mkdirSync(join(data, 'tmp'), { recursive: true });
      const native = join(ELASTICSEARCH, 'native');
      const node = spawn(
        'java',
        [
          ...['-Xms1g', '-Xmx1g', '-XX:+UseSerialGC', `-Djava.io.tmpdir=${join(data, 'tmp')}`],
          ...[`-Djava.library.path=${native}`, `-Des.nativelibs.path=${native}`, '-Djna.nosys=true'],
          ...[
            '-Dio.netty.noUnsafe=true',
            '-Dio.netty.noKeySetOptimization=true',
            '-Dlog4j2.disable.jmx=true',
          ],
          ...['-Dio.netty.recycler.maxCapacityPerThread=0', '-Dlog4j.shutdownHookEnabled=false'],
          ...[
            '-cp',
            readdirSync(join(ELASTICSEARCH, 'lib'))
              .map(jar => `lib/${jar}`)
              .join(':'),
          ],
          ...[
            'EsNode',
            'home',
            'bench',
            'http.port=9240',
            'transport.port=9340',
            'discovery.type=single-node',
          ],
          ...[`path.data=${join(data, 'data')}`, `path.logs=${data}`, 'network.host=127.0.0.1'],
          'cluster.routing.allocation.disk.threshold_enabled=false',
        ],
        { cwd: ELASTICSEARCH, stdio: 'ignore' },
      );
      const elasticsearch = 'http://127.0.0.1:9240';
      try {
        await ready(`${elasticsearch}/_cluster/health`, node, 90);
        const { child, url, pid } = await stackwell(folder, ['--elasticsearch', elasticsearch]);
        return {
          url,
          pid,
          memoryMB: field => memoryMB(pid, field),
          // Its processor time is told beside the server's own.
          also: () => cpuSeconds(node.pid),
          diskBytes: () => diskBytes(join(data, 'data')),
          async stop() {
            await stop(child);
            await stop(node);
          },
        };
      } catch (error) {
        await stop(node);
        throw error;
      }
    },
  },
  pyroscope('v1', ['-write-path=ingester']),
  pyroscope('v2', []),
];
