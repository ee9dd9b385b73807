// SPDX-License-Identifier: Apache-2.0
// Cgroup id ↔ path. An id is the inode number of the cgroup's directory (on v1 the kernfs id that BPF reads is the
// same number). Kept up to date without a file watch: inotify on these directories would also report every write to
// memory.events, most often exactly when the host is short of memory.
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A removed cgroup keeps its name this long: its samples may still be on their way. */
const KEEP_GONE_MS = 10 * 60_000;
const MAX_CGROUPS = 16_384;
/** A new cgroup may get children soon, one that stayed without them this long seldom does. */
const YOUNG_MS = 30_000;
const REFRESH_INTERVAL_MS = 1000;

interface Cgroup {
  id: bigint;
  /** Relative to the mount, '/' for the root. */
  path: string;
  /** 2 + number of child directories. */
  links: bigint;
  foundAt: number;
  /** 0 while it is there. */
  goneAt: number;
}

export class CgroupIndex {
  private readonly byId = new Map<bigint, Cgroup>();
  private readonly byPath = new Map<string, Cgroup>();
  private refreshedAt = Number.NEGATIVE_INFINITY;
  private refreshing: Promise<void> | null = null;
  /** Cgroups that were left out because there are too many. */
  omitted = 0;

  /** `now` in milliseconds, for tests. */
  constructor(
    readonly mount: string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  pathOf(id: bigint): string | null {
    return this.byId.get(id)?.path ?? null;
  }

  /** Paths of all cgroups that are there now. */
  *paths(): Generator<string> {
    for (const cgroup of this.byPath.values()) if (cgroup.goneAt === 0) yield cgroup.path;
  }

  /** Ids of the cgroup and all below it that are there now. */
  below(path: string): bigint[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const ids: bigint[] = [];
    for (const cgroup of this.byPath.values())
      if (cgroup.goneAt === 0 && (cgroup.path === path || cgroup.path.startsWith(prefix)))
        ids.push(cgroup.id);
    return ids;
  }

  /** Takes in one path, e.g. from /proc/PID/cgroup. True when there is such a cgroup and it has this id. */
  confirm(path: string, id: bigint): boolean {
    if (path.split('/').includes('..')) return false;
    return this.take(path, null)?.id === id;
  }

  /** Looks at every directory again, at most once a second; overlapping calls share one scan. */
  refresh(): Promise<void> {
    if (this.refreshing !== null) return this.refreshing;
    if (this.now() - this.refreshedAt < REFRESH_INTERVAL_MS) return Promise.resolve();
    this.refreshing = this.scanAll().finally(() => {
      this.refreshedAt = this.now();
      this.refreshing = null;
    });
    return this.refreshing;
  }

  /**
   * Looks only where new cgroups are likely: in directories that have some, and in young ones. One stat each, and a
   * read where the number of children changed. True when something was found. Call it every few seconds, so that a
   * container which lives for less than a window is seen.
   */
  async poll(): Promise<boolean> {
    const before = this.byId.size;
    for (const cgroup of [...this.byPath.values()]) {
      if (cgroup.goneAt !== 0) continue;
      if (cgroup.links <= 2n && this.now() - cgroup.foundAt > YOUNG_MS) continue;
      const { links } = cgroup;
      const current = this.take(cgroup.path, null);
      if (current !== null && (current !== cgroup || current.links !== links)) await this.scan(current.path);
    }
    return this.byId.size !== before;
  }

  private async scanAll(): Promise<void> {
    const started = this.now();
    this.omitted = 0;
    if (this.take('/', null) !== null) await this.scan('/');
    for (const cgroup of [...this.byPath.values()])
      if (cgroup.goneAt === 0 && cgroup.foundAt < started) this.take(cgroup.path, null);
    for (const cgroup of this.byId.values())
      if (cgroup.goneAt !== 0 && started - cgroup.goneAt > KEEP_GONE_MS) this.forget(cgroup);
  }

  private async scan(top: string): Promise<void> {
    const queue = [top];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      let entries: { name: string; isDirectory(): boolean }[];
      try {
        entries = await readdir(join(this.mount, path), { withFileTypes: true });
      } catch {
        this.markGone(path);
        continue;
      }
      for (const entry of entries) {
        if (!entry.isDirectory()) continue;
        const child = path === '/' ? `/${entry.name}` : `${path}/${entry.name}`;
        const found = this.take(child, path);
        if (found !== null && found.links > 2n) queue.push(child);
      }
    }
  }

  private take(path: string, parent: string | null): Cgroup | null {
    let status: { ino: bigint; nlink: bigint; isDirectory(): boolean };
    try {
      status = statSync(join(this.mount, path), { bigint: true });
    } catch {
      this.markGone(path);
      return null;
    }
    if (!status.isDirectory()) return null;
    const known = this.byPath.get(path);
    if (known !== undefined && known.id === status.ino) {
      known.links = status.nlink;
      known.goneAt = 0;
      return known;
    }
    if (known !== undefined) known.goneAt = this.now();
    if (this.byId.size >= MAX_CGROUPS && !this.dropOldestGone()) {
      if (parent !== null) this.omitted++;
      return null;
    }
    const cgroup: Cgroup = { id: status.ino, path, links: status.nlink, foundAt: this.now(), goneAt: 0 };
    this.byId.set(cgroup.id, cgroup);
    this.byPath.set(path, cgroup);
    return cgroup;
  }

  private markGone(path: string): void {
    const known = this.byPath.get(path);
    if (known !== undefined && known.goneAt === 0) known.goneAt = this.now();
  }

  private dropOldestGone(): boolean {
    for (const cgroup of this.byId.values())
      if (cgroup.goneAt !== 0) {
        this.forget(cgroup);
        return true;
      }
    return false;
  }

  private forget(cgroup: Cgroup): void {
    if (this.byId.get(cgroup.id) === cgroup) this.byId.delete(cgroup.id);
    if (this.byPath.get(cgroup.path) === cgroup) this.byPath.delete(cgroup.path);
  }
}
