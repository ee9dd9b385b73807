// SPDX-License-Identifier: Apache-2.0
// What SQLite and the file system say, in the words of the error table.
import { statfsSync } from 'node:fs';
import { StackwellError } from '../../errors.js';

/** Less than this is as good as full: SQLite reports a shared-memory file that cannot grow as a plain I/O error. */
const NO_SPACE_BYTES = 256 * 1024;

function diskIsFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < NO_SPACE_BYTES;
  } catch {
    return false;
  }
}

/** An error of an open store. */
export function storeError(error: unknown, folder: string): StackwellError {
  if (error instanceof StackwellError) return error;
  const { code = '', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || (code.startsWith('SQLITE_IOERR') && diskIsFull(folder)))
    return new StackwellError('SW_DISK_FULL', { path: folder }, error);
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB')
    return new StackwellError('SW_STORE_DAMAGED', { path: folder, reason: message }, error);
  // Native code (the matcher) speaks in codes of the table already.
  if (code.startsWith('SW_QUERY')) return new StackwellError('SW_QUERY_INVALID', { reason: message }, error);
  if (code.startsWith('SQLITE_'))
    return new StackwellError('SW_STORE_UNAVAILABLE', { reason: `${code}: ${message}` }, error);
  return new StackwellError('SW_INTERNAL', { reason: message }, error);
}

/** An error while opening: what is wrong with the folder rather than with a request. */
export function openError(error: unknown, folder: string): StackwellError {
  if (error instanceof StackwellError) return error;
  const { code = '', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED')
    return new StackwellError(
      'SW_DATA_DIR',
      { path: folder, reason: 'another running server uses it' },
      error,
    );
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return new StackwellError('SW_DATA_DIR', { path: folder, reason: 'not a folder' }, error);
  const known = storeError(error, folder);
  if (known.code === 'SW_DISK_FULL' || known.code === 'SW_STORE_DAMAGED') return known;
  const reason =
    code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code.startsWith('SQLITE_READONLY')
      ? 'not writable'
      : code === 'SQLITE_CANTOPEN'
        ? 'its files cannot be opened for writing'
        : message;
  return new StackwellError('SW_DATA_DIR', { path: folder, reason }, error);
}
