// SPDX-License-Identifier: Apache-2.0
// What every store does with debug files on their way in.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { StackwellError } from '../errors.js';
import type { DebugFile } from './store.js';

/** Names of files and documents are made of what passes this, and never of what someone sent. @throws RangeError */
export function checkDebugFile({ buildId, role, sha256 }: DebugFile): void {
  if (!/^[0-9a-f]{8,128}$/.test(buildId) || !/^[0-9a-f]{64}$/.test(sha256) || !/^[a-z]+$/.test(role))
    throw new RangeError('not a debug file');
}

/**
 * Writes `content` to a new file at `path`: whole and synced, or not there. `explain` says in the store's words what goes
 * wrong with the file; what goes wrong with the content is the sender's.
 * @throws SW_DEBUGINFO_TOO_LARGE, what `explain` gives, what `content` throws
 */
export async function receiveContent(
  path: string,
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
  explain: (error: unknown) => StackwellError,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  let handle: FileHandle | null = null;
  const ours = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw explain(error);
    }
  };
  try {
    handle = await ours(open(path, 'wx', 0o600));
    for await (const chunk of content) {
      size += chunk.length;
      if (size > maxBytes) throw new StackwellError('SW_DEBUGINFO_TOO_LARGE', { max: maxBytes });
      hash.update(chunk);
      for (let at = 0; at < chunk.length; ) at += (await ours(handle.write(chunk, at))).bytesWritten;
    }
    await ours(handle.sync());
    await handle.close();
    return { size, sha256: hash.digest('hex') };
  } catch (error) {
    await handle?.close().catch(() => {});
    await rm(path, { force: true });
    throw error;
  }
}
