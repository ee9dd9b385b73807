// SPDX-License-Identifier: Apache-2.0
// Bounded reads of /proc and /sys files. A process may vanish between any two calls: that is an answer (null), not an
// error.
import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** What a file of a process answers when the process is gone, or when it is not ours to see. */
const ABSENT = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR', 'EIO']);

function absent(error: unknown): null {
  if (ABSENT.has((error as NodeJS.ErrnoException).code ?? '')) return null;
  throw error;
}

const scratch = Buffer.allocUnsafe(64 * 1024);

/**
 * The first `maxBytes` (at most 64 KiB) of a file that the kernel makes without touching the memory of a process:
 * status, stat, cgroup, cgroup.procs. Null when it is not there.
 */
export function readSmall(path: string, maxBytes = scratch.length): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    return absent(error);
  }
  try {
    const limit = Math.min(maxBytes, scratch.length);
    let length = 0;
    while (length < limit) {
      const got = readSync(descriptor, scratch, length, limit - length, null);
      if (got === 0) break;
      length += got;
    }
    return scratch.toString('utf8', 0, length);
  } catch (error) {
    return absent(error);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The first `maxBytes` of a file, read on the thread pool. For cmdline and environ, which take the process's mmap lock
 * and may wait for it, and for files on a disk.
 */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer | null> {
  try {
    const handle = await open(path, 'r');
    try {
      const buffer = Buffer.allocUnsafe(maxBytes);
      let length = 0;
      while (length < maxBytes) {
        const { bytesRead } = await handle.read(buffer, length, maxBytes - length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return buffer.subarray(0, length);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return absent(error);
  }
}
