// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/deploys and /api/v1/deploys/compare
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { costUnit, everythingOf, rankInputOf } from '../../profile/statistics/answer.js';
import { rank, verdictOf } from '../../profile/statistics/ranking.js';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import { compareQuestions } from '../query/comparison.js';
import { choosePair, type Deploy, listDeploys } from '../query/deploys.js';
import { parseQuestion, type Question } from '../query/question.js';
import { aboutSide, compareOptions, comparing, matchingOf, statisticsAnswer } from './comparing.js';
import { count, RangeParameters } from './parameters.js';
import { CompareDeploysAnswer, DeploysAnswer, ERROR_ANSWERS } from './schemas.js';

const DEFAULT_FROM = 'now-7d';
const MOST_DEPLOYS = 1000;
const name = z.string().min(1).max(2048);
const ownTime = z.string().max(64).optional().describe('in place of the time that is chosen');
const range = {
  ...RangeParameters.shape,
  query: RangeParameters.shape.query.describe('matchers besides the service, e.g. {namespace="prod"}'),
  from: RangeParameters.shape.from.describe(
    `RFC 3339, Unix milliseconds or relative; ${DEFAULT_FROM} when absent`,
  ),
};

/** Of `service`, all of them when it is absent. */
function withService(question: Question, service: string | undefined, deploy?: string): Question {
  const equal = (name: string, value: string | undefined) =>
    value === undefined ? [] : [{ name, op: '=' as const, value }];
  const matchers = [
    ...question.selection.matchers,
    ...equal('service_name', service),
    ...equal('deploy', deploy),
  ];
  return { ...question, selection: { ...question.selection, matchers } };
}

export function deploysRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query: questions, metrics, config } = context;
  const { maxNodes } = config.limits;
  const app = fastify.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/api/v1/deploys',
    {
      schema: {
        summary: 'Deploys that were seen in a range, the newest first',
        tags: ['comparing'],
        querystring: z.object({
          ...range,
          service: name.optional().describe('its deploys only'),
          limit: count(MOST_DEPLOYS, 100, 'most deploys'),
        }),
        response: { 200: DeploysAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'deploys' });
      const { service, limit, from = DEFAULT_FROM, ...given } = request.query;
      const question = withService(
        await parseQuestion(discovery, { ...given, from }, request.tenant),
        service,
      );
      const { deploys, step, warnings } = await listDeploys(questions, question);
      done();
      const { type, unit, selection } = question;
      void reply.type('application/json; charset=utf-8');
      return sendText(
        reply,
        paced(
          jsonChunks({
            type,
            unit,
            from: selection.from,
            until: selection.until,
            step,
            deploys: deploys.slice(0, limit),
            omitted: Math.max(0, deploys.length - limit),
            warnings,
          }),
        ),
      );
    },
  );

  app.get(
    '/api/v1/deploys/compare',
    {
      schema: {
        summary: 'What got dearer and what cheaper from one deploy to another, and whether that is real',
        description: 'docs/statistics.md says how it is told from noise.',
        tags: ['comparing'],
        querystring: z.object({
          ...range,
          service: name,
          base: name.optional().describe('the one before head when absent'),
          head: name.optional().describe('the newest when absent'),
          base_from: ownTime,
          base_until: ownTime,
          head_from: ownTime,
          head_until: ownTime,
          by: z
            .enum(['self', 'total'])
            .default('self')
            .describe('functions by what they do themselves, or with what they call'),
          limit: count(1000, 50, 'most functions in each list'),
          ...comparing(maxNodes, 'stable'),
        }),
        response: { 200: CompareDeploysAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'deploys' });
      const {
        service,
        base,
        head,
        by,
        limit,
        from = DEFAULT_FROM,
        type,
        query,
        until,
        ...given
      } = request.query;
      const options = compareOptions(given, true, maxNodes);
      const question = await parseQuestion(discovery, { type, query, from, until }, request.tenant);
      const found = await listDeploys(questions, withService(question, service));
      const pair = choosePair(found.deploys, { service, base, head });
      const side = async (which: 'base' | 'head'): Promise<Question> => {
        const times = pair.times[which];
        const own = {
          from: request.query[`${which}_from`] ?? String(times.from),
          until: request.query[`${which}_until`] ?? String(times.until),
        };
        const parsed = await parseQuestion(discovery, { type, query, ...own }, request.tenant);
        return withService(parsed, service, pair[which].deploy);
      };
      const left = await side('base');
      const right = await side('head');
      const answer = await compareQuestions(questions, left, right, options);
      const { statistics } = answer;
      if (statistics === null) throw new Error('statistics were asked for');
      const tested = statisticsAnswer(statistics);
      const lists = rank(rankInputOf({ ...answer, unit: question.unit, statistics: tested }, by));
      done();
      const about = ({ deploy, first, last, hosts }: Deploy, which: 'left' | 'right') => ({
        deploy,
        first,
        last,
        hosts,
        ...aboutSide(answer[which]),
        sum: answer.diff[which].sum,
      });
      void reply.type('application/json; charset=utf-8');
      return sendText(
        reply,
        paced(
          jsonChunks({
            service,
            type: question.type,
            unit: question.unit,
            base: about(pair.base, 'left'),
            head: about(pair.head, 'right'),
            concurrent: pair.concurrent,
            normalization: answer.normalization,
            ...matchingOf(options),
            verdict: verdictOf(lists, tested.detectable),
            whole: everythingOf(tested.whole, costUnit(question.unit)),
            work: tested.work && everythingOf(tested.work),
            by,
            regressions: lists.regressions.slice(0, limit),
            improvements: lists.improvements.slice(0, limit),
            omitted: {
              regressions: Math.max(0, lists.regressions.length - limit),
              improvements: Math.max(0, lists.improvements.length - limit),
            },
            tested: statistics.self.q.length,
            untested: statistics.untested,
            replicates: { base: statistics.replicates.left, head: statistics.replicates.right },
            detectable: statistics.detectable,
            warnings: found.warnings,
          }),
        ),
      );
    },
  );
}
