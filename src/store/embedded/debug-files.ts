// SPDX-License-Identifier: Apache-2.0
// Debug files in the data folder: a file each, and a row that says what it is. What arrives is written beside them and
// renamed when it is whole and synced; the row comes after the file, so a file without a row is left over and goes.
import { randomBytes } from 'node:crypto';
import { existsSync, open as openFile } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkDebugFile, receiveContent } from '../debug-content.js';
import type { DebugFile, DebugFiles, StagedFile } from '../store.js';
import type { Channel } from './channel.js';
import { storeError } from './failure.js';

const FOLDER = 'debuginfo';
const INCOMING = 'incoming';

/** @throws RangeError */
function nameOf(file: DebugFile): string {
  checkDebugFile(file);
  return `${file.buildId}.${file.role}.${file.sha256}`;
}

/** `writer` has the folder's lock: nobody else is in it. */
export async function openDebugFiles(data: string, writer: Channel): Promise<DebugFiles> {
  const folder = join(data, FOLDER);
  const incoming = join(folder, INCOMING);
  const list = () => writer.call<DebugFile[]>('listDebugFiles', null);
  try {
    await sweep(folder, await list());
  } catch (error) {
    throw storeError(error, data);
  }

  const known = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, data);
    }
  };
  const remove = (file: DebugFile) => rm(join(folder, nameOf(file)), { force: true });

  return {
    async stage(content, maxBytes) {
      await known(() => mkdir(incoming, { recursive: true, mode: 0o700 }));
      const path = join(incoming, randomBytes(16).toString('hex'));
      const { size, sha256 } = await receiveContent(path, content, maxBytes, error =>
        storeError(error, data),
      );
      const staged: StagedFile = {
        size,
        sha256,
        open: () => known(() => descriptorOf(path)),
        keep: about =>
          known(async () => {
            const file: DebugFile = { ...about, size, sha256 };
            const before = (await list()).find(
              ({ buildId, role }) => buildId === file.buildId && role === file.role,
            );
            await rename(path, join(folder, nameOf(file)));
            await sync(folder);
            await writer.call('putDebugFile', file);
            if (before !== undefined && before.sha256 !== sha256) await remove(before);
          }),
        discard: () => known(() => rm(path, { force: true })),
      };
      return staged;
    },

    async open(file) {
      try {
        return await descriptorOf(join(folder, nameOf(file)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw storeError(error, data);
      }
    },

    list,
    touch: (files, now) => writer.call<void>('touchDebugFiles', { files, now }),

    async delete(file) {
      await writer.call('deleteDebugFile', file);
      await known(() => remove(file));
    },
  };
}

/** Read-only, and the caller's: a FileHandle would close it when it is collected. */
const descriptorOf = (path: string): Promise<number> => promisify(openFile)(path, 'r');

/** A rename is on disk when its folder is. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what a server that was ended in the middle left behind. */
async function sweep(folder: string, files: DebugFile[]): Promise<void> {
  if (!existsSync(folder)) return;
  const wanted = new Set(files.map(nameOf));
  for (const name of await readdir(folder))
    if (!wanted.has(name)) await rm(join(folder, name), { force: true, recursive: true });
}
