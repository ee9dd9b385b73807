// SPDX-License-Identifier: Apache-2.0
// Which cgroup hierarchy tells containers and services apart on this host.
import { readFileSync } from 'node:fs';
import { StackwellError } from '../../errors.js';

/** In the order of bpf/hierarchy.h. */
export const HIERARCHIES = ['v2', 'cpu', 'memory', 'cpuacct', 'pids'] as const;
export type Hierarchy = (typeof HIERARCHIES)[number];

export interface CgroupLayout {
  hierarchy: Hierarchy;
  /** Where it is mounted. */
  mount: string;
}

/**
 * On v1, memory before the others: systemd's hybrid layout gives every unit a memory and a pids cgroup, but a cpu one
 * only where CPU accounting was asked for. Container runtimes make one in each.
 */
const V1_CONTROLLERS = ['memory', 'pids', 'cpu', 'cpuacct'] as const;

/** Where each controller is mounted, and 'v2'; from the text of /proc/self/mountinfo. */
export function parseMounts(mountinfo: string): Map<string, string> {
  const mounts = new Map<string, string>();
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ', 2);
    if (before === undefined || after === undefined) continue;
    const [, , , , point] = before.split(' ');
    const [type, , options] = after.split(' ');
    if (point === undefined) continue;
    // Spaces and backslashes in a path are written as octal escapes.
    const path = point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (type === 'cgroup2' && !mounts.has('v2')) mounts.set('v2', path);
    if (type === 'cgroup')
      for (const option of options?.split(',') ?? []) if (!mounts.has(option)) mounts.set(option, path);
  }
  return mounts;
}

/**
 * Reads /proc/self/mountinfo text. Where v1 controllers are mounted they win over a v2 hierarchy beside them, which has
 * no controllers then and may be empty. Null when no cgroup file system is mounted.
 */
export function parseLayout(mountinfo: string): CgroupLayout | null {
  const mounts = parseMounts(mountinfo);
  for (const hierarchy of [...V1_CONTROLLERS, 'v2'] as const) {
    const mount = mounts.get(hierarchy);
    if (mount !== undefined) return { hierarchy, mount };
  }
  return null;
}

/** The layout of this host. Throws SW_NO_CGROUPS. */
export function detectLayout(): CgroupLayout {
  const layout = parseLayout(readMountinfo());
  if (layout === null) throw new StackwellError('SW_NO_CGROUPS');
  return layout;
}

/** Throws SW_NO_CGROUPS. */
export function readMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    throw new StackwellError('SW_NO_CGROUPS', {}, error as Error);
  }
}
