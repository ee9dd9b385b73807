// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/flamegraph
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { flamebearerDocument, toFlamebearer } from '../../profile/formats/flamebearer.js';
import { foldedChunks } from '../../profile/formats/folded.js';
import { htmlChunks } from '../../profile/formats/html.js';
import { lazySpeedscope } from '../../profile/formats/speedscope.js';
import { svgChunks } from '../../profile/formats/svg.js';
import { parseType } from '../../profile/types.js';
import { formatValue } from '../../profile/units.js';
import type { Context } from '../context.js';
import { jsonChunks, paced, sendText } from '../json.js';
import type { Merged } from '../query/merge.js';
import { parseQuestion } from '../query/question.js';
import { download, mergedAnswer, title, warnInHeaders } from './answer.js';
import { DEFAULT_NODES, RangeParameters } from './parameters.js';
import { contentOf, ERROR_ANSWERS, FileAnswer, FlameGraphAnswer } from './schemas.js';

const SpeedscopeAnswer = z.looseObject({ $schema: z.string() }).describe('format=speedscope');
const FlamebearerAnswer = z.looseObject({ flamebearer: z.looseObject({}) }).describe('format=flamebearer');

const FORMATS = {
  json: { type: 'application/json; charset=utf-8', ending: null },
  folded: { type: 'text/plain; charset=utf-8', ending: 'folded' },
  svg: { type: 'image/svg+xml; charset=utf-8', ending: 'svg' },
  speedscope: { type: 'application/json; charset=utf-8', ending: 'speedscope.json' },
  flamebearer: { type: 'application/json; charset=utf-8', ending: 'flamebearer.json' },
  html: { type: 'text/html; charset=utf-8', ending: 'html' },
} as const;
/** Files that tools read on; the others are pictures. */
const WHOLE = new Set(['folded', 'speedscope']);

export function flamegraphRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query, metrics, config } = context;
  const { maxNodes } = config.limits;
  fastify.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/flamegraph',
    {
      schema: {
        summary: 'Flame graph: columns ready to draw, or a file format',
        tags: ['questions'],
        querystring: RangeParameters.extend({
          format: z.enum(['json', 'folded', 'svg', 'speedscope', 'flamebearer', 'html']).default('json'),
          max_nodes: z.coerce
            .number()
            .int()
            .min(16)
            .max(maxNodes)
            .optional()
            .describe(
              `smaller nodes are folded into others; ${DEFAULT_NODES} when absent, for folded and speedscope ${maxNodes}`,
            ),
        }),
        response: {
          200: contentOf('as format says', {
            'application/json': z.union([FlameGraphAnswer, SpeedscopeAnswer, FlamebearerAnswer]),
            'text/plain': FileAnswer,
            'text/html': FileAnswer,
            'image/svg+xml': FileAnswer,
          }),
          ...ERROR_ANSWERS,
        },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'flamegraph' });
      const { format, max_nodes } = request.query;
      const question = await parseQuestion(discovery, request.query, request.tenant);
      const nodes = max_nodes ?? (WHOLE.has(format) ? maxNodes : Math.min(DEFAULT_NODES, maxNodes));
      const { graph, about } = await query.answer(
        `flamegraph ${nodes}`,
        question,
        [],
        async (merged: Merged) => ({
          graph: await merged.merger.flamegraph({ maxNodes: nodes }),
          about: mergedAnswer(merged),
        }),
      );
      done();
      const { type, ending } = FORMATS[format];
      void reply.type(type);
      if (ending !== null) {
        warnInHeaders(reply, about.warnings);
        void reply.header('content-disposition', download(question, ending, 'inline'));
      }
      const { unit } = question;
      const name = title(question);
      switch (format) {
        case 'json':
          return sendText(reply, paced(jsonChunks({ ...about, ...graph })));
        case 'folded':
          return sendText(reply, paced(foldedChunks(graph)));
        case 'svg':
          // It has no script; should a browser find one in it after all, it is not run.
          void reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
          return sendText(reply, paced(svgChunks(graph, { title: name, unit })));
        case 'speedscope':
          return sendText(reply, paced(jsonChunks(lazySpeedscope(graph, { name, unit }))));
        case 'flamebearer': {
          const document = flamebearerDocument(toFlamebearer(graph), parseType(question.type)!);
          return sendText(reply, paced(jsonChunks(document)));
        }
        case 'html': {
          const { standaloneParts } = await import('../standalone.js');
          const page = { title: name, note: formatValue(Number(graph.sum), unit), ...standaloneParts() };
          void reply.header('content-security-policy', page.policy);
          return sendText(reply, paced(htmlChunks(jsonChunks({ unit, ...graph }), page)));
        }
      }
    },
  );
}
