// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/top
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Merger, TopColumns } from '#native/profile';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import { parseQuestion } from '../query/question.js';
import { mergedAnswer } from './answer.js';
import { count, GroupBy, RangeParameters } from './parameters.js';
import { ERROR_ANSWERS, TopAnswer } from './schemas.js';

const MAX_ROWS = 100_000;

interface Ranked {
  sum: bigint;
  functions: TopColumns['functions'];
  self: number[];
  total: number[];
  omitted: number;
}

/** By self, then total, then name, so that equal answers are equal texts. */
function rank({ sum, functions, self, total }: TopColumns, limit: number): Ranked {
  const order = Uint32Array.from(self.keys());
  order.sort(
    (a, b) =>
      self[b]! - self[a]! || total[b]! - total[a]! || (functions.name[a]! < functions.name[b]! ? -1 : 1),
  );
  const rows = order.subarray(0, limit);
  const take = (column: ArrayLike<string>) => Array.from(rows, row => column[row]!);
  return {
    sum,
    functions: {
      name: take(functions.name),
      file: take(functions.file),
      module: take(functions.module),
      reason: take(functions.reason),
      buildId: take(functions.buildId),
    },
    self: Array.from(rows, row => self[row]!),
    total: Array.from(rows, row => total[row]!),
    omitted: order.length - rows.length,
  };
}

export function topRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query, metrics } = context;
  const ranked = async (merger: Merger, limit: number) => rank(await merger.top(), limit);
  fastify.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/top',
    {
      schema: {
        summary: 'Functions by self time',
        tags: ['questions'],
        querystring: RangeParameters.extend({
          ...GroupBy.shape,
          limit: count(MAX_ROWS, 200, 'most functions'),
        }),
        response: { 200: TopAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'top' });
      const { limit, group_by: groupBy = [] } = request.query;
      const question = await parseQuestion(discovery, request.query, request.tenant);
      const answer = await query.answer(`top ${limit}`, question, groupBy, async merged => {
        const all = { ...mergedAnswer(merged), ...(await ranked(merged.merger, limit)) };
        if (groupBy.length === 0) return all;
        const groups = [];
        for (const { labels, profiles, merger } of merged.groups)
          groups.push({ labels, profiles, ...(await ranked(merger, limit)) });
        groups.sort((a, b) => (a.sum === b.sum ? 0 : a.sum > b.sum ? -1 : 1));
        return { ...all, groups, omittedGroups: merged.omittedGroups };
      });
      done();
      void reply.type('application/json; charset=utf-8');
      return sendText(reply, paced(jsonChunks(answer)));
    },
  );
}
