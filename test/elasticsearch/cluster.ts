// SPDX-License-Identifier: Apache-2.0
// Elasticsearch nodes on loopback, started from setup.sh's jars, killed and started again at will.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../helpers/stackwell.js';

const SETUP = fileURLToPath(new URL('./setup.sh', import.meta.url));
const CACHE =
  process.env.STACKWELL_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stackwell');
const BUILD = join(CACHE, 'elasticsearch');

export interface NodeOptions {
  heap?: string;
  /** JIT level: 1 starts quickly, 4 is fast once warm. */
  tier?: number;
  settings?: Record<string, string>;
}

export class Node {
  #child: ChildProcess | null = null;
  readonly url: string;

  constructor(
    readonly name: string,
    readonly port: number,
    readonly folder: string,
    private readonly settings: Record<string, string>,
    private readonly options: NodeOptions,
  ) {
    this.url = `http://127.0.0.1:${port}`;
  }

  start(): void {
    mkdirSync(join(this.folder, 'tmp'), { recursive: true });
    const { heap = '512m', tier = 1 } = this.options;
    const jars = readdirSync(join(BUILD, 'lib')).map(jar => `lib/${jar}`);
    const settings = {
      'http.port': String(this.port),
      'path.data': join(this.folder, 'data'),
      'path.logs': this.folder,
      'cluster.name': 'stackwell-test',
      'node.name': this.name,
      'network.host': '127.0.0.1',
      'cluster.routing.allocation.disk.threshold_enabled': 'false',
      'indices.breaker.total.use_real_memory': 'false',
      ...this.settings,
      ...this.options.settings,
    };
    const native = join(BUILD, 'native');
    const child = spawn(
      'java',
      [
        ...[`-Xms${heap}`, `-Xmx${heap}`, '-XX:+UseSerialGC', `-XX:TieredStopAtLevel=${tier}`],
        ...['-XX:SharedArchiveFile=es.jsa', '-Xshare:auto', `-Djava.io.tmpdir=${join(this.folder, 'tmp')}`],
        ...[`-Djava.library.path=${native}`, `-Des.nativelibs.path=${native}`, '-Djna.nosys=true'],
        ...['-Dio.netty.noUnsafe=true', '-Dio.netty.noKeySetOptimization=true'],
        ...['-Dio.netty.recycler.maxCapacityPerThread=0', '-Dlog4j.shutdownHookEnabled=false'],
        ...['-Dlog4j2.disable.jmx=true', '-cp', jars.join(':'), 'EsNode', 'home', this.name],
        ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
      ],
      { cwd: BUILD, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const log = createWriteStream(join(this.folder, 'es.log'), { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#child = child;
    child.once('exit', () => {
      if (this.#child === child) this.#child = null;
      log.end();
    });
  }

  get alive(): boolean {
    return this.#child !== null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Until it answers and every primary shard has a place. */
  async ready(seconds = 90): Promise<void> {
    const until = Date.now() + seconds * 1000;
    for (;;) {
      if (!this.alive) throw new Error(`${this.name} ended:\n${this.log()}`);
      try {
        const health = `${this.url}/_cluster/health?wait_for_status=yellow&timeout=1s`;
        if ((await fetch(health, { signal: AbortSignal.timeout(5000) })).ok) return;
      } catch {}
      if (Date.now() > until) throw new Error(`${this.name} is not ready:\n${this.log()}`);
      await sleep(100);
    }
  }

  log(): string {
    return readFileSync(join(this.folder, 'es.log'), 'utf8').split('\n').slice(-30).join('\n');
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await gone;
    clearTimeout(timer);
  }
}

export class Cluster {
  private constructor(
    readonly nodes: Node[],
    private readonly folder: string,
  ) {}

  /** Ready when it resolves. */
  static async start(size = 1, options: NodeOptions = {}): Promise<Cluster> {
    await promisify(execFile)(SETUP, [BUILD], { maxBuffer: 1 << 24 });
    const folder = mkdtempSync(join(tmpdir(), 'stackwell-es-'));
    const ports: { http: number; transport: number }[] = [];
    for (let i = 0; i < size; i++) ports.push({ http: await freePort(), transport: await freePort() });
    const names = ports.map((_, i) => `node-${i}`);
    const nodes = ports.map(({ http, transport }, i) => {
      const settings: Record<string, string> = { 'transport.port': String(transport) };
      if (size === 1) settings['discovery.type'] = 'single-node';
      else {
        settings['cluster.initial_master_nodes'] = names.join(',');
        settings['discovery.seed_hosts'] = ports.map(port => `127.0.0.1:${port.transport}`).join(',');
      }
      return new Node(names[i]!, http, join(folder, names[i]!), settings, options);
    });
    const cluster = new Cluster(nodes, folder);
    try {
      for (const node of nodes) node.start();
      await Promise.all(nodes.map(node => node.ready()));
      await cluster.complete();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get urls(): string[] {
    return this.nodes.map(node => node.url);
  }

  /** Of the first node that is alive; throws unless it is answered with 2xx. */
  async request(method: string, path: string): Promise<void> {
    const node = this.nodes.find(one => one.alive)!;
    const answer = await fetch(`${node.url}/${path}`, { method });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }

  /** Deletes all indices whose names begin so. */
  async remove(prefix: string): Promise<void> {
    const node = this.nodes.find(one => one.alive)!;
    const list = await (await fetch(`${node.url}/_cat/indices/${prefix}-*?h=index`)).text();
    const names = list.split('\n').filter(name => name !== '');
    if (names.length > 0) await this.request('DELETE', names.join(','));
  }

  /** Until all nodes are in the cluster. */
  async complete(seconds = 60): Promise<void> {
    const node = this.nodes.find(one => one.alive)!;
    const health = `/_cluster/health?wait_for_nodes=${this.nodes.length}&wait_for_status=yellow&timeout=${seconds}s`;
    const answer = await fetch(node.url + health);
    const { timed_out } = (await answer.json()) as { timed_out: boolean };
    if (timed_out) throw new Error('the cluster is not complete');
  }

  /** Until every copy is where it should be: only then can another node go without loss. */
  async green(seconds = 90): Promise<void> {
    const node = this.nodes.find(one => one.alive)!;
    const answer = await fetch(`${node.url}/_cluster/health?wait_for_status=green&timeout=${seconds}s`);
    const health = (await answer.json()) as { timed_out: boolean; status: string };
    if (health.timed_out) throw new Error(`the cluster is ${health.status}`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.stop('SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
