// SPDX-License-Identifier: Apache-2.0
// Whatever goes wrong in a request becomes one answer of the error table.
import type { IncomingMessage } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { asStackwellError, StackwellError } from '../errors.js';
import type { Log } from './context.js';
import { stopSending } from './listener.js';
import type { Metrics } from './metrics.js';

/** Seconds after which it is worth trying again. */
const RETRY_AFTER: Record<number, number> = { 503: 1, 507: 30 };

export function retryAfter(error: StackwellError): string | null {
  const seconds = RETRY_AFTER[error.status];
  return seconds === undefined ? null : String(seconds);
}

/** Fastify's own errors are about the request, unless they are a 5xx. */
export function requestError(error: unknown): StackwellError {
  const { code, statusCode, message } = error as FastifyError;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new StackwellError('SW_BODY_TOO_LARGE', { max: '?' }, error);
  if (code === 'FST_ERR_VALIDATION' || (statusCode !== undefined && statusCode >= 400 && statusCode < 500))
    if (!(error instanceof StackwellError))
      return new StackwellError('SW_REQUEST_INVALID', { reason: message }, error);
  return asStackwellError(error);
}

export function errorBody(error: StackwellError): object {
  const { position } = error.details;
  return typeof position === 'number' ? { ...error.toJSON(), position } : error.toJSON();
}

/** Counts it, logs what is ours to mend, and sets status and headers; the caller sends the body. */
export function prepareErrorReply(
  error: StackwellError,
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics, log }: { metrics: Metrics; log: Log },
): void {
  metrics.errors.inc({ code: error.code });
  if (error.status >= 500 && error.status !== 503)
    log.error({ err: error, method: request.method, url: request.url }, error.message);
  reply.code(error.status);
  const retry = retryAfter(error);
  if (retry !== null) reply.header('retry-after', retry);
  // What is left of a body that was refused is not read.
  if (request.raw.complete) return;
  const { stream } = request.raw as { stream?: ServerHttp2Stream };
  if (stream !== undefined) stopSending(stream);
  else {
    // The connection cannot be used again.
    reply.header('connection', 'close');
    closeLingering(request.raw);
  }
}

/** Time and bytes for which a sender that was refused may go on sending. */
const LINGER_MS = 2000;
const LINGER_BYTES = 16 * 1024 * 1024;

/**
 * A socket that is closed with unread data in it sends a reset, and the reset overtakes the answer on its way through
 * the sender's buffers: it would never learn why. So our side is ended first, and what still comes is thrown away for
 * a moment (nginx calls this lingering_close).
 */
function closeLingering(message: IncomingMessage): void {
  const { socket } = message;
  socket.destroySoon = () => {
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
    let left = LINGER_BYTES;
    message.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) socket.destroy();
    });
    message.once('end', () => socket.destroy());
    socket.end();
    message.resume();
  };
}
