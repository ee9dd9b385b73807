// SPDX-License-Identifier: Apache-2.0
// POST /push.v1.PusherService/Push in the Connect protocol. The body is read by us, so that it is bounded and counted
// like every other; Connect's own handler does the rest.
import type { FastifyInstance } from 'fastify';
import type { Context } from '../context.js';
import { prepareErrorReply, requestError } from '../errors.js';
import type { PushHandler } from '../ingest/push-service.js';
import { receiveBytes } from '../ingest/receive.js';

const PATH = '/push.v1.PusherService/Push';

export function pushRoutes(app: FastifyInstance, context: Context): void {
  receiveBytes(app, context);
  const load = () => import('../ingest/push-service.js');
  let handler: PushHandler | null = null;

  app.setErrorHandler(async (thrown, request, reply) => {
    const error = requestError(thrown);
    prepareErrorReply(error, request, reply, context);
    const { errorAnswer } = await load();
    return reply
      .header('x-stackwell-error', error.code)
      .type('application/json')
      .send(JSON.stringify(errorAnswer(error)));
  });

  app.post(
    PATH,
    {
      schema: {
        summary: 'Store profiles (Connect protocol)',
        description:
          'push.v1.PushRequest as JSON or protobuf: series of labels and samples, each sample a pprof and an ID. ' +
          'Errors are Connect errors; the SW_ code starts the message.',
        tags: ['ingest'],
      },
    },
    async (request, reply) => {
      handler ??= (await load()).pushHandler(context);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const header = new Headers();
      // The body is as it was before these.
      for (const [name, value] of Object.entries(request.headers))
        if (typeof value === 'string' && name !== 'content-encoding' && name !== 'content-length')
          header.set(name, value);
      const answer = await handler(request.tenant, {
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
