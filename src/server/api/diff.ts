// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/diff: two selections side by side, each in its own numbers, and which differences are real.
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import { compareQuestions } from '../query/comparison.js';
import { parseQuestion } from '../query/question.js';
import {
  aboutSide,
  compareOptions,
  comparing,
  matchingOf,
  statisticsAnswer,
  withStatistics,
} from './comparing.js';
import { RangeParameters } from './parameters.js';
import { DiffAnswer, ERROR_ANSWERS } from './schemas.js';

const { query, from, until } = RangeParameters.shape;

export function diffRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query: questions, metrics, config } = context;
  const { maxNodes } = config.limits;
  fastify.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/diff',
    {
      schema: {
        summary: 'Two selections in one call tree, with what of their difference is real',
        description:
          'Values in the tree are absolute, on both sides: nothing is scaled to the other side. What statistics compare ' +
          'is what normalization says.',
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
          ...comparing(maxNodes, 'total'),
          statistics: withStatistics,
        }),
        response: { 200: DiffAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'diff' });
      const { type, ...given } = request.query;
      const options = compareOptions(given, given.statistics, maxNodes);
      const side = (own: string | undefined, from: string | undefined, until: string | undefined) =>
        parseQuestion(discovery, { type, query: own ?? given.query, from, until }, request.tenant);
      const left = await side(given.left_query, given.left_from, given.left_until);
      const right = await side(given.right_query, given.right_from, given.right_until);
      const answer = await compareQuestions(questions, left, right, options);
      const { matrix: _, left: leftTree, right: rightTree, ...tree } = answer.diff;
      done();
      void reply.type('application/json; charset=utf-8');
      return sendText(
        reply,
        paced(
          jsonChunks({
            type: left.type,
            unit: left.unit,
            ...tree,
            left: { ...aboutSide(answer.left), ...leftTree },
            right: { ...aboutSide(answer.right), ...rightTree },
            normalization: answer.normalization,
            ...matchingOf(options),
            statistics: answer.statistics && statisticsAnswer(answer.statistics),
          }),
        ),
      );
    },
  );
}
