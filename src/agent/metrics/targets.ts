// SPDX-License-Identifier: Apache-2.0
// Whom a series is about: the labels of the host, and of the container that a cgroup belongs to. As many containers as
// are allowed have series of their own; the others share one, and are counted.
import { setImmediate } from 'node:timers/promises';
import type { Containers } from '../containers/containers.js';
import type { ContainerInfo } from '../containers/info.js';

export type TargetLabels = Record<'host' | 'region', string>;
export type ContainerLabels = TargetLabels & Record<'container' | 'pod' | 'namespace', string>;

export interface PresentContainer {
  labels: ContainerLabels;
  /** Whether its cgroup is one of v2, with all controllers. */
  unified: boolean;
  /** Folder of its cgroup in the hierarchy of a controller (on v2 always the same); null where there is none. */
  directory(controller: string): string | null;
}

/** What containers beyond the bound are called. */
export const OTHERS = '(others)';
const ID_CHARACTERS = 12;
/** All collectors of a scrape see the same containers. */
const LIST_MS = 500;
/** How long reading goes on before others get a turn. */
const TURN_MS = 5;

export class Targets {
  readonly host: TargetLabels;
  /** By the path of the container's cgroup. */
  private readonly known = new Map<string, ContainerLabels>();
  private readonly others: ContainerLabels;
  private readonly left = new Set<string>();
  private list: { at: number; containers: Promise<PresentContainer[]> } | null = null;

  constructor(
    private readonly containers: Pick<Containers, 'describe' | 'index' | 'present' | 'directory' | 'layout'>,
    { host, region, maxContainers }: { host: string; region: string; maxContainers: number },
  ) {
    this.host = { host, region };
    this.others = { ...this.host, container: OTHERS, pod: '', namespace: '' };
    this.maxContainers = maxContainers;
  }

  private readonly maxContainers: number;

  /** Containers that share a series, now. */
  get omitted(): number {
    return this.left.size;
  }

  /** Null for what is no container's. The same container always gives the same object. */
  async of(cgroup: bigint): Promise<ContainerLabels | null> {
    const scope = await this.containers.describe(cgroup);
    return scope.kind === 'container' ? this.labelsOf(scope.path, scope.container) : null;
  }

  /**
   * The containers that have series of their own, now. Others get a turn in between: what is read of hundreds of containers
   * would hold the event loop.
   */
  async *present(): AsyncGenerator<PresentContainer> {
    const now = performance.now();
    if (this.list === null || now - this.list.at > LIST_MS) this.list = { at: now, containers: this.find() };
    let since = now;
    for (const container of await this.list.containers) {
      if (performance.now() - since > TURN_MS) {
        await setImmediate();
        since = performance.now();
      }
      yield container;
    }
  }

  private async find(): Promise<PresentContainer[]> {
    const present: PresentContainer[] = [];
    for await (const { path, container } of this.containers.present()) {
      const labels = this.labelsOf(path, container);
      if (labels !== this.others)
        present.push({
          labels,
          unified: this.containers.layout.hierarchy === 'v2',
          directory: controller => this.containers.directory(path, controller),
        });
    }
    return present;
  }

  private labelsOf(path: string, container: ContainerInfo): ContainerLabels {
    const labels: ContainerLabels = {
      ...this.host,
      container: container.name || container.id.slice(0, ID_CHARACTERS),
      pod: container.pod,
      namespace: container.namespace,
    };
    const found = this.known.get(path);
    // A name may come late.
    if (found !== undefined) return Object.assign(found, labels);
    if (this.known.size >= this.maxContainers) {
      this.left.add(path);
      return this.others;
    }
    this.known.set(path, labels);
    return labels;
  }

  /** Whether nothing is known of the cgroup any more: it ended long ago, and so do its series. */
  isForgotten(cgroup: bigint): boolean {
    return this.containers.index.pathOf(cgroup) === null;
  }

  /** Lets go of containers that are no longer there. */
  prune(): void {
    const present = new Set(this.containers.index.paths());
    for (const path of this.known.keys()) if (!present.has(path)) this.known.delete(path);
    for (const path of this.left) if (!present.has(path)) this.left.delete(path);
  }
}
