// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/types, /labels, /labels/:name/values: what there is to ask for.
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { parseType } from '../../profile/types.js';
import type { Context } from '../context.js';
import { parseSelection } from '../query/question.js';
import { count, RangeParameters } from './parameters.js';
import { ERROR_ANSWERS, LabelsAnswer, LabelValuesAnswer, TypesAnswer } from './schemas.js';

const MAX_VALUES = 100_000;

export function discoveryRoutes(fastify: FastifyInstance, { discovery, metrics }: Context): void {
  const app = fastify.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/api/v1/types',
    {
      schema: {
        summary: 'Types of profiles in a range',
        tags: ['discovery'],
        querystring: RangeParameters,
        response: { 200: TypesAnswer, ...ERROR_ANSWERS },
      },
    },
    async request => {
      const done = metrics.querySeconds.startTimer({ kind: 'types' });
      const { selection, warnings } = await parseSelection(discovery, request.query, request.tenant);
      const ids = await discovery.types(selection);
      const types = ids.flatMap(id => {
        const parts = parseType(id);
        return parts === null ? [] : [{ id, ...parts }];
      });
      done();
      return { from: selection.from, until: selection.until, types, warnings };
    },
  );

  app.get(
    '/api/v1/labels',
    {
      schema: {
        summary: 'Names of labels in a range',
        tags: ['discovery'],
        querystring: RangeParameters,
        response: { 200: LabelsAnswer, ...ERROR_ANSWERS },
      },
    },
    async request => {
      const done = metrics.querySeconds.startTimer({ kind: 'labels' });
      const { selection, warnings } = await parseSelection(discovery, request.query, request.tenant);
      const { profile, sample } = await discovery.labelNames(selection);
      done();
      return { from: selection.from, until: selection.until, names: profile, sampleNames: sample, warnings };
    },
  );

  app.get(
    '/api/v1/labels/:name/values',
    {
      schema: {
        summary: 'Values of a label in a range',
        tags: ['discovery'],
        params: z.object({ name: z.string().min(1).max(1024) }),
        querystring: RangeParameters.extend({ limit: count(MAX_VALUES, 1000, 'most values to list') }),
        response: { 200: LabelValuesAnswer, ...ERROR_ANSWERS },
      },
    },
    async request => {
      const done = metrics.querySeconds.startTimer({ kind: 'label_values' });
      const { selection, warnings } = await parseSelection(discovery, request.query, request.tenant);
      const { name } = request.params;
      const { values, omitted, complete } = await discovery.labelValues(name, selection, request.query.limit);
      if (!complete)
        warnings.push(`${name} has very many values; the largest ones of each profile are known`);
      done();
      return { name, from: selection.from, until: selection.until, values, omitted, warnings };
    },
  );
}
