// SPDX-License-Identifier: Apache-2.0
// One node of Elasticsearch, from the jars that the tests use.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuSeconds, diskBytes, ready, stop } from './processes.mjs';

const SETUP = fileURLToPath(new URL('../../test/elasticsearch/setup.sh', import.meta.url));
const CACHE =
  process.env.STACKWELL_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stackwell');
const BUILD = join(CACHE, 'elasticsearch');
const PORT = 9240;

/** Its data is in `folder`, in whose path there is no comma. */
export async function startElasticsearch(folder) {
  execFileSync(SETUP, [BUILD], { stdio: 'ignore' });
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  const native = join(BUILD, 'native');
  const jars = readdirSync(join(BUILD, 'lib')).map(jar => `lib/${jar}`);
  const settings = [
    ...[`http.port=${PORT}`, `transport.port=${PORT + 100}`, 'network.host=127.0.0.1'],
    ...[`path.data=${join(folder, 'data')}`, `path.logs=${folder}`, 'discovery.type=single-node'],
    'cluster.routing.allocation.disk.threshold_enabled=false',
  ];
  const child = spawn(
    'java',
    [
      ...['-Xms1g', '-Xmx1g', '-XX:+UseSerialGC', `-Djava.io.tmpdir=${join(folder, 'tmp')}`],
      ...[`-Djava.library.path=${native}`, `-Des.nativelibs.path=${native}`, '-Djna.nosys=true'],
      ...['-Dio.netty.noUnsafe=true', '-Dio.netty.noKeySetOptimization=true', '-Dlog4j2.disable.jmx=true'],
      ...['-Dio.netty.recycler.maxCapacityPerThread=0', '-Dlog4j.shutdownHookEnabled=false'],
      ...['-cp', jars.join(':'), 'EsNode', 'home', 'bench', ...settings],
    ],
    { cwd: BUILD, stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${PORT}`;
  try {
    await ready(`${url}/_cluster/health`, child, 90);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return {
    url,
    cpuSeconds: () => cpuSeconds(child.pid),
    diskBytes: () => diskBytes(join(folder, 'data')),
    stop: () => stop(child),
  };
}
