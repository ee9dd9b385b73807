// SPDX-License-Identifier: Apache-2.0
// The memory of a process, for the child to read. It is opened here, so the kernel's permission check is the agent's.
import { openSync } from 'node:fs';
import type { Opened } from '#native/descriptors';

/** Of whoever has the id now: the caller checks after it that it is the process that was meant. Null when it cannot be had. */
export function openMemory(pid: number): Opened | null {
  try {
    const descriptor = openSync(`/proc/${pid}/mem`, 'r');
    return { descriptor, size: 0, device: 0n, inode: 0n, modifiedNs: 0n, uid: 0 };
  } catch {
    return null;
  }
}
