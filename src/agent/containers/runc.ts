// SPDX-License-Identifier: Apache-2.0
// What runc writes down about its containers: the one record of a plain `runc run myid`, whose cgroup path says
// nothing, and of the annotations (pod, image) that a Kubernetes runtime gave to a container.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBounded } from '../procfs/file.js';
import { cleanName } from '../procfs/text.js';
import type { ContainerInfo } from './info.js';
import type { Hierarchy } from './layout.js';

const MAX_STATE_BYTES = 1024 * 1024;
const MAX_CONTAINERS = 4096;
const KEEP_GONE_MS = 10 * 60_000;

/** State folders by how deep the container folders are in them. */
export const RUNC_ROOTS: { path: string; depth: 1 | 2; runtime: string }[] = [
  { path: '/run/runc', depth: 1, runtime: 'runc' },
  { path: '/run/containerd/runc', depth: 2, runtime: 'containerd' },
  { path: '/run/docker/runtime-runc', depth: 2, runtime: 'docker' },
];

/** Annotations that Kubernetes runtimes give to their containers, which runc keeps as labels. First found counts. */
const ANNOTATIONS: Record<'name' | 'pod' | 'podUid' | 'namespace' | 'image', string[]> = {
  name: ['io.kubernetes.cri.container-name', 'io.kubernetes.container.name', 'nerdctl/name'],
  pod: ['io.kubernetes.cri.sandbox-name', 'io.kubernetes.pod.name'],
  podUid: ['io.kubernetes.cri.sandbox-uid', 'io.kubernetes.pod.uid'],
  namespace: ['io.kubernetes.cri.sandbox-namespace', 'io.kubernetes.pod.namespace'],
  image: [
    'io.kubernetes.cri.image-name',
    'io.kubernetes.cri-o.ImageName',
    'org.opencontainers.image.ref.name',
  ],
};

export interface RuncContainer {
  info: Partial<ContainerInfo> & { id: string; runtime: string };
  /** Directories of its cgroups by controller, '' for v2: with the mount in front. */
  cgroups: Record<string, string>;
}

/** Null when it is not a state of runc. */
export function parseState(text: string, runtime: string): RuncContainer | null {
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch {
    return null;
  }
  const { id, cgroup_paths, config } = (state ?? {}) as {
    id?: unknown;
    cgroup_paths?: unknown;
    config?: { labels?: unknown };
  };
  if (typeof id !== 'string' || typeof cgroup_paths !== 'object' || cgroup_paths === null) return null;
  const labels: Record<string, string> = {};
  if (Array.isArray(config?.labels))
    for (const label of config.labels.slice(0, 256)) {
      const at = String(label).indexOf('=');
      if (at > 0)
        labels[cleanName(String(label).slice(0, at))] = cleanName(String(label).slice(at + 1), 1024);
    }
  const info: RuncContainer['info'] = { id: cleanName(id), runtime };
  for (const [key, names] of Object.entries(ANNOTATIONS)) {
    const value = names.map(name => labels[name]).find(Boolean);
    if (value !== undefined) info[key as keyof typeof ANNOTATIONS] = value;
  }
  // A container that a person started with a name of their own; one from an orchestrator has a 64-digit id for name.
  if (info.name === undefined && !/^[0-9a-f]{32,64}$/.test(info.id)) info.name = info.id;
  const cgroups = Object.fromEntries(
    Object.entries(cgroup_paths).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  return { info, cgroups };
}

export class RuncStates {
  private readonly states = new Map<
    string,
    { written: number; goneAt: number; container: RuncContainer | null }
  >();
  /** By cgroup path relative to the mount. */
  readonly byPath = new Map<string, RuncContainer['info']>();
  private readonly folders = new Map<string, RuncContainer['cgroups']>();

  constructor(
    private readonly hierarchy: Hierarchy,
    private readonly mount: string,
    private readonly roots: typeof RUNC_ROOTS = RUNC_ROOTS,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Reads states that are new or were written again. Few system calls when nothing changed. */
  async refresh(): Promise<void> {
    const present = new Set<string>();
    for (const { path, depth, runtime } of this.roots) {
      const folders = depth === 1 ? [path] : (await names(path)).map(name => join(path, name));
      for (const folder of folders)
        for (const id of await names(folder)) {
          const file = join(folder, id, 'state.json');
          if (present.size < MAX_CONTAINERS && (await this.read(file, runtime))) present.add(file);
        }
    }
    const now = this.now();
    let changed = false;
    for (const [file, state] of this.states) {
      if (present.has(file)) state.goneAt = 0;
      else if (state.goneAt === 0) state.goneAt = now;
      else if (now - state.goneAt > KEEP_GONE_MS) changed = this.states.delete(file) || changed;
    }
    if (changed) {
      this.byPath.clear();
      this.folders.clear();
      for (const { container } of this.states.values()) this.index(container);
    }
  }

  /** Folder of the cgroup of a controller that a container was given, by its path in our hierarchy; null if not recorded. */
  directoryOf(path: string, controller: string): string | null {
    return this.folders.get(path)?.[controller] ?? null;
  }

  private async read(file: string, runtime: string): Promise<boolean> {
    const status = await stat(file).catch(() => null);
    if (status === null) return false;
    const known = this.states.get(file);
    if (known?.written === status.mtimeMs) return true;
    const bytes = await readBounded(file, MAX_STATE_BYTES);
    if (bytes === null) return false;
    const container = parseState(bytes.toString('utf8'), runtime);
    this.states.set(file, { written: status.mtimeMs, goneAt: 0, container });
    this.index(container);
    return true;
  }

  private index(container: RuncContainer | null): void {
    const directory = container?.cgroups[this.hierarchy === 'v2' ? '' : this.hierarchy];
    if (container === null || directory === undefined || !directory.startsWith(`${this.mount}/`)) return;
    const path = directory.slice(this.mount.length);
    this.byPath.set(path, container.info);
    this.folders.set(path, container.cgroups);
  }
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
