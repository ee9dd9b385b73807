// SPDX-License-Identifier: Apache-2.0
// Which program stands for a container or a unit as a whole: its file is what a deploy changes.
import { createHash } from 'node:crypto';
import { close, read } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BoundedMap } from '../../profile/bounded-map.js';
import { readSmall } from '../procfs/file.js';
import { readExecutable, readStat } from '../procfs/process.js';
import { baseName } from '../procfs/text.js';

/** Programs that only start and watch the one that matters. */
const WRAPPERS =
  /^(tini(-static)?|docker-init|dumb-init|catatonit|s6-.*|runsv(dir)?|supervisord|su-exec|gosu|(ba|da|z|k|a)?sh|busybox|env|sudo|runuser|setpriv|runc)$/;

const MAX_CANDIDATES = 64;
const CHECK_MS = 30_000;
const MAX_CACHED = 4096;

/** The oldest process of a cgroup that is more than a wrapper, by the path of its executable. */
export class MainPrograms {
  private readonly cache = new BoundedMap<string, { at: number; executable: string }>(MAX_CACHED);

  constructor(private readonly mount: string) {}

  /** `scope` is the cgroup of the container or unit, `paths` it and those below it. '' when all are gone. */
  executable(scope: string, paths: string[]): string {
    const now = performance.now();
    const known = this.cache.get(scope);
    if (known !== undefined && now - known.at < CHECK_MS) return known.executable;
    const executable = this.find(paths) || known?.executable || '';
    this.cache.set(scope, { at: now, executable });
    return executable;
  }

  private find(paths: string[]): string {
    const candidates: { executable: string; startNs: bigint; wrapper: boolean }[] = [];
    for (const path of paths) {
      const procs = readSmall(join(this.mount, path, 'cgroup.procs'), 4096) ?? '';
      // The last line may be cut: it only counts when a line break follows.
      for (const line of procs.split('\n').slice(0, -1)) {
        if (candidates.length >= MAX_CANDIDATES) break;
        const pid = Number(line);
        const executable = readExecutable(pid)?.replace(/ \(deleted\)$/, '');
        const stat = executable === undefined ? null : readStat(pid);
        if (executable === undefined || stat === null) continue;
        candidates.push({ executable, startNs: stat.startNs, wrapper: WRAPPERS.test(baseName(executable)) });
      }
    }
    const oldest = (some: typeof candidates) =>
      some.reduce<(typeof candidates)[0] | null>(
        (best, one) => (best === null || one.startNs < best.startNs ? one : best),
        null,
      );
    return (oldest(candidates.filter(one => !one.wrapper)) ?? oldest(candidates))?.executable ?? '';
  }
}

/** Bytes at the end of a jar that hold, for all but the largest, its directory with a checksum of every file in it. */
const JAR_TAIL = 1024 * 1024;

/**
 * Tells one build of a jar from another: a digest of its size and its end. The file is only hashed, never parsed, and
 * opened without leaving the process's own root. '' when it cannot be read.
 */
export async function jarDigest(pid: number, jar: string): Promise<string> {
  const { openInRoot } = await import('#native/descriptors');
  const root = jar.startsWith('/') ? `/proc/${pid}/root` : `/proc/${pid}/cwd`;
  const file = await openInRoot(root, jar);
  if (typeof file === 'number') return '';
  const { descriptor, size } = file;
  try {
    const tail = Buffer.alloc(Math.min(size, JAR_TAIL));
    const { bytesRead } = await promisify(read)(descriptor, tail, 0, tail.length, size - tail.length);
    const hash = createHash('sha256').update(`${size}\n`).update(tail.subarray(0, bytesRead));
    return hash.digest('hex').slice(0, 40);
  } catch {
    return '';
  } finally {
    await promisify(close)(descriptor);
  }
}
