// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { StackwellError } from '../../errors.js';
import { BoundedMap } from '../../profile/bounded-map.js';
import { readSmall } from '../procfs/file.js';
import { readCgroups } from '../procfs/process.js';
import { CgroupIndex } from './cgroups.js';
import type { ContainerInfo, ContainerSource, Scope } from './info.js';
import { type CgroupLayout, detectLayout, parseMounts, readMountinfo } from './layout.js';
import { recognize } from './recognize.js';
import { RuncStates } from './runc.js';

const MAX_CACHED = 4096;
/** States are written after the cgroup: after a new cgroup, look for them this long. */
const EXPECT_STATES_MS = 10_000;
/** What a source says is asked again after this, so that a name that came late is still found. */
const LOOKUP_TTL_MS = 60_000;

/** Answers "who runs in this cgroup" and "which cgroups are this container". */
export class Containers {
  readonly layout: CgroupLayout;
  readonly index: CgroupIndex;
  private readonly states: RuncStates;
  private readonly details = new BoundedMap<string, { at: number; info: Partial<ContainerInfo> }>(MAX_CACHED);
  private expectStatesUntil = 0;

  constructor(
    layout: CgroupLayout = detectLayout(),
    private readonly sources: ContainerSource[] = [],
    states?: RuncStates,
    private readonly mounts: Map<string, string> = parseMounts(readMountinfo()),
  ) {
    this.layout = layout;
    this.index = new CgroupIndex(layout.mount);
    this.states = states ?? new RuncStates(layout.hierarchy, layout.mount);
  }

  /** Everything that is there now. */
  async refresh(): Promise<void> {
    await this.index.refresh();
    await this.states.refresh();
  }

  /** Cheap; call it every few seconds so that short-lived containers are seen. */
  async poll(): Promise<void> {
    if (await this.index.poll()) this.expectStatesUntil = performance.now() + EXPECT_STATES_MS;
    if (performance.now() < this.expectStatesUntil) await this.states.refresh();
  }

  /**
   * Makes the given cgroups known, where that is still possible. `pids` are processes in them, by position: their
   * /proc/PID/cgroup costs less than looking at all directories.
   */
  async learn(ids: bigint[], pids: number[]): Promise<void> {
    const unknown = ids.filter((id, i) => this.index.pathOf(id) === null && !this.learnFrom(pids[i]!, id));
    if (unknown.length > 0) await this.index.refresh();
    if (ids.length > 0) await this.states.refresh();
  }

  private learnFrom(pid: number, id: bigint): boolean {
    const path = readCgroups(pid)?.get(this.layout.hierarchy === 'v2' ? '' : this.layout.hierarchy);
    return path !== undefined && this.index.confirm(path, id);
  }

  /** Who runs in a cgroup; a removed one is still known for some minutes. */
  async describe(id: bigint): Promise<Scope> {
    const path = this.index.pathOf(id);
    if (path === null) return { kind: 'host' };
    const owner = recognize(path, this.states.byPath);
    if (owner.kind !== 'container') return owner;
    return { kind: 'container', path: owner.path, container: await this.detail(owner) };
  }

  private async detail(owner: {
    id: string;
    runtime: string;
    podUid: string;
    path: string;
  }): Promise<ContainerInfo> {
    const now = performance.now();
    let known = this.details.get(owner.id);
    if (known === undefined || now - known.at > LOOKUP_TTL_MS) {
      const info: Partial<ContainerInfo> = { ...known?.info };
      for (const source of this.sources) {
        const answer = await source.lookup(owner.id).catch(() => null);
        for (const [key, value] of Object.entries(answer ?? {}))
          if (value !== '') (info as Record<string, unknown>)[key] = value;
      }
      known = { at: now, info };
      this.details.set(owner.id, known);
    }
    const recorded = this.states.byPath.get(owner.path);
    return {
      name: '',
      pod: '',
      namespace: '',
      image: '',
      labels: {},
      ...recorded,
      ...known.info,
      id: owner.id,
      runtime: owner.runtime,
      podUid: owner.podUid || known.info.podUid || recorded?.podUid || '',
    };
  }

  /** Every container whose cgroup is there now. */
  async *present(): AsyncGenerator<{ path: string; container: ContainerInfo }> {
    for (const path of [...this.index.paths()]) {
      const owner = recognize(path, this.states.byPath);
      if (owner.kind === 'container' && owner.path === path)
        yield { path, container: await this.detail(owner) };
    }
  }

  /**
   * Folder of a container's cgroup in the hierarchy of a controller, which on v2 is the only one; null where there is none.
   * `path` is relative to our hierarchy, as `describe` gives it.
   */
  directory(path: string, controller: string): string | null {
    const v2 = this.layout.hierarchy === 'v2';
    const mount = v2 ? this.layout.mount : this.mounts.get(controller);
    if (mount === undefined) return null;
    // Runtimes give a container the same path in every hierarchy, unless its state says something else.
    const recorded = v2 ? undefined : this.states.directoryOf(path, controller);
    return recorded ?? join(mount, path);
  }

  /**
   * A running container by its full id, by at least 12 characters of it, or by the name that `runc run` was given,
   * with the ids of its cgroups, nested ones included. Throws SW_CONTAINER_UNKNOWN, also when two containers fit.
   */
  async find(wanted: string): Promise<{ id: string; path: string; cgroups: bigint[] }> {
    await this.refresh();
    const matches = new Map<string, string>();
    for (const path of this.index.paths()) {
      const owner = recognize(path, this.states.byPath);
      if (owner.kind !== 'container') continue;
      const exact = owner.id === wanted || this.states.byPath.get(owner.path)?.name === wanted;
      const prefix = /^[0-9a-f]{12,}$/.test(wanted) && owner.id.startsWith(wanted);
      if (exact || prefix) matches.set(owner.path, owner.id);
    }
    const [match] = matches;
    const cgroups = new Set([...matches.keys()].flatMap(path => this.index.below(path)));
    // A container that ended keeps its cgroup until someone deletes it.
    if (match === undefined || new Set(matches.values()).size > 1 || !this.populated(cgroups))
      throw new StackwellError('SW_CONTAINER_UNKNOWN', { id: wanted });
    return { id: match[1], path: match[0], cgroups: [...cgroups] };
  }

  /** Whether a process runs in one of these cgroups. */
  private populated(ids: Iterable<bigint>): boolean {
    for (const id of ids) {
      const path = this.index.pathOf(id);
      if (path !== null && readSmall(join(this.layout.mount, path, 'cgroup.procs'), 16)) return true;
    }
    return false;
  }
}
