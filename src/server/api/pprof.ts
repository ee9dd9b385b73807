// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/pprof
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { parseType } from '../../profile/types.js';
import type { Context } from '../context.js';
import { sendText } from '../json.js';
import { pprofOf } from '../query/pprof.js';
import { parseQuestion } from '../query/question.js';
import { download, warnInHeaders } from './answer.js';
import { flag, RangeParameters } from './parameters.js';
import { contentOf, ERROR_ANSWERS, FileAnswer } from './schemas.js';

export function pprofRoutes(fastify: FastifyInstance, context: Context): void {
  const { discovery, query, metrics } = context;
  fastify.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/pprof',
    {
      schema: {
        summary: 'The merged profile as a pprof file',
        description: "`go tool pprof 'http://127.0.0.1:4040/api/v1/pprof?query=…'` works.",
        tags: ['questions'],
        querystring: RangeParameters.extend({
          sample_labels: flag.describe('keep pid, thread_name, … as labels of samples'),
          pgo: z
            .enum(['go'])
            .optional()
            .describe('`go`: what `go build -pgo` takes, of CPU profiles; without labels of samples'),
        }),
        response: {
          200: contentOf('profile.proto, gzipped', { 'application/octet-stream': FileAnswer }),
          ...ERROR_ANSWERS,
        },
      },
    },
    async (request, reply) => {
      const done = metrics.querySeconds.startTimer({ kind: 'pprof' });
      const { pgo } = request.query;
      const question = await parseQuestion(discovery, request.query, request.tenant);
      const { sampleType, sampleUnit } = parseType(question.type)!;
      if (pgo !== undefined && !['cpu nanoseconds', 'samples count'].includes(`${sampleType} ${sampleUnit}`))
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: `type: ${question.type} is not of CPU time, which pgo needs`,
        });
      const { bytes, warnings } = await pprofOf(query, question, {
        sampleLabels: request.query.sample_labels && pgo === undefined,
        goOnly: pgo === 'go',
      });
      done();
      void reply
        .type('application/octet-stream')
        .header('content-disposition', download(question, 'pb.gz', 'attachment'));
      warnInHeaders(reply, warnings);
      return sendText(reply, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    },
  );
}
