// SPDX-License-Identifier: Apache-2.0
// What Pyroscope's clients ask beside querier.v1: /pyroscope/render, /pyroscope/render-diff, /pyroscope/label-values.
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { toDot } from '../../profile/formats/dot.js';
import { flamebearerDocument, toFlamebearer } from '../../profile/formats/flamebearer.js';
import { parseRange } from '../../profile/time.js';
import { parseType } from '../../profile/types.js';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import { pointsOf } from '../querier/buckets.js';
import { diffOf } from '../querier/compare.js';
import { flameOf } from '../querier/flame.js';
import { pointSeries } from '../querier/point-series.js';
import {
  isOfType,
  matchingTypes,
  splitMatchers,
  storedName,
  valueOfType,
} from '../querier/private-labels.js';
import { renderStep, toTimeline } from '../querier/render-timeline.js';
import {
  everything,
  matchersOf,
  nodesOf,
  parseNamed,
  type Range,
  typedQuestion,
} from '../querier/selection.js';
import { currentSecond, type Question, resolveSelection } from '../query/question.js';
import { warnInHeaders } from './answer.js';
import { RangeParameters } from './parameters.js';
import { ERROR_ANSWERS, FlamebearerAnswer } from './schemas.js';

const DOT_NODES = 100;
const DOT_SOURCE_NODES = 8192;
const MAX_VALUES = 100_000;

const time = z.string().max(64).optional();
const selector = z
  .string()
  .max(16_384)
  .describe('type id, then matchers: process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="checkout"}');
const nodes = z.coerce
  .number()
  .int()
  .min(0)
  .optional()
  .describe('smaller nodes are folded into others; 8192 when absent');
const nodeParameters = { 'max-nodes': nodes, maxNodes: nodes };

/** Both ends are in it, as Pyroscope has it. @throws SW_TIME_INVALID */
function rangeOf(from: string | undefined, until: string | undefined): Range {
  const range = parseRange({ from: from ?? 'now-1h', until: until ?? 'now' }, currentSecond());
  return { ...range, until: range.until + 1 };
}

export function pyroscopeRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery } = context;
  const app = fastify.withTypeProvider<ZodTypeProvider>();

  const question = async (query: string, range: Range, tenant: string): Promise<Question> => {
    const matchers = parseNamed(query);
    const named = matchers.find(({ name, op }) => name === '__name__' && op === '=');
    if (named === undefined)
      throw new StackwellError('SW_QUERY_INVALID', { reason: 'it begins with a profile type' });
    const { ofType, others } = splitMatchers(matchers.filter(one => one !== named));
    return typedQuestion(context, named.value, { ofType, others }, range, tenant);
  };
  const nodesAsked = (query: { 'max-nodes'?: number | undefined; maxNodes?: number | undefined }) =>
    nodesOf(context, BigInt(query.maxNodes || query['max-nodes'] || 0));

  app.get(
    '/pyroscope/render',
    {
      schema: {
        summary: 'Flame graph and timeline in one, as flamebearer or dot',
        tags: ['pyroscope'],
        querystring: z.object({
          query: selector,
          from: time,
          until: time,
          format: z.string().max(32).optional().describe('json or dot'),
          groupBy: z.union([z.string().max(1024), z.array(z.string().max(1024)).max(16)]).optional(),
          aggregation: z.string().max(32).optional().describe('sum or avg, of the timeline'),
          ...nodeParameters,
        }),
        response: { 200: FlamebearerAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const { query, from, until, format, groupBy = [], aggregation } = request.query;
      const range = rangeOf(from, until);
      const asked = await question(query, range, request.tenant);
      if (format === 'dot') {
        const maxNodes = request.query.maxNodes || request.query['max-nodes'] || DOT_NODES;
        const { graph, warnings } = await flameOf(context, asked, DOT_SOURCE_NODES, []);
        warnInHeaders(reply, warnings);
        void reply.type('text/plain; charset=utf-8');
        return sendText(reply, toDot(graph, { title: asked.type, unit: asked.unit, maxNodes }));
      }
      const groups = typeof groupBy === 'string' ? [groupBy] : groupBy;
      const step = renderStep(range);
      const points = pointsOf(range, step);
      const average = aggregation === 'avg';
      const { graph, warnings } = await flameOf(context, asked, nodesAsked(request.query), []);
      const whole = await pointSeries(context, asked, points, { groupBy: [], average, limit: 0 });
      const grouped =
        groups.length === 0
          ? null
          : await pointSeries(context, asked, points, { groupBy: groups, average, limit: 0 });
      warnInHeaders(reply, [...new Set([...warnings, ...whole.warnings, ...(grouped?.warnings ?? [])])]);
      void reply.type('application/json; charset=utf-8');
      const document = flamebearerDocument(toFlamebearer(graph), parseType(asked.type)!, {
        timeline: toTimeline(whole.series[0]?.points ?? [], range, step),
        groups:
          grouped &&
          Object.fromEntries(
            grouped.series.map(({ labels, points }) => [
              labels.find(({ name }) => name === groups[0])?.value ?? '*',
              toTimeline(points, range, step),
            ]),
          ),
      });
      return sendText(reply, paced(jsonChunks(document)));
    },
  );

  app.get(
    '/pyroscope/render-diff',
    {
      schema: {
        summary: 'Two selections in one flamebearer',
        tags: ['pyroscope'],
        querystring: z.object({
          leftQuery: selector,
          leftFrom: time,
          leftUntil: time,
          rightQuery: selector,
          rightFrom: time,
          rightUntil: time,
          ...nodeParameters,
        }),
        response: { 200: FlamebearerAnswer, ...ERROR_ANSWERS },
      },
    },
    async (request, reply) => {
      const asked = request.query;
      const left = await question(asked.leftQuery, rangeOf(asked.leftFrom, asked.leftUntil), request.tenant);
      const right = await question(
        asked.rightQuery,
        rangeOf(asked.rightFrom, asked.rightUntil),
        request.tenant,
      );
      const { graph, warnings } = await diffOf(context, left, right, nodesAsked(asked));
      warnInHeaders(reply, warnings);
      void reply.type('application/json; charset=utf-8');
      return sendText(reply, paced(jsonChunks(flamebearerDocument(graph, parseType(left.type)!))));
    },
  );

  app.get(
    '/pyroscope/label-values',
    {
      schema: {
        summary: 'Values of a label; of __name__ the type ids',
        tags: ['pyroscope'],
        querystring: z.object({
          label: z.string().min(1).max(1024),
          query: RangeParameters.shape.query,
          from: time,
          until: time,
        }),
        response: { 200: z.array(z.string()), ...ERROR_ANSWERS },
      },
    },
    async request => {
      const { label, query = '', from, until } = request.query;
      const range = from === undefined && until === undefined ? everything(context) : rangeOf(from, until);
      const { ofType, others } = matchersOf([query]);
      const { selection } = await resolveSelection(discovery, others, range, request.tenant);
      const types = matchingTypes(await discovery.types(selection), ofType);
      if (label === '__name__') return types;
      if (isOfType(label)) return [...new Set(types.map(id => valueOfType(label, id)))].sort();
      const values = new Set<string>();
      for (const type of types) {
        const found = await discovery.labelValues(storedName(label), { ...selection, type }, MAX_VALUES);
        for (const value of found.values) values.add(value);
      }
      return [...values].sort();
    },
  );
}
