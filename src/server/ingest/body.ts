// SPDX-License-Identifier: Apache-2.0
// Request bodies: bounded as sent and as decompressed, and counted while they are in memory.
import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { StackwellError } from '../../errors.js';
import type { Reservation } from './in-flight.js';

const gunzipAsync = promisify(gunzip);

export interface BodyLimits {
  /** As sent. */
  bodyBytes: number;
  /** After decompression. */
  profileBytes: number;
}

type Body = Readable & { aborted?: boolean; stream?: ServerHttp2Stream };

/** Of a body that has been read to its end. */
async function isWhole(body: Body): Promise<boolean> {
  if (body.stream === undefined) return body.aborted !== true;
  // A stream of HTTP/2 that its sender resets ends like any other, and is closed only then, by the same event of the socket.
  await setImmediate();
  return body.aborted !== true && !body.stream.closed;
}

/** @throws SW_BODY_TOO_LARGE before anything is read when its length was announced, SW_SERVER_BUSY, SW_REQUEST_INVALID */
export async function readBody(
  headers: IncomingHttpHeaders,
  stream: Body,
  limits: BodyLimits,
  reservation: Reservation,
): Promise<Uint8Array> {
  const tooLarge = () => new StackwellError('SW_BODY_TOO_LARGE', { max: limits.bodyBytes });
  if (Number(headers['content-length'] ?? 0) > limits.bodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // Not destroyed when it is left early: with it would go the connection that the refusal is sent on.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limits.bodyBytes) throw tooLarge();
      reservation.grow(chunk.length);
      chunks.push(chunk);
    }
    if (!(await isWhole(stream))) throw new Error('aborted');
  } catch (error) {
    if (error instanceof StackwellError) throw error;
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'the body did not arrive whole' }, error);
  }
  const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length);
  return decodeContent(headers['content-encoding'], body, limits, reservation);
}

/** @throws SW_UNSUPPORTED_FORMAT, SW_PPROF_LIMIT, SW_SERVER_BUSY, SW_REQUEST_INVALID */
export async function decodeContent(
  encoding: string | undefined,
  body: Buffer,
  limits: BodyLimits,
  reservation: Reservation,
): Promise<Uint8Array> {
  if (encoding === undefined || encoding === 'identity' || encoding === '') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new StackwellError('SW_UNSUPPORTED_FORMAT', { format: `Content-Encoding ${encoding}` });
  try {
    const decoded = await gunzipAsync(body, { maxOutputLength: limits.profileBytes });
    reservation.grow(decoded.length);
    return decoded;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new StackwellError('SW_PPROF_LIMIT', {
        limit: 'bytes after decompression',
        value: `over ${limits.profileBytes}`,
        max: limits.profileBytes,
      });
    if (error instanceof StackwellError) throw error;
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'the body is not gzip' }, error);
  }
}
