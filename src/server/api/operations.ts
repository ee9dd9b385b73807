// SPDX-License-Identifier: Apache-2.0
// GET /metrics, /healthz, /readyz, /openapi.json
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Context } from '../context.js';
import { contentOf, ERROR_ANSWERS, FileAnswer } from './schemas.js';

const tags = ['operations'];

export function operationsRoutes(app: FastifyInstance, { store, metrics }: Context): void {
  const Ok = z.object({ status: z.literal('ok') });

  app.get(
    '/healthz',
    { schema: { summary: 'The process lives', tags, response: { 200: Ok, ...ERROR_ANSWERS } } },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    { schema: { summary: 'The store answers', tags, response: { 200: Ok, ...ERROR_ANSWERS } } },
    async () => {
      await store.ready();
      return { status: 'ok' };
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics, in the text format of Prometheus',
        tags,
        response: { 200: contentOf('one line a sample', { 'text/plain': FileAnswer }), ...ERROR_ANSWERS },
      },
    },
    async (_, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );

  app.get(
    '/openapi.json',
    { schema: { summary: 'This description', tags, response: { 200: z.looseObject({}), ...ERROR_ANSWERS } } },
    async () => app.swagger(),
  );
}
