// SPDX-License-Identifier: Apache-2.0
// Which labels each process of a drain gets. What is found out about a process is kept as long as it runs the same
// program, so that a window costs no system calls for processes that were there before.
import { release } from 'node:os';
import type { Drained } from '#native/bpf';
import { BoundedMap } from '../../profile/bounded-map.js';
import type { Labels } from '../../profile/types.js';
import type { Containers } from '../containers/containers.js';
import { readCommandLine, readEnvironment, stillThere } from '../procfs/process.js';
import { cleanName } from '../procfs/text.js';
import { jarDigest, MainPrograms } from './main-program.js';
import { programOf } from './program.js';
import { containerLabels, deployOf, ENVIRONMENT, type Facts, serviceName } from './service.js';

export interface ServiceOptions {
  host: string;
  /** Added to every profile; what is found by itself wins. */
  labels: Labels;
  /** '' = found by itself. */
  serviceName: string;
  deploy: string;
  /** Our own processes: they are named by what they are for, also where a name for everything is configured. */
  own(): Map<number, string>;
}

export interface Grouping {
  groups: Labels[];
  /** Row of `groups` for each process row. */
  groupOf: Uint32Array;
}

interface Identity {
  facts: Omit<Facts, 'mainFile'>;
  /** Executable that stands for the container or unit; null when the process stands for itself. */
  main: string | null;
  /** Cgroup of the container or unit, for what is remembered of it. */
  scope: string;
  /** Digest of the jar it runs, or the build id of its executable when last seen; '' while not known. */
  file: string;
  /** When it is found out again: what a container runtime knows may come late. */
  expires: number;
  /** Labels made last, and for which file. */
  labels: { file: string; key: string; value: Labels } | null;
}

const MAX_IDENTITIES = 4096;
const CONTAINER_TTL_MS = 5 * 60_000;
const CONCURRENCY = 8;
/** The parent of all kernel threads, itself one. */
const KTHREADD = 2;

export class Services {
  private readonly identities = new BoundedMap<string, Identity>(MAX_IDENTITIES);
  /** Last known file of a container's or unit's main program. */
  private readonly mainFiles = new BoundedMap<string, string>(MAX_IDENTITIES);
  private readonly mains: MainPrograms;

  constructor(
    private readonly containers: Containers,
    private readonly options: ServiceOptions,
  ) {
    this.mains = new MainPrograms(containers.layout.mount);
  }

  get size(): number {
    return this.identities.size;
  }

  /** `buildIds` of the mappings of this drain, as the symbolizer knows them. */
  async resolve(drained: Pick<Drained, 'processes' | 'strings'>, buildIds: string[]): Promise<Grouping> {
    const { processes, strings } = drained;
    const unknown: { row: number; key: string }[] = [];
    const now = performance.now();
    const found = Array.from(processes.pid, (pid, row) => {
      const key = `${pid}:${processes.startNs[row]}:${strings[processes.executable[row]!]}`;
      const known = this.identities.get(key);
      if (known === undefined || (known.expires < now && processes.alive[row] === 1))
        unknown.push({ row, key });
      return known;
    });
    if (unknown.length > 0) {
      await this.containers.learn(
        unknown.map(({ row }) => processes.cgroup[row]!),
        unknown.map(({ row }) => processes.pid[row]!),
      );
      let next = 0;
      const work = async () => {
        for (let one = unknown[next++]; one !== undefined; one = unknown[next++]) {
          const identity = await this.identify(drained, one.row);
          found[one.row] = identity;
          this.identities.set(one.key, identity);
        }
      };
      await Promise.all(Array.from({ length: Math.min(CONCURRENCY, unknown.length) }, work));
    }
    return this.group(drained, found as Identity[], buildIds);
  }

  private async identify(drained: Pick<Drained, 'processes' | 'strings'>, row: number): Promise<Identity> {
    const { processes, strings } = drained;
    const pid = processes.pid[row]!;
    const executable = strings[processes.executable[row]!]!;
    const facts: Identity['facts'] = {
      configuredName: this.options.serviceName,
      configuredDeploy: this.options.deploy,
      container: null,
      unit: '',
      environment: new Map(),
      program: '',
    };
    const identity: Identity = {
      facts,
      main: null,
      scope: '',
      file: '',
      expires: Number.POSITIVE_INFINITY,
      labels: null,
    };
    const running = processes.alive[row] === 1 ? stillThere(pid, processes.startNs[row]!) : null;
    if (
      pid === 0 ||
      pid === KTHREADD ||
      processes.parent[row] === KTHREADD ||
      running?.kernelThread === true
    ) {
      facts.configuredName = 'kernel';
      facts.configuredDeploy = release();
      return identity;
    }
    const own = this.options.own().get(pid);
    if (own !== undefined) facts.configuredName = own;
    const scope = await this.containers.describe(processes.cgroup[row]!);
    if (scope.kind === 'container') {
      facts.container = scope.container;
      identity.expires = performance.now() + CONTAINER_TTL_MS;
    } else if (scope.kind === 'unit') facts.unit = scope.name;
    if (scope.kind !== 'host' && own === undefined) {
      identity.scope = scope.path;
      const { index } = this.containers;
      identity.main = this.mains.executable(
        scope.path,
        index.below(scope.path).map(id => index.pathOf(id)!),
      );
    }
    const args = running !== null ? await readCommandLine(pid) : [];
    if (running !== null && !(facts.configuredName && facts.configuredDeploy))
      facts.environment = await readEnvironment(pid, ENVIRONMENT);
    const program = programOf(executable, args, strings[processes.comm[row]!]!);
    facts.program = program.name;
    if (program.jar !== '') identity.file = await jarDigest(pid, program.jar);
    return identity;
  }

  private group(
    { processes, strings }: Pick<Drained, 'processes' | 'strings'>,
    found: Identity[],
    buildIds: string[],
  ): Grouping {
    const count = found.length;
    for (let row = 0; row < count; row++) {
      const identity = found[row]!;
      const mapping = processes.executableMapping[row]!;
      // A jar says more than the java that runs it.
      if (mapping >= 0) identity.file ||= buildIds[mapping] ?? '';
      if (
        identity.main !== null &&
        identity.main === strings[processes.executable[row]!] &&
        identity.file !== ''
      )
        this.mainFiles.set(identity.scope, identity.file);
    }
    const groups: Labels[] = [];
    const groupOf = new Uint32Array(count);
    const rowOf = new Map<string, number>();
    for (let row = 0; row < count; row++) {
      const identity = found[row]!;
      const stands = identity.main === null || identity.main === strings[processes.executable[row]!];
      const file = stands ? identity.file : (this.mainFiles.get(identity.scope) ?? '');
      const { key, value } = this.labels(identity, file);
      let group = rowOf.get(key);
      if (group === undefined) {
        group = groups.push(value) - 1;
        rowOf.set(key, group);
      }
      groupOf[row] = group;
    }
    return { groups, groupOf };
  }

  private labels(identity: Identity, file: string): { key: string; value: Labels } {
    if (identity.labels !== null && identity.labels.file === file) return identity.labels;
    const facts: Facts = { ...identity.facts, mainFile: file };
    const all: Labels = {
      ...this.options.labels,
      ...containerLabels(facts.container),
      host: this.options.host,
      service_name: serviceName(facts),
    };
    const deploy = deployOf(facts);
    if (deploy !== '') all.deploy = deploy;
    if (file !== '') all.build_id = cleanName(file);
    const value = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    identity.labels = { file, key: JSON.stringify(value), value };
    return identity.labels;
  }
}
