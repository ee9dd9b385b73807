// SPDX-License-Identifier: Apache-2.0
// The servers that are measured: how each is started, and what its questions are called in the load tool.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startElasticsearch } from './elasticsearch.mjs';
import { diskBytes, memoryMB, ready, start, stop } from './processes.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PEERS = process.env.PEERS_HOME ?? join(homedir(), '.cache/stackwell-peers');
const PYROSCOPE = join(PEERS, 'bin/pyroscope');

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

function pyroscope(storage, more, own) {
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
        ...own(url, data),
        stop: () => stop(child),
      };
    },
  };
}

async function flush(url) {
  const answer = await fetch(`${url}/ingester.v1.IngesterService/Flush`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  if (!answer.ok) throw new Error(`flush: ${answer.status} ${await answer.text()}`);
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
    name: 'stackwell with Elasticsearch',
    kinds: OWN_KINDS,
    missing: () => null,
    async start(folder) {
      const node = await startElasticsearch(join(folder, 'elasticsearch'));
      try {
        const { child, url, pid } = await stackwell(folder, ['--elasticsearch', node.url]);
        return {
          url,
          pid,
          memoryMB: field => memoryMB(pid, field),
          // Its processor time is told beside the server's own.
          also: node.cpuSeconds,
          diskBytes: node.diskBytes,
          async stop() {
            await stop(child);
            await node.stop();
          },
        };
      } catch (error) {
        await node.stop();
        throw error;
      }
    },
  },
  // What it has is in memory until it is flushed; blocks are then copied to shared storage, and counted once.
  pyroscope('v1', ['-write-path=ingester'], (url, data) => ({
    flush: () => flush(url),
    diskBytes: () => diskBytes(join(data, 'v1')),
  })),
  pyroscope('v2', [], (_, data) => ({ diskBytes: () => diskBytes(data) })),
];
