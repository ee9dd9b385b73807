// SPDX-License-Identifier: Apache-2.0
// Opens files that others control, and does not wait for ever: a file system in user space (FUSE, or a network that
// is gone) can hold an open for as long as it likes.
import { close } from 'node:fs';
import { type Opened, openInRoot, openMapped } from '#native/descriptors';

/** A thread of the pool that hangs is gone until the file system answers. Node's pool has four. */
const MAX_HUNG = 2;

export class Opener {
  #hung = 0;

  constructor(readonly timeoutMs: number) {}

  /** Null when it cannot be opened. */
  inRoot(root: string, path: string): Promise<Opened | null> {
    return this.#timed(() => openInRoot(root, path));
  }

  mapped(pid: number, start: bigint, end: bigint): Promise<Opened | null> {
    return this.#timed(() => openMapped(pid, start, end));
  }

  async #timed(open: () => Promise<Opened | number>): Promise<Opened | null> {
    if (this.#hung >= MAX_HUNG) return null;
    const opening = open();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>(resolve => {
      timer = setTimeout(resolve, this.timeoutMs, 'late');
    });
    const first = await Promise.race([opening, late]);
    clearTimeout(timer);
    if (first === 'late') {
      this.#hung++;
      void opening.then(opened => {
        this.#hung--;
        if (typeof opened !== 'number') closeDescriptor(opened.descriptor);
      });
      return null;
    }
    return typeof first === 'number' ? null : first;
  }
}

/** On the thread pool: the last close of a file can take as long as its file system does. */
export function closeDescriptor(descriptor: number): void {
  close(descriptor, () => {});
}
