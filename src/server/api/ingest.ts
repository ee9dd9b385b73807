// SPDX-License-Identifier: Apache-2.0
// POST /ingest: one pprof, in the body or in a form.
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { parseTime } from '../../profile/time.js';
import type { Context } from '../context.js';
import { parseAppName } from '../ingest/labels.js';
import { receiveBytes } from '../ingest/receive.js';
import { sendText } from '../json.js';
import { ERROR_ANSWERS } from './schemas.js';

const Parameters = z.object({
  name: z.string().min(1).max(65_536).describe('app{key=value,…}: service name and labels'),
  from: z.string().optional().describe('start: Unix s, ms, µs or ns, or relative'),
  until: z.string().optional().describe('end, likewise'),
  format: z.string().optional().describe('pprof; may be left out with multipart/form-data'),
  spyName: z.string().optional().describe('kept as the label pyroscope_spy'),
  sampleRate: z.string().optional().describe('not used: pprof says its period'),
  units: z.string().optional().describe('not used: pprof says its units'),
  aggregationType: z.string().optional().describe('not used'),
});

export function ingestRoutes(app: FastifyInstance, context: Context): void {
  receiveBytes(app, context);
  for (const url of ['/ingest', '/pyroscope/ingest'])
    app.withTypeProvider<ZodTypeProvider>().route({
      method: 'POST',
      url,
      schema: {
        summary: 'Store a pprof profile',
        description:
          'The body is pprof (plain, gzip, several gzip members), or multipart/form-data with a field `profile`.',
        tags: ['ingest'],
        querystring: Parameters,
        response: { 200: z.null().describe('it is on disk'), ...ERROR_ANSWERS },
      },
      handler: async (request, reply) => {
        const { name, from, until, format, spyName } = request.query;
        const contentType = request.headers['content-type'] ?? '';
        const isForm = /^multipart\/form-data/i.test(contentType);
        if (format !== 'pprof' && !(format === undefined && isForm))
          throw new StackwellError('SW_UNSUPPORTED_FORMAT', {
            format: format ?? 'folded (format is not given)',
          });
        const body = request.body as Uint8Array | undefined;
        if (body === undefined || body.length === 0)
          throw new StackwellError('SW_REQUEST_INVALID', { reason: 'there is no body' });
        const { app: service, labels } = parseAppName(name);
        const now = Date.now();
        const { refused } = await context.ingest.add(request.tenant, [
          {
            pprof: isForm ? await profileField(body, contentType) : body,
            labels: [
              ['service_name', service],
              ...labels,
              ...(spyName === undefined ? [] : [['pyroscope_spy', spyName] as [string, string]]),
            ],
            id: null,
            from: from === undefined ? null : parseTime(from, now),
            until: until === undefined ? null : parseTime(until, now),
          },
        ]);
        if (refused[0] !== undefined) throw refused[0].error;
        return sendText(reply, '');
      },
    });
}

/** @throws SW_REQUEST_INVALID, SW_UNSUPPORTED_FORMAT */
async function profileField(body: Uint8Array, contentType: string): Promise<Uint8Array> {
  let form: FormData;
  try {
    form = await new Response(body as Uint8Array<ArrayBuffer>, {
      headers: { 'content-type': contentType },
    }).formData();
  } catch (error) {
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'the form cannot be read' }, error);
  }
  if (form.has('prev_profile'))
    throw new StackwellError('SW_UNSUPPORTED_FORMAT', { format: 'prev_profile (cumulative pprof)' });
  if (form.has('jfr')) throw new StackwellError('SW_UNSUPPORTED_FORMAT', { format: 'jfr' });
  const profile = form.get('profile');
  if (profile === null || typeof profile === 'string')
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'the form has no file in its field profile' });
  return new Uint8Array(await profile.arrayBuffer());
}
