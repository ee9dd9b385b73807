// SPDX-License-Identifier: Apache-2.0
// Debug files in the cluster: chunks by the hash of the whole, and a document that says what it is. They are read by
// descriptor, so a file that is asked for is copied to a temporary one, which is gone with its descriptor.
import { randomBytes } from 'node:crypto';
import { close, open as openFile, read } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkDebugFile, receiveContent } from '../debug-content.js';
import type { DebugFile, DebugFiles, StagedFile } from '../store.js';
import type { Item } from './bulk.js';
import { type Cluster, storeError } from './client.js';
import type { Indices } from './indices.js';
import { write } from './stale.js';

const CHUNK_BYTES = 2 * 1024 * 1024;
const MOST_FILES = 10_000;

const idOf = ({ buildId, role }: Pick<DebugFile, 'buildId' | 'role'>) => `${buildId}.${role}`;
const chunkId = (sha256: string, row: number) => `${sha256}.${row}`;

export function elasticDebugFiles(cluster: Cluster, indices: Indices): DebugFiles {
  const index = indices.debugFiles;

  const list = async (): Promise<DebugFile[]> => {
    const found = await cluster.run(async client => {
      await client.indices.refresh({ index });
      return client.search<DebugFile>({ index, size: MOST_FILES, sort: ['buildId', 'role'] });
    });
    return found.hits.hits.map(({ _source }) => _source!);
  };

  /** Chunks that no file needs any more. */
  const removeContent = async ({ sha256, size }: DebugFile) => {
    if ((await list()).some(file => file.sha256 === sha256)) return;
    const items: Item[] = [];
    for (let row = 0; row * CHUNK_BYTES < size; row++)
      items.push({ index: indices.debugChunks, id: chunkId(sha256, row), op: 'delete', document: '' });
    await write(cluster, items);
  };

  const readChunk = async (sha256: string, row: number): Promise<Buffer | null> => {
    const got = await cluster.find(client =>
      client.get({
        index: indices.debugChunks,
        id: chunkId(sha256, row),
        _source: false,
        stored_fields: ['body'],
      }),
    );
    const body = (got?.fields as { body?: string[] } | undefined)?.body?.[0];
    return body === undefined ? null : Buffer.from(body, 'base64');
  };

  return {
    async stage(content, maxBytes) {
      const path = temporaryPath();
      const { size, sha256 } = await receiveContent(path, content, maxBytes, storeError);
      const staged: StagedFile = {
        size,
        sha256,
        open: () => descriptorOf(path),
        async keep(about) {
          const file: DebugFile = { ...about, size, sha256 };
          checkDebugFile(file);
          const before = await cluster.find(client => client.get<DebugFile>({ index, id: idOf(file) }));
          await upload(cluster, indices, path, sha256);
          await cluster.run(client => client.index({ index, id: idOf(file), document: file, refresh: true }));
          await rm(path, { force: true });
          if (before !== null && before._source!.sha256 !== sha256) await removeContent(before._source!);
        },
        discard: () => rm(path, { force: true }),
      };
      return staged;
    },

    async open(file) {
      checkDebugFile(file);
      const path = temporaryPath();
      const handle = await open(path, 'wx', 0o600).catch(error => {
        throw storeError(error);
      });
      try {
        for (let row = 0; row * CHUNK_BYTES < file.size; row++) {
          const chunk = await readChunk(file.sha256, row);
          if (chunk === null) return null;
          await handle.write(chunk, 0, chunk.length, row * CHUNK_BYTES).catch(error => {
            throw storeError(error);
          });
        }
        return await descriptorOf(path);
      } finally {
        await handle.close();
        await rm(path, { force: true });
      }
    },

    list,

    async touch(files, now) {
      await Promise.all(
        files.map(file =>
          cluster.find(client =>
            client.update({ index, id: idOf(file), doc: { used: now }, retry_on_conflict: 3 }),
          ),
        ),
      );
    },

    async delete(file) {
      const got = await cluster.find(client => client.get<DebugFile>({ index, id: idOf(file) }));
      // Another one by now: what was meant is gone.
      if (got === null || got._source!.sha256 !== file.sha256) return;
      await cluster.find(client =>
        client.delete({
          index,
          id: idOf(file),
          if_seq_no: got._seq_no!,
          if_primary_term: got._primary_term!,
          refresh: true,
        }),
      );
      await removeContent(file);
    },
  };
}

function temporaryPath(): string {
  return join(tmpdir(), `stackwell-${randomBytes(16).toString('hex')}`);
}

function descriptorOf(path: string): Promise<number> {
  return promisify(openFile)(path, 'r').catch(error => {
    throw storeError(error);
  });
}

async function upload(cluster: Cluster, indices: Indices, path: string, sha256: string): Promise<void> {
  const descriptor = await descriptorOf(path);
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let row = 0; ; row++) {
      const { bytesRead } = await promisify(read)(descriptor, buffer, 0, CHUNK_BYTES, row * CHUNK_BYTES);
      if (bytesRead === 0) return;
      const document = JSON.stringify({ body: buffer.toString('base64', 0, bytesRead) });
      await write(cluster, [{ index: indices.debugChunks, id: chunkId(sha256, row), op: 'index', document }]);
    }
  } finally {
    await promisify(close)(descriptor);
  }
}
