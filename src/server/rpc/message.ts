// SPDX-License-Identifier: Apache-2.0
// gRPC and gRPC-Web put each message into an envelope, and compress what is inside: one byte of flags, four of length.
import { StackwellError } from '../../errors.js';

const HEAD_BYTES = 5;
const COMPRESSED = 1;

/**
 * The one message of a unary call, in an envelope that is not compressed: Connect would decompress it, but without
 * counting the memory. @throws SW_REQUEST_INVALID and what `inflate` throws
 */
export async function openEnvelope(
  body: Uint8Array,
  inflate: (message: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const { length } = body;
  if (length < HEAD_BYTES || length !== HEAD_BYTES + new DataView(body.buffer, body.byteOffset).getUint32(1))
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'the body is not one whole message' });
  if (body[0] === 0) return body;
  if (body[0] !== COMPRESSED)
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'the flags of the message are not known' });
  const message = await inflate(body.subarray(HEAD_BYTES));
  const plain = new Uint8Array(HEAD_BYTES + message.length);
  new DataView(plain.buffer).setUint32(1, message.length);
  plain.set(message, HEAD_BYTES);
  return plain;
}

/** `body` with another message in its first envelope, not compressed; gRPC-Web's trailers follow in one of their own. */
export function replaceInEnvelope(body: Buffer, message: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message, body.subarray(HEAD_BYTES + body.readUInt32BE(1))]);
}
