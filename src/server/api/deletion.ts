// SPDX-License-Identifier: Apache-2.0
// DELETE /api/v1/profiles: a service, or everything of a tenant.
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import { flag } from './parameters.js';
import { ERROR_ANSWERS } from './schemas.js';

export function deletionRoutes(fastify: FastifyInstance, { store, writers, log }: Context): void {
  fastify.withTypeProvider<ZodTypeProvider>().delete(
    '/api/v1/profiles',
    {
      schema: {
        summary: 'Delete a service, or everything, with its rollups and symbols',
        tags: ['operations'],
        querystring: z.object({
          service_name: z.string().min(1).max(2048).optional(),
          everything: flag.optional().describe('of the tenant, in place of a service'),
        }),
        response: {
          200: z.object({
            profiles: z.int().describe('profiles and rollups deleted'),
            segments: z.int().describe('symbol segments deleted'),
          }),
          ...ERROR_ANSWERS,
        },
      },
    },
    async request => {
      const { service_name: service, everything = false } = request.query;
      if ((service !== undefined) === everything)
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'give either service_name or everything=true',
        });
      const { tenant } = request;
      const gone = await store.delete(service === undefined ? { tenant } : { tenant, service });
      writers.clear();
      log.info({ tenant, service, ...gone }, 'deleted on request');
      return gone;
    },
  );
}
