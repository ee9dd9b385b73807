// SPDX-License-Identifier: Apache-2.0
// Worker thread: the only connection that writes. Whatever waits when a commit begins is in that commit.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { StackwellError } from '../../errors.js';
import type { Bucket, DebugFile, Retention, Ticket } from '../store.js';
import { Appender, type Batch } from './append.js';
import { serve, workerOptions } from './channel.js';
import { deleteDebugFile, listDebugFiles, putDebugFile, touchDebugFiles } from './debug-table.js';
import { deleteOwned, type Owner } from './delete.js';
import { expire } from './expire.js';
import { openError, storeError } from './failure.js';
import { FILE_NAME, LOCK_NAME, migrate, prepareWriter } from './schema.js';
import {
  type AbandonCall,
  abandonStale,
  acquireLease,
  closeTicket,
  type LeaseCall,
  openTicket,
  releaseLease,
} from './stale.js';

/** Enough to share the cost of a sync, small enough that nobody waits long for it. */
const GROUP_BATCHES = 256;
const GROUP_BYTES = 16 * 1024 * 1024;

const { folder } = workerOptions<{ folder: string }>();

/**
 * One server for a folder. SQLite's exclusive lock ends with the process however it ends, so a lock is never left over;
 * it also holds against a second store in the same process.
 */
function lock(): Database.Database {
  const db = new Database(join(folder, LOCK_NAME), { timeout: 0 });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

class Writer {
  readonly #lock: Database.Database;
  readonly #db: Database.Database;
  readonly #appender: Appender;
  #queue: { batch: Batch; resolve: (result: unknown) => void; reject: (error: StackwellError) => void }[] =
    [];
  #scheduled = false;

  constructor() {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#lock = lock();
    try {
      this.#db = new Database(join(folder, FILE_NAME));
      prepareWriter(this.#db);
      migrate(this.#db);
      this.#appender = new Appender(this.#db);
    } catch (error) {
      this.#lock.close();
      throw error;
    }
  }

  append(batch: Batch): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    this.#scheduled = true;
    // Messages that arrived during the last commit are all taken off the port before this runs.
    setImmediate(() => {
      this.#scheduled = false;
      this.#commit();
      this.#schedule();
    });
  }

  #commit(): void {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < GROUP_BATCHES && bytes < GROUP_BYTES) {
      const { segments, profiles } = this.#queue[count++]!.batch;
      for (const segment of segments) bytes += segment.bytes.length;
      for (const profile of profiles) bytes += profile.rows.length;
    }
    const group = this.#queue.splice(0, count);
    const answers: (() => void)[] = [];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const { batch, resolve, reject } of group) {
        try {
          const result = this.#appender.append(batch);
          answers.push(() => resolve(result));
        } catch (error) {
          const known = storeError(error, folder);
          // Refused before it wrote anything: the others of the group are not concerned.
          if (known.code !== 'SW_SEGMENT_UNKNOWN') throw error;
          answers.push(() => reject(known));
        }
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      this.#appender.reset();
      const known = storeError(error, folder);
      for (const { reject } of group) reject(known);
      return;
    }
    for (const answer of answers) answer();
  }

  begin(bucket: Bucket): Ticket {
    // What waits is acknowledged only later, and then changes the version.
    this.#appender.watch(bucket);
    return openTicket(this.#db, bucket);
  }

  finish({ ticket, rollups }: { ticket: Ticket; rollups: Batch }): boolean {
    try {
      return this.#db
        .transaction(() => {
          if (!closeTicket(this.#db, ticket)) return false;
          this.#appender.replace(rollups);
          return true;
        })
        .immediate();
    } catch (error) {
      this.#appender.reset();
      throw error;
    }
  }

  abandon(call: AbandonCall): number {
    // What is forgotten must be written again when it becomes stale again.
    this.#appender.reset();
    return abandonStale(this.#db, call);
  }

  acquire(call: LeaseCall): boolean {
    return acquireLease(this.#db, call);
  }

  release(call: { name: string; holder: string }): null {
    releaseLease(this.#db, call);
    return null;
  }

  delete(owner: Owner): Promise<unknown> {
    return deleteOwned(this.#db, owner, () => this.#appender.reset());
  }

  expire({ retention, now }: { retention: Retention; now: number }): Promise<unknown> {
    return expire(this.#db, join(folder, FILE_NAME), retention, now, () => this.#appender.reset());
  }

  /** One statement or transaction each: synced when it returns. */
  debugFiles(method: string, argument: unknown): DebugFile[] | null {
    if (method === 'listDebugFiles') return listDebugFiles(this.#db);
    if (method === 'putDebugFile') putDebugFile(this.#db, argument as DebugFile);
    else if (method === 'deleteDebugFile') deleteDebugFile(this.#db, argument as DebugFile);
    else touchDebugFiles(this.#db, argument as { files: DebugFile[]; now: number });
    return null;
  }

  close(): void {
    while (this.#queue.length > 0) this.#commit();
    // Closing the last connection copies the WAL into the file and removes it.
    this.#db.close();
    this.#lock.close();
  }
}

let writer: Writer | null = null;
const CALLS = new Set(['append', 'expire', 'delete', 'begin', 'finish', 'abandon', 'acquire', 'release']);

serve(
  (method, argument) => {
    if (method === 'open') {
      try {
        writer ??= new Writer();
        return null;
      } catch (error) {
        throw openError(error, folder);
      }
    }
    writer ??= new Writer();
    if (CALLS.has(method))
      return (writer[method as keyof Writer] as (argument: unknown) => unknown).call(writer, argument);
    if (method.endsWith('DebugFile') || method.endsWith('DebugFiles'))
      return writer.debugFiles(method, argument);
    writer.close();
    writer = null;
    return null;
  },
  error => storeError(error, folder),
);
