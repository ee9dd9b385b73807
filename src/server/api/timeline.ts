// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/timeline
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { isSnapshot } from '../../profile/types.js';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import { parseQuestion } from '../query/question.js';
import { chooseStep, MAX_BUCKETS } from '../query/timeline.js';
import { GroupBy, parseStep, RangeParameters } from './parameters.js';
import { ERROR_ANSWERS, TimelineAnswer } from './schemas.js';

const MAX_SERIES = 100;

export function timelineRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query, metrics } = context;
  fastify.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/timeline',
    {
      schema: {
        summary: 'Sums over time',
        tags: ['questions'],
        querystring: RangeParameters.extend({
          ...GroupBy.shape,
          step: z.string().max(32).optional().describe('seconds, or a duration; chosen when absent'),
        }),
        response: { 200: TimelineAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'timeline' });
      const question = await parseQuestion(discovery, request.query, request.tenant);
      const { from, until } = question.selection;
      const step = request.query.step === undefined ? chooseStep(from, until) : parseStep(request.query.step);
      if ((until - from) / step > MAX_BUCKETS)
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: `step: more than ${MAX_BUCKETS} buckets in this range`,
        });
      // Rollups do not tell how many snapshots they are of, and without that a sum of them says nothing.
      const exact = isSnapshot(question.type);
      const { series, profiles, warnings, limited } = await query.timeline(
        question,
        step,
        request.query.group_by ?? [],
        { exact },
      );
      const sums = new Map(series.map(one => [one, one.totals.reduce((sum, total) => sum + total, 0n)]));
      const largest = series
        .toSorted((a, b) => (sums.get(b)! > sums.get(a)! ? 1 : sums.get(b)! < sums.get(a)! ? -1 : 0))
        .slice(0, MAX_SERIES);
      const omittedSeries = series.length - largest.length;
      done();
      void reply.type('application/json; charset=utf-8');
      return sendText(
        reply,
        paced(
          jsonChunks({
            type: question.type,
            unit: question.unit,
            from,
            until,
            step,
            profiles,
            series: largest.map(({ labels, times, totals, counts }) => ({
              labels,
              times,
              totals,
              ...(exact ? { counts } : {}),
            })),
            omittedSeries,
            limited: limited || omittedSeries > 0,
            warnings:
              omittedSeries > 0 ? [...warnings, `only the ${MAX_SERIES} largest series are given`] : warnings,
          }),
        ),
      );
    },
  );
}
