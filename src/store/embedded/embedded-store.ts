// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path';
import type {
  Bucket,
  DebugFiles,
  LabelNames,
  LabelValues,
  Series,
  Store,
  StoreStats,
  Ticket,
} from '../store.js';
import { Channel } from './channel.js';
import { openDebugFiles } from './debug-files.js';
import { type RecordBatch, toRecords } from './select.js';

/**
 * The store of one machine: an SQLite file. One worker thread writes, another one reads; the event loop of the caller
 * waits for neither. @throws SW_DATA_DIR when the folder cannot be used or another server uses it, SW_DISK_FULL,
 * SW_STORE_DAMAGED.
 */
export async function openEmbeddedStore(folder: string): Promise<Store> {
  const data = { folder: resolve(folder) };
  const writer = new Channel('writer', data);
  const reader = new Channel('reader', data);
  let debugFiles: DebugFiles;
  try {
    await writer.call('open', null);
    debugFiles = await openDebugFiles(data.folder, writer);
  } catch (error) {
    await writer.close();
    throw error;
  }

  return {
    append: batch => writer.call('append', batch),

    async *selectProfiles(selection, onDamaged = () => {}) {
      const cursor = await reader.call<number>('open', selection);
      const next = () => {
        const batch = reader.call<RecordBatch | null>('next', cursor);
        // Asked for ahead of time: if nobody takes it after all, its failure is nobody's either.
        batch.catch(() => {});
        return batch;
      };
      let finished = false;
      try {
        // The next batch is read while this one is worked on.
        let ahead = next();
        for (;;) {
          const batch = await ahead;
          if (batch === null) break;
          ahead = next();
          for (let row = 0; row < batch.damaged; row++) onDamaged();
          if (batch.uid.length > 0) yield toRecords(batch);
        }
        finished = true;
      } finally {
        if (!finished) await reader.call('done', cursor);
      }
    },

    readSegments: ids => reader.call<Map<string, Uint8Array>>('segments', ids),
    timeline: (selection, stepMs, groupBy, origin = 0) =>
      reader.call<Series[]>('timeline', { selection, stepMs, groupBy, origin }),
    types: selection => reader.call<string[]>('types', selection),
    labelNames: selection => reader.call<LabelNames>('labelNames', selection),
    labelValues: (name, selection, limit) =>
      reader.call<LabelValues>('labelValues', { name, selection, limit }),

    async expire(retention, now) {
      const gone = await writer.call<{ profiles: number; segments: number; bytes: number }>('expire', {
        retention,
        now,
      });
      if (reader.started) await reader.call('forget', null);
      return gone;
    },

    async delete(owner) {
      const gone = await writer.call<{ profiles: number; segments: number }>('delete', owner);
      if (reader.started) await reader.call('forget', null);
      return gone;
    },

    rollups: {
      stale: (range, limit) => reader.call<Bucket[]>('stale', { ...range, limit }),
      begin: bucket => writer.call<Ticket>('begin', bucket),
      finish: (ticket, rollups) => writer.call<boolean>('finish', { ticket, rollups }),
      abandon: (level, before) => writer.call<number>('abandon', { level, before }),
    },

    leases: {
      acquire: (name, holder, ttlMs) => writer.call<boolean>('acquire', { name, holder, ttlMs }),
      release: (name, holder) => writer.call<void>('release', { name, holder }),
    },

    stats: () => reader.call<StoreStats>('stats', null),

    ready: async () => {
      await reader.call('segments', []);
    },

    debugFiles,

    async close() {
      await reader.close();
      await writer.close();
    },
  } satisfies Store;
}
