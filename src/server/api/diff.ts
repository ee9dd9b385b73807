// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/diff: two selections side by side, each in its own numbers.
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import type { Reading } from '../query/merge.js';
import { parseQuestion } from '../query/question.js';
import { RangeParameters } from './parameters.js';
import { DiffAnswer, ERROR_ANSWERS } from './schemas.js';

const DEFAULT_NODES = 8192;

const { query, from, until } = RangeParameters.shape;

export function diffRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query: questions, metrics, config } = context;
  const { maxNodes } = config.limits;
  fastify.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/diff',
    {
      schema: {
        summary: 'Two selections in one call tree',
        description: 'Values are absolute, on both sides: nothing is scaled to the other side.',
        tags: ['questions'],
        querystring: z.object({
          type: RangeParameters.shape.type,
          query: query.describe('matchers of both sides'),
          left_query: query.describe('of the left, in place of query'),
          left_from: from,
          left_until: until,
          right_query: query.describe('of the right, in place of query'),
          right_from: from,
          right_until: until,
          max_nodes: z.coerce.number().int().min(16).max(maxNodes).optional(),
        }),
        response: { 200: DiffAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'diff' });
      const { type, max_nodes = Math.min(DEFAULT_NODES, maxNodes), ...given } = request.query;
      const side = (own: string | undefined, from: string | undefined, until: string | undefined) =>
        parseQuestion(discovery, { type, query: own ?? given.query, from, until }, request.tenant);
      const left = await side(given.left_query, given.left_from, given.left_until);
      const right = await side(given.right_query, given.right_from, given.right_until);
      if (JSON.stringify(left.selection.sampleMatchers) !== JSON.stringify(right.selection.sampleMatchers))
        throw new StackwellError('SW_QUERY_INVALID', {
          reason: 'matchers on sample labels must be the same on both sides',
        });
      const { about, diff } = await questions.compare(`diff ${max_nodes}`, left, right, async compared => ({
        about: { left: aboutSide(compared.left), right: aboutSide(compared.right) },
        diff: await compared.merger.diff({ maxNodes: max_nodes }),
      }));
      done();
      void reply.type('application/json; charset=utf-8');
      return sendText(
        reply,
        paced(
          jsonChunks({
            type: left.type,
            unit: left.unit,
            ...diff,
            left: { ...about.left, ...diff.left },
            right: { ...about.right, ...diff.right },
          }),
        ),
      );
    },
  );
}

function aboutSide({ question, profiles, limited, warnings, stats }: Reading) {
  const { from, until } = question.selection;
  return { from, until, profiles, limited, warnings, stats };
}
