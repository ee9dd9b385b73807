// SPDX-License-Identifier: Apache-2.0
// What Pyroscope's clients ask to know whether a server is there, and which.
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Context } from '../context.js';
import { contentOf, ERROR_ANSWERS, FileAnswer } from './schemas.js';

const tags = ['pyroscope'];

/** The same from src/server/api and from dist/server/api. */
function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export function pyroscopeStatusRoutes(app: FastifyInstance, { store }: Context): void {
  app.get(
    '/ready',
    {
      schema: {
        summary: 'The store answers',
        tags,
        response: { 200: contentOf('ready', { 'text/plain': FileAnswer }), ...ERROR_ANSWERS },
      },
    },
    async (_, reply) => {
      await store.ready();
      return reply.type('text/plain; charset=utf-8').send('ready');
    },
  );

  app.get(
    '/api/v1/status/buildinfo',
    {
      schema: {
        summary: 'The version',
        tags,
        response: {
          200: z.object({
            status: z.literal('success'),
            data: z.object({ application: z.string(), version: z.string() }),
          }),
          ...ERROR_ANSWERS,
        },
      },
    },
    async () => ({ status: 'success', data: { application: 'Stackwell', version: version() } }),
  );
}
