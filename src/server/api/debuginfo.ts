// SPDX-License-Identifier: Apache-2.0
// /api/v1/debuginfo: debug files that name what is stored already.
import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { DEBUG_KINDS } from '../../store/store.js';
import type { Context } from '../context.js';
import { BUILD_ID } from '../debuginfo/debug-info.js';
import { ERROR_ANSWERS } from './schemas.js';

const buildId = z.string().toLowerCase().regex(BUILD_ID, 'not a build ID: 4 to 64 bytes in hex');

const DebugFileAnswer = z.object({
  buildId: z.string(),
  role: z.enum(['executable', 'debug']).describe('the file that runs, or what was split from it'),
  kind: z.enum(DEBUG_KINDS).describe('the best that is in it'),
  sha256: z.string(),
  size: z.int(),
  origin: z.enum(['upload', 'debuginfod']),
  added: z.int().describe('Unix milliseconds'),
  used: z.int().describe('when it last gave names, or was added; to the minute'),
});
const AddedAnswer = z.object({
  result: z
    .enum(['stored', 'present', 'kept'])
    .describe('stored; the same content was there; something better was there and stays'),
  file: DebugFileAnswer.describe('what is kept'),
});
const ListAnswer = z.object({
  files: z.array(DebugFileAnswer),
  bytes: z.int().describe('of all debug files'),
  maxBytes: z.int(),
  maxFileBytes: z.int(),
});

export function debuginfoRoutes(app: FastifyInstance, context: Context): void {
  const { config, debugInfo, metrics } = context;
  const routes = app.withTypeProvider<ZodTypeProvider>();
  // The body goes to disk while it arrives, whatever its type.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_, payload, done) => done(null, payload));

  routes.put(
    '/api/v1/debuginfo/:buildId',
    {
      schema: {
        summary: 'Store debug information',
        description:
          'The body is an ELF file with this build ID: a program or library with symbols, or its debug file.',
        tags: ['debuginfo'],
        params: z.object({ buildId }),
        response: { 200: AddedAnswer, 201: AddedAnswer, ...ERROR_ANSWERS },
      },
      // It is not checked against a schema and not in memory: what bounds it is below.
      bodyLimit: Number.MAX_SAFE_INTEGER,
    },
    async (request, reply) => {
      try {
        const { maxFileBytes, maxBytes } = config.debuginfo;
        const max = Math.min(maxFileBytes, maxBytes);
        if (Number(request.headers['content-length'] ?? 0) > max)
          throw new StackwellError('SW_DEBUGINFO_TOO_LARGE', { max });
        const body = request.body as Readable | undefined;
        if (body === undefined)
          throw new StackwellError('SW_DEBUGINFO_INVALID', { reason: 'there is no body' });
        const { file, result } = await debugInfo.add(request.params.buildId, body, 'upload');
        metrics.debugUploads.inc({ result });
        return reply.code(result === 'stored' ? 201 : 200).send({ result, file });
      } catch (error) {
        metrics.debugUploads.inc({ result: 'refused' });
        throw error;
      }
    },
  );

  routes.get(
    '/api/v1/debuginfo',
    {
      schema: {
        summary: 'What debug information there is',
        tags: ['debuginfo'],
        querystring: z.object({ build_id: buildId.optional().describe('of this build only') }),
        response: { 200: ListAnswer, ...ERROR_ANSWERS },
      },
    },
    async request => {
      const { build_id: wanted } = request.query;
      const files = debugInfo.list().filter(file => wanted === undefined || file.buildId === wanted);
      const { maxBytes, maxFileBytes } = config.debuginfo;
      return { files, bytes: debugInfo.bytes, maxBytes, maxFileBytes };
    },
  );

  routes.delete(
    '/api/v1/debuginfo/:buildId',
    {
      schema: {
        summary: 'Delete the debug information of a build',
        tags: ['debuginfo'],
        params: z.object({ buildId }),
        response: { 200: z.object({ deleted: z.int().describe('files') }), ...ERROR_ANSWERS },
      },
    },
    async request => {
      const deleted = await debugInfo.delete(request.params.buildId);
      if (deleted === 0) throw new StackwellError('SW_DEBUGINFO_UNKNOWN', request.params);
      return { deleted };
    },
  );
}
