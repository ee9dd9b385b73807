// SPDX-License-Identifier: Apache-2.0
// The vDSO has no file: every process gets the same image from the kernel. This process's own copy is trusted.
import { open, readFile } from 'node:fs/promises';
import { memoryFile, type Opened } from '#native/descriptors';

/** A file with the image of the vDSO; null where there is none. */
export async function openVdso(): Promise<Opened | null> {
  const maps = await readFile('/proc/self/maps', 'utf8');
  const range = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(maps);
  if (range === null) return null;
  const start = BigInt(`0x${range[1]}`);
  const content = new Uint8Array(Number(BigInt(`0x${range[2]}`) - start));
  const memory = await open('/proc/self/mem', 'r');
  try {
    // A number, for Node 20 ignores a position that is a BigInt; user addresses are below 2^53.
    await memory.read({ buffer: content, position: Number(start) });
  } finally {
    await memory.close();
  }
  return {
    descriptor: memoryFile('vdso', content),
    size: content.length,
    device: 0n,
    inode: 0n,
    modifiedNs: 0n,
    uid: 0,
  };
}
