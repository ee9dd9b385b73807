// SPDX-License-Identifier: Apache-2.0
// POST /package.Service/Method, in the protocols Connect, gRPC and gRPC-Web. Bodies are read by us, so that they are
// bounded and counted like every other; Connect's own handlers do the rest.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { StackwellError } from '../../errors.js';
import { contentOf, FileAnswer } from '../api/schemas.js';
import type { Context } from '../context.js';
import { prepareErrorReply, requestError } from '../errors.js';
import { decodeContent } from '../ingest/body.js';
import { receiveBytes } from '../ingest/receive.js';
import type { Answer, MethodHandler } from './handlers.js';
import { openEnvelope } from './message.js';
import { type MountedService, SERVICES } from './services.js';

const GRPC = /^application\/grpc/i;
/** What belongs to the connection, or to the body as it was before it was read. */
const NOT_PASSED_ON = new Set([
  'content-encoding',
  'content-length',
  'connection',
  'transfer-encoding',
  'te',
]);

const Message = z.unknown();
const answers = (description: string) =>
  contentOf(description, {
    'application/json': Message,
    'application/proto': FileAnswer,
    'application/grpc': FileAnswer,
    'application/grpc-web': FileAnswer,
  });
const failed = contentOf('an error of Connect', {
  'application/json': z.looseObject({ code: z.string(), message: z.string().optional() }),
});
/** gRPC and gRPC-Web tell errors in trailers, with status 200. */
const RPC_ANSWERS = {
  200: answers('the message, in the protocol of the request'),
  415: z.null().describe('a content type that is of none of the protocols'),
  '4xx': failed,
  '5xx': failed,
};

export function rpcRoutes(app: FastifyInstance, context: Context): void {
  receiveBytes(app, context);
  for (const service of SERVICES) mount(app, context, service);
}

function mount(app: FastifyInstance, context: Context, service: MountedService): void {
  let loading: Promise<Map<string, MethodHandler>> | null = null;
  const handlerOf = async (method: string): Promise<MethodHandler> => {
    loading ??= import('./handlers.js').then(({ serviceHandlers }) => serviceHandlers(service, context));
    return (await loading).get(method)!;
  };

  for (const [method, schema] of Object.entries(service.methods)) {
    const answer = async (
      request: FastifyRequest,
      reply: FastifyReply,
      body: Uint8Array | StackwellError,
    ) => {
      const handler = await handlerOf(method);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const { url, httpVersion } = request.raw;
      return handler({
        tenant: request.tenant,
        reservation: request.reservation,
        request: {
          httpVersion,
          method: 'POST',
          url: `http://localhost${url}`,
          header: passedOn(request),
          signal: gone.signal,
        },
        body,
      });
    };
    app.route({
      method: 'POST',
      url: `/${service.name}/${method}`,
      schema: { ...schema, response: RPC_ANSWERS },
      handler: async (request, reply) =>
        send(reply, await answer(request, reply, await message(request, context))),
      // Whatever went wrong before the method was reached is told in the caller's protocol.
      errorHandler: async (thrown, request, reply) => {
        const error = requestError(thrown);
        prepareErrorReply(error, request, reply, context);
        return send(reply, await answer(request, reply, error));
      },
    });
  }
}

async function message(request: FastifyRequest, { config }: Context): Promise<Uint8Array> {
  const body = (request.body as Uint8Array | undefined) ?? new Uint8Array();
  if (!GRPC.test(request.headers['content-type'] ?? '')) return body;
  const encoding = request.headers['grpc-encoding'];
  return openEnvelope(body, compressed =>
    decodeContent(
      String(encoding),
      Buffer.from(compressed.buffer, compressed.byteOffset, compressed.length),
      config.limits,
      request.reservation!,
    ),
  );
}

function passedOn({ headers }: FastifyRequest): Headers {
  const header = new Headers();
  for (const [name, value] of Object.entries(headers))
    if (typeof value === 'string' && !name.startsWith(':') && !NOT_PASSED_ON.has(name))
      header.set(name, value);
  return header;
}

function send(reply: FastifyReply, { status, header, trailer, body }: Answer): FastifyReply {
  for (const [name, value] of header) reply.header(name, value);
  for (const [name, value] of trailer) reply.trailer(name, async () => value);
  return reply.code(status).send(body);
}
