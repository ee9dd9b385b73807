// SPDX-License-Identifier: Apache-2.0
// POST /ingest: one profile, as pprof (in the body or in a form), or as stacks with counts.
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { convertStacks } from '#native/profile';
import { StackwellError } from '../../errors.js';
import { parseTime } from '../../profile/time.js';
import type { Context } from '../context.js';
import { configuredName, parseAppName } from '../ingest/labels.js';
import { receiveBytes } from '../ingest/receive.js';
import { stacksOf } from '../ingest/stacks.js';
import { sendText } from '../json.js';
import { ERROR_ANSWERS } from './schemas.js';

const Parameters = z.object({
  name: z.string().min(1).max(65_536).describe('app{key=value,…}: service name and labels'),
  from: z.string().optional().describe('start: Unix s, ms, µs or ns, or relative'),
  until: z.string().optional().describe('end, likewise'),
  format: z
    .string()
    .optional()
    .describe('pprof, folded (the default without a form; also collapsed, groups), lines, trie, tree'),
  spyName: z.string().optional().describe('kept as the label pyroscope_spy'),
  sampleRate: z
    .string()
    .optional()
    .describe('samples per second of stacks on a CPU (100); pprof says it itself'),
  units: z.string().optional().describe('what the counts of stacks are; pprof says it itself'),
  aggregationType: z.string().optional().describe('sum, or avg of what is there all the time (inuse)'),
});

/** Names of formats, as clients write them; '' is none, without a form. */
const FORMATS: Record<string, 'pprof' | 'folded' | 'lines' | 'trie' | 'tree'> = {
  pprof: 'pprof',
  '': 'folded',
  folded: 'folded',
  collapsed: 'folded',
  groups: 'folded',
  lines: 'lines',
  trie: 'trie',
  tree: 'tree',
};

/** @throws SW_UNSUPPORTED_FORMAT */
function formatOf(format: string | undefined, contentType: string): (typeof FORMATS)[string] | 'form' {
  const isForm = /^multipart\/form-data/i.test(contentType);
  if (isForm && (format === undefined || format === 'pprof')) return 'form';
  const named = format ?? /^binary\/octet-stream\+(trie|tree)/i.exec(contentType)?.[1]?.toLowerCase() ?? '';
  if (!Object.hasOwn(FORMATS, named)) throw new StackwellError('SW_UNSUPPORTED_FORMAT', { format: named });
  return FORMATS[named]!;
}

export function ingestRoutes(app: FastifyInstance, context: Context): void {
  receiveBytes(app, context);
  for (const url of ['/ingest', '/pyroscope/ingest'])
    app.withTypeProvider<ZodTypeProvider>().route({
      method: 'POST',
      url,
      schema: {
        summary: 'Store a profile: pprof, or stacks with counts',
        description:
          'The body is pprof or stacks (plain, gzip, several gzip members), or multipart/form-data with a pprof in the ' +
          'field `profile`. docs/ingest.md says what each format is.',
        tags: ['ingest'],
        querystring: Parameters,
        response: { 200: z.null().describe('it is on disk'), ...ERROR_ANSWERS },
      },
      handler: async (request, reply) => {
        const { name, from, until, spyName } = request.query;
        const contentType = request.headers['content-type'] ?? '';
        const format = formatOf(request.query.format, contentType);
        const body = request.body as Uint8Array | undefined;
        if (body === undefined || body.length === 0)
          throw new StackwellError('SW_REQUEST_INVALID', { reason: 'there is no body' });
        const { app: called, labels } = parseAppName(name);
        let service = called;
        let pprof = body;
        let id: string | null = null;
        if (format === 'form') {
          const form = await profileField(body, contentType);
          pprof = form.pprof;
          if (form.name !== null) labels.push(['__name__', form.name]);
        } else if (format !== 'pprof') {
          const stacks = stacksOf(called, request.query);
          service = stacks.app;
          labels.push(['__name__', stacks.name]);
          const maxBytes = context.config.limits.profileBytes;
          pprof = await convertStacks(body, { format, ...stacks.type }, { maxBytes });
          request.reservation!.grow(pprof.length);
          // Stacks say no time: without one in the request the same ones may have been counted anew.
          if (from === undefined) id = randomUUID();
        }
        // Where a label names the service, what comes before the labels is still the application's name.
        if (labels.some(([label]) => label === 'service_name')) labels.push(['app_name', service]);
        const now = Date.now();
        const { refused } = await context.ingest.add(request.tenant, [
          {
            pprof,
            labels: [
              ['service_name', service],
              ...labels,
              ...(spyName === undefined ? [] : [['pyroscope_spy', spyName] as [string, string]]),
            ],
            id,
            from: from === undefined ? null : parseTime(from, now),
            until: until === undefined ? null : parseTime(until, now),
          },
        ]);
        if (refused[0] !== undefined) throw refused[0].error;
        return sendText(reply, '');
      },
    });
}

/** With what the form calls it; null where it does not. @throws SW_REQUEST_INVALID, SW_UNSUPPORTED_FORMAT */
async function profileField(
  body: Uint8Array,
  contentType: string,
): Promise<{ pprof: Uint8Array; name: string | null }> {
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
  const config = form.get('sample_type_config');
  const text = typeof config === 'string' ? config : ((await config?.text()) ?? '{}');
  return { pprof: new Uint8Array(await profile.arrayBuffer()), name: configuredName(text) };
}
