// SPDX-License-Identifier: Apache-2.0
// POST /v1development/profiles: OTLP over HTTP, as protobuf or JSON. Answers and errors are as OTLP has them.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import { prepareErrorReply, requestError } from '../errors.js';
import { exportOtlp } from '../ingest/otlp.js';
import { receiveBytes } from '../ingest/receive.js';
import { contentOf, FileAnswer } from './schemas.js';

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

/** Loaded with the first request: an idle server does without it. */
const messages = async () => {
  const [protobuf, service, own, errors] = await Promise.all([
    import('@bufbuild/protobuf'),
    import('../gen/opentelemetry/proto/collector/profiles/v1development/profiles_service_pb.js'),
    import('../gen/stackwell/otlp/v1/request_pb.js'),
    import('../rpc/errors.js'),
  ]);
  return { ...protobuf, ...service, ...own, ...errors };
};

function isJson(request: FastifyRequest): boolean {
  return /^application\/json\b/i.test(request.headers['content-type'] ?? '');
}

const status = contentOf('google.rpc.Status', {
  [PROTOBUF]: FileAnswer,
  [JSON_TYPE]: z.looseObject({ message: z.string() }),
});

export function otlpRoutes(app: FastifyInstance, context: Context): void {
  receiveBytes(app, context);

  app.setErrorHandler(async (thrown, request, reply) => {
    const error = requestError(thrown);
    prepareErrorReply(error, request, reply, context);
    const { connectError, StatusSchema, create, toBinary } = await messages();
    const { code, rawMessage: message } = connectError(error);
    reply.header('x-stackwell-error', error.code);
    // Senders of OTLP come again after 429, 502, 503 and 504 only.
    if (error.status === 507) reply.code(503);
    return isJson(request)
      ? send(reply, JSON_TYPE, JSON.stringify({ code, message }))
      : send(reply, PROTOBUF, toBinary(StatusSchema, create(StatusSchema, { code, message })));
  });

  app.post(
    '/v1development/profiles',
    {
      schema: {
        summary: 'Store OTLP profiles',
        description:
          'ExportProfilesServiceRequest of opentelemetry-proto 1.10 and later: protobuf (application/x-protobuf) or ' +
          'JSON. Answers ExportProfilesServiceResponse; errors are google.rpc.Status, the SW_ code starts the message.',
        tags: ['ingest'],
        response: {
          200: contentOf('ExportProfilesServiceResponse', {
            [PROTOBUF]: FileAnswer,
            [JSON_TYPE]: z.unknown(),
          }),
          '4xx': status,
          '5xx': status,
        },
      },
    },
    async (request, reply) => {
      const body = (request.body as Uint8Array | undefined) ?? new Uint8Array();
      const json = isJson(request);
      if (!json && !/^application\/(?:x-)?protobuf\b/i.test(request.headers['content-type'] ?? ''))
        throw new StackwellError('SW_UNSUPPORTED_FORMAT', {
          format: request.headers['content-type'] ?? '(no content-type)',
        });
      const bytes = json ? await (await import('../ingest/otlp-json.js')).otlpFromJson(body) : body;
      const stored = await exportOtlp(context, request.tenant, bytes, request.reservation!);
      const {
        ExportProfilesServiceResponseSchema: Response,
        create,
        toBinary,
        toJsonString,
      } = await messages();
      const answer = create(Response, stored);
      return json
        ? send(reply, JSON_TYPE, toJsonString(Response, answer))
        : send(reply, PROTOBUF, toBinary(Response, answer));
    },
  );
}

function send(reply: FastifyReply, type: string, body: string | Uint8Array): FastifyReply {
  // As bytes: to a text Fastify would add a charset, and senders compare the type as it is.
  return reply.type(type).send(Buffer.from(body as string));
}
