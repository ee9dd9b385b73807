// SPDX-License-Identifier: Apache-2.0
// Connect's own handlers for the three protocols. Loaded with the first call: an idle server does without them.
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import {
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest } from '@connectrpc/connect/protocol';
import { asStackwellError, StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import { Reservation } from '../ingest/in-flight.js';
import { connectError } from './errors.js';
import { replaceInEnvelope } from './message.js';
import type { MountedService } from './services.js';

/** Set once a message has been decoded. */
const decodedKey = createContextKey(false);
const tenantKey = createContextKey('');

/** Whose profiles a call is about; '' where tenants are not used. */
export const tenantOf = ({ values }: HandlerContext): string => values.get(tenantKey);

const reservationKey = createContextKey<Reservation>(new Reservation(() => {}));

/** The memory that the call is counted with, for what it makes of its message. */
export const reservationOf = ({ values }: HandlerContext): Reservation => values.get(reservationKey);

const jsonKey = createContextKey<Uint8Array | null>(null);

/** The message that the method returns stands for this one, which is JSON already. For callers that take JSON. */
export function answerInJson({ values }: HandlerContext, json: Uint8Array): void {
  values.set(jsonKey, json);
}

export interface Answer {
  status: number;
  header: Headers;
  trailer: Headers;
  body: Buffer;
}

export interface Call {
  tenant: string;
  reservation: Reservation | null;
  request: Omit<UniversalServerRequest, 'body' | 'contextValues'>;
  /** One message (gRPC: in its envelope); or why there is none. */
  body: Uint8Array | StackwellError;
}

export type MethodHandler = (call: Call) => Promise<Answer>;

/** What a method throws is counted, logged where it is ours to mend, and told. */
function failures({ metrics, log }: Context): Interceptor {
  return next => async request => {
    request.contextValues.set(decodedKey, true);
    try {
      return await next(request);
    } catch (thrown) {
      if (thrown instanceof ConnectError) throw thrown;
      const error = asStackwellError(thrown);
      metrics.errors.inc({ code: error.code });
      if (error.status >= 500 && error.status !== 503)
        log.error({ err: error, rpc: request.method.name }, error.message);
      throw connectError(error);
    }
  };
}

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** Handlers of a service, by the name of the method. */
export async function serviceHandlers(
  service: MountedService,
  context: Context,
): Promise<Map<string, MethodHandler>> {
  const register = await service.load();
  const router = createConnectRouter({
    readMaxBytes: context.config.limits.profileBytes,
    interceptors: [failures(context)],
    acceptCompression: [
      {
        name: 'gzip',
        compress: async bytes => new Uint8Array(await gzipAsync(bytes)),
        // Requests are decompressed before they come here.
        decompress: async (bytes, maxOutputLength) =>
          new Uint8Array(await gunzipAsync(bytes, { maxOutputLength })),
      },
    ],
  });
  register(router, context);
  return new Map(router.handlers.map(handler => [handler.method.name, methodHandler(handler, context)]));
}

function methodHandler(handler: UniversalHandler, { metrics }: Context): MethodHandler {
  const answer = async ({ request, body, tenant, reservation }: Call) => {
    const contextValues = createContextValues().set(tenantKey, tenant);
    if (reservation !== null) contextValues.set(reservationKey, reservation);
    const source = body instanceof StackwellError ? failing(connectError(body)) : once(body);
    const {
      status,
      header,
      trailer,
      body: chunks,
    } = await handler({ ...request, contextValues, body: source });
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks ?? []) parts.push(chunk);
    const answered: Answer = {
      status,
      header: new Headers(header),
      // Complete only now that the body has been read.
      trailer: new Headers(trailer),
      body: Buffer.concat(parts),
    };
    const json = contextValues.get(jsonKey);
    if (json !== null) await replaceMessage(answered, json, request.header);
    return { decoded: contextValues.get(decodedKey), answer: answered };
  };
  return async call => {
    const first = await answer(call);
    if (call.body instanceof StackwellError || first.decoded || first.answer.status === 415)
      return first.answer;
    // Connect calls a message that cannot be decoded an internal error, and clients would send it for ever.
    const error = new StackwellError('SW_REQUEST_INVALID', { reason: 'the message cannot be decoded' });
    metrics.errors.inc({ code: error.code });
    return (await answer({ ...call, body: error })).answer;
  };
}

/** Puts `json` where the empty message is. */
async function replaceMessage(answer: Answer, json: Uint8Array, asked: Headers): Promise<void> {
  if (/^application\/grpc/i.test(asked.get('content-type') ?? '')) {
    answer.body = replaceInEnvelope(answer.body, json);
    return;
  }
  const compressed = /\bgzip\b/i.test(asked.get('accept-encoding') ?? '');
  answer.body = compressed ? await gzipAsync(json) : Buffer.from(json.buffer, json.byteOffset, json.length);
  if (compressed) answer.header.set('content-encoding', 'gzip');
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

// biome-ignore lint/correctness/useYield: a body that cannot be read
async function* failing(error: ConnectError): AsyncGenerator<Uint8Array> {
  throw error;
}
