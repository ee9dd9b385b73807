// SPDX-License-Identifier: Apache-2.0
// POST /push.v1.PusherService/Push in the Connect protocol. Messages are decoded by Connect's own handler; the body is
// read by us, so that it is bounded and counted like every other.
import { Code, ConnectError, createConnectRouter } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import type { FastifyInstance } from 'fastify';
import { asStackwellError, type StackwellError } from '../../errors.js';
import type { Context, Log } from '../context.js';
import { prepareErrorReply, requestError, retryAfter } from '../errors.js';
import { PusherService, type PushRequest } from '../gen/push/v1/push_pb.js';
import type { Incoming, Outcome } from '../ingest/ingest.js';
import { receiveBytes } from '../ingest/receive.js';

const PATH = '/push.v1.PusherService/Push';
/** Named in the message of a batch that was partly refused; the rest is counted. */
const MAX_NAMED = 10;

/** Clients send again on `unavailable` and drop on `invalid_argument`. */
function connectCode(error: StackwellError): Code {
  if (error.status === 503 || error.status === 507) return Code.Unavailable;
  return error.status < 500 ? Code.InvalidArgument : Code.Internal;
}

function connectError(error: StackwellError, message: string): ConnectError {
  const headers: Record<string, string> = { 'x-stackwell-error': error.code };
  const retry = retryAfter(error);
  if (retry !== null) headers['retry-after'] = retry;
  return new ConnectError(message, connectCode(error), headers);
}

const text = (error: StackwellError) => `${error.code}: ${error.message}. ${error.fix}`;

export async function pushRoutes(
  app: FastifyInstance,
  { context, log }: { context: Context; log: Log },
): Promise<void> {
  receiveBytes(app, context);
  app.setErrorHandler((thrown, request, reply) => {
    const error = requestError(thrown);
    prepareErrorReply(error, request, reply, { metrics: context.metrics, log });
    void reply
      .header('x-stackwell-error', error.code)
      .type('application/json')
      .send(JSON.stringify({ code: codeName(connectCode(error)), message: text(error) }));
  });

  const router = createConnectRouter({
    connect: true,
    grpc: false,
    grpcWeb: false,
    readMaxBytes: context.config.limits.profileBytes,
  });
  router.service(PusherService, {
    push: async request => {
      const positions: string[] = [];
      const incoming = toIncoming(request, positions);
      let outcome: Outcome;
      try {
        outcome = await context.ingest.add(incoming);
      } catch (thrown) {
        const error = asStackwellError(thrown);
        context.metrics.errors.inc({ code: error.code });
        if (error.status !== 503) log.error({ err: error, url: PATH }, error.message);
        throw connectError(error, text(error));
      }
      const first = outcome.refused[0];
      if (first === undefined) return {};
      for (const { error } of outcome.refused) context.metrics.errors.inc({ code: error.code });
      const named = outcome.refused
        .slice(0, MAX_NAMED)
        .map(({ index, error }) => `${positions[index]}: ${error.code}: ${error.message}`);
      const more = outcome.refused.length - named.length;
      throw connectError(
        first.error,
        `${first.error.code}: ${outcome.refused.length} of ${incoming.length} profiles are refused, the others are stored: ` +
          `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
      );
    },
  });
  const handler = router.handlers[0] as UniversalHandler;

  app.post(
    PATH,
    {
      schema: {
        summary: 'Store profiles (Connect protocol)',
        description:
          'push.v1.PushRequest as JSON or protobuf: series of labels and samples, each sample a pprof and an ID. Errors are Connect errors; the SW_ code starts the message.',
        tags: ['ingest'],
      },
    },
    async (request, reply) => {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const header = new Headers();
      for (const [name, value] of Object.entries(request.headers))
        if (typeof value === 'string' && name !== 'content-encoding' && name !== 'content-length')
          header.set(name, value);
      const answer = await handler({
        httpVersion: request.raw.httpVersion,
        method: 'POST',
        url: `http://localhost${PATH}`,
        header,
        body: once((request.body as Uint8Array | undefined) ?? new Uint8Array()),
        signal: gone.signal,
      });
      const chunks: Uint8Array[] = [];
      for await (const chunk of answer.body ?? []) chunks.push(chunk);
      for (const [name, value] of answer.header ?? []) reply.header(name, value);
      return reply.code(answer.status).send(Buffer.concat(chunks));
    },
  );
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function codeName(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}

/** One for each sample; `positions` says where in the message each one was. */
function toIncoming({ series }: PushRequest, positions: string[]): Incoming[] {
  const incoming: Incoming[] = [];
  for (const [row, { labels, samples }] of series.entries())
    for (const [column, { rawProfile, ID }] of samples.entries()) {
      positions.push(`series[${row}].samples[${column}]`);
      incoming.push({
        pprof: rawProfile,
        labels: labels.map(({ name, value }) => [name, value]),
        id: ID === '' ? null : ID,
        from: null,
        until: null,
      });
    }
  return incoming;
}
