// SPDX-License-Identifier: Apache-2.0
// Windows on disk between their making and the server's acknowledgement: first in, first out, bounded by bytes and age.
// Whatever leaves it other than by an acknowledgement is counted by cause.
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { StackwellError } from '../../errors.js';
import { type EntryName, entryHead, entryName, HEAD_BYTES, parseName, readEntry } from './entry.js';

export const DROP_CAUSES = [
  /** The oldest, because newer ones need its place. */
  'full',
  'too_old',
  /** The disk had no room for it. */
  'disk_full',
  /** The file system failed in another way. */
  'write_failed',
  /** Torn or damaged on disk. */
  'damaged',
  /** The server says that it will never take it. */
  'rejected',
] as const;
export type DropCause = (typeof DROP_CAUSES)[number];

export interface OutboxOptions {
  folder: string;
  maxBytes: number;
  maxAgeMs: number;
  /** Unix milliseconds, for tests. */
  now?: () => number;
}

interface Entry extends EntryName {
  bytes: number;
}

/** What is kept of entries that were set aside, for a person to look at. */
const ASIDE_MAX_FILES = 20;
const ASIDE_MAX_BYTES = 16 * 1024 * 1024;

export class Outbox {
  private readonly entries: Entry[] = [];
  private sequence = 1;
  private totalBytes = 0;
  /** One writer at a time: entries become visible in the order in which they were added. */
  private writing: Promise<unknown> = Promise.resolve();
  private reading: string | null = null;
  readonly dropped: Record<DropCause, number> = {
    full: 0,
    too_old: 0,
    disk_full: 0,
    write_failed: 0,
    damaged: 0,
    rejected: 0,
  };

  private constructor(private readonly options: Required<OutboxOptions>) {}

  /** Opens the folder, made when it is missing, with what an earlier run left in it. Throws SW_DATA_DIR. */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const folder = resolve(options.folder);
    const outbox = new Outbox({ now: Date.now, ...options, folder });
    try {
      await makeFolder(folder);
      await probe(join(folder, 'probe.tmp'));
      await outbox.load();
    } catch (error) {
      throw new StackwellError('SW_DATA_DIR', { path: folder, reason: (error as Error).message }, error);
    }
    return outbox;
  }

  private async load(): Promise<void> {
    const { folder } = this.options;
    for (const name of (await readdir(folder)).sort()) {
      // A write that was cut off: the window was never in the outbox.
      if (name.endsWith('.tmp')) {
        await unlink(join(folder, name));
        this.dropped.damaged++;
        continue;
      }
      const parsed = parseName(name);
      if (parsed === null) continue;
      const { size } = await stat(join(folder, name));
      this.entries.push({ ...parsed, bytes: size });
      this.totalBytes += size;
      this.sequence = Math.max(this.sequence, parsed.sequence + 1);
    }
    await this.enforce(0);
  }

  get size(): { entries: number; bytes: number; oldestAgeMs: number } {
    const oldest = this.entries[0];
    return {
      entries: this.entries.length,
      bytes: this.totalBytes,
      oldestAgeMs: oldest === undefined ? 0 : Math.max(0, this.options.now() - oldest.written),
    };
  }

  /**
   * Resolves to true when the body is on disk for good (synced, under its name), to false when it was dropped and
   * counted. Never rejects: a disk that fails costs windows, not the agent.
   */
  add(body: Uint8Array): Promise<boolean> {
    const added = this.writing.then(() => this.write(body));
    this.writing = added;
    return added;
  }

  private async write(body: Uint8Array): Promise<boolean> {
    const { folder, now, maxBytes } = this.options;
    const bytes = HEAD_BYTES + body.length;
    const entry: Entry = { ...entryName(this.sequence++, now()), bytes };
    const path = join(folder, entry.name);
    if (bytes > maxBytes) {
      this.dropped.full++;
      return false;
    }
    try {
      await this.enforce(bytes);
      const handle = await open(`${path}.tmp`, 'wx', 0o600);
      try {
        // writeFile goes on after a short write, which is how a disk that fills up first shows; writev does not.
        await handle.writeFile(entryHead(body));
        await handle.writeFile(body);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${path}.tmp`, path);
      await this.syncFolder();
    } catch (error) {
      // Also after a rename whose directory could not be synced: it may not survive, so it does not count as kept.
      for (const left of [`${path}.tmp`, path]) await unlink(left).catch(() => {});
      const { code } = error as NodeJS.ErrnoException;
      this.dropped[code === 'ENOSPC' || code === 'EDQUOT' ? 'disk_full' : 'write_failed']++;
      return false;
    }
    this.entries.push(entry);
    this.totalBytes += bytes;
    return true;
  }

  private async syncFolder(): Promise<void> {
    const handle = await open(this.options.folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Makes room for `needed` bytes and drops what is too old, oldest first; what is being sent stays. */
  private async enforce(needed: number): Promise<void> {
    const { maxBytes, maxAgeMs, now } = this.options;
    for (const entry of [...this.entries]) {
      const old = now() - entry.written > maxAgeMs;
      const full = this.totalBytes + needed > maxBytes;
      if (!old && !full) break;
      if (entry.name === this.reading) continue;
      await this.remove(entry);
      this.dropped[old ? 'too_old' : 'full']++;
    }
  }

  /**
   * The oldest entry that is whole, until `done`, `reject` or `release` is called for it; null when there is none.
   * Torn ones are set aside on the way. Only one can be taken at a time.
   */
  async take(): Promise<{ name: string; body: Buffer } | null> {
    await this.enforceAge();
    for (let entry = this.entries[0]; entry !== undefined; entry = this.entries[0]) {
      this.reading = entry.name;
      const file = await readFile(join(this.options.folder, entry.name)).catch(() => null);
      const body = file === null ? null : readEntry(file);
      if (body !== null) return { name: entry.name, body };
      this.reading = null;
      await this.setAside(entry, 'damaged');
    }
    return null;
  }

  private enforceAge(): Promise<unknown> {
    // In line with the writers, so that two never remove the same entry.
    const enforced = this.writing.then(() => this.enforce(0));
    this.writing = enforced.catch(() => {});
    return this.writing;
  }

  /** The server has it. */
  async done(name: string): Promise<void> {
    this.release(name);
    const entry = this.entries.find(one => one.name === name);
    if (entry !== undefined) await this.remove(entry);
  }

  /** The server will never take it: set aside, bounded, for a person to look at. */
  async reject(name: string): Promise<void> {
    this.release(name);
    const entry = this.entries.find(one => one.name === name);
    if (entry !== undefined) await this.setAside(entry, 'rejected');
  }

  /** Not sent: it stays, and is the next one again. */
  release(name: string): void {
    if (this.reading === name) this.reading = null;
  }

  /** Resolves when every `add` so far is decided. */
  async settled(): Promise<void> {
    await this.writing;
  }

  private forget(entry: Entry): void {
    const at = this.entries.indexOf(entry);
    if (at < 0) return;
    this.entries.splice(at, 1);
    this.totalBytes -= entry.bytes;
  }

  private async remove(entry: Entry): Promise<void> {
    this.forget(entry);
    await unlink(join(this.options.folder, entry.name)).catch(() => {});
  }

  private async setAside(entry: Entry, cause: 'damaged' | 'rejected'): Promise<void> {
    this.forget(entry);
    this.dropped[cause]++;
    const folder = join(this.options.folder, cause);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await rename(join(this.options.folder, entry.name), join(folder, entry.name));
      const kept = (await readdir(folder)).sort().reverse();
      let bytes = 0;
      for (const [i, name] of kept.entries()) {
        bytes += (await stat(join(folder, name))).size;
        if (i >= ASIDE_MAX_FILES || bytes > ASIDE_MAX_BYTES) await unlink(join(folder, name));
      }
    } catch {
      // Keeping it is a courtesy; that it is out of the way is what matters.
      await unlink(join(this.options.folder, entry.name)).catch(() => {});
    }
  }
}

/** Makes the folder and those above it. Node's own recursive mkdir never ends where /proc refuses a folder. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const above = dirname(folder);
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || above === folder || (await stat(above).catch(() => null)) !== null) throw error;
    await makeFolder(above);
    await mkdir(folder, { mode: 0o700 });
  }
}

/** Throws when nothing can be written there. */
async function probe(path: string): Promise<void> {
  try {
    await (await open(path, 'w', 0o600)).close();
    await unlink(path);
  } catch (error) {
    // A full disk is no reason not to start: windows are counted as lost until there is room.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
