// SPDX-License-Identifier: Apache-2.0
// One window on disk: a head that tells a whole file from a torn one, then the request body as it is sent.
import { createHash } from 'node:crypto';

const MAGIC = Buffer.from('SWOUTBX1', 'latin1');
const DIGEST_BYTES = 32;
export const HEAD_BYTES = MAGIC.length + 8 + DIGEST_BYTES;

/** Names sort in the order in which they were written. */
const NAME = /^(\d{16})-(\d{15})\.push$/;

export interface EntryName {
  name: string;
  sequence: number;
  /** Unix milliseconds. */
  written: number;
}

export function entryName(sequence: number, written: number): EntryName {
  const name = `${String(sequence).padStart(16, '0')}-${String(Math.max(0, written)).padStart(15, '0')}.push`;
  return { name, sequence, written };
}

/** Null for a file that is no entry. */
export function parseName(name: string): EntryName | null {
  const match = NAME.exec(name);
  return match === null ? null : { name, sequence: Number(match[1]), written: Number(match[2]) };
}

/** Magic, length of the body, SHA-256 of the body. */
export function entryHead(body: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(body.length));
  return Buffer.concat([MAGIC, length, createHash('sha256').update(body).digest()]);
}

/** The body, or null when the file is torn or damaged. */
export function readEntry(file: Buffer): Buffer | null {
  if (file.length < HEAD_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const body = file.subarray(HEAD_BYTES);
  if (file.readBigUInt64LE(MAGIC.length) !== BigInt(body.length)) return null;
  const digest = file.subarray(MAGIC.length + 8, HEAD_BYTES);
  return createHash('sha256').update(body).digest().equals(digest) ? body : null;
}
