// SPDX-License-Identifier: Apache-2.0
// push.v1.PusherService: what continuous-profiling clients send. Loaded with the first push.
import type { Context } from '../context.js';
import { PusherService, type PushRequest } from '../gen/push/v1/push_pb.js';
import { connectError } from '../rpc/errors.js';
import { tenantOf } from '../rpc/handlers.js';
import type { Register } from '../rpc/services.js';
import type { Incoming } from './ingest.js';

/** Named in the message of a batch that was partly refused; the rest is counted. */
const MAX_NAMED = 10;

/** One for each sample, and where in the message it was. */
function toIncoming({ series }: PushRequest): { incoming: Incoming[]; positions: string[] } {
  const incoming: Incoming[] = [];
  const positions: string[] = [];
  for (const [row, { labels, samples }] of series.entries())
    for (const [column, { rawProfile, ID }] of samples.entries()) {
      positions.push(`series[${row}].samples[${column}]`);
      incoming.push({
        pprof: rawProfile,
        labels: labels.map(({ name, value }) => [name, value]),
        id: ID === '' ? null : ID,
        from: null,
        until: null,
      });
    }
  return { incoming, positions };
}

export const registerPusher: Register = (router, { ingest, metrics }: Context) => {
  router.service(PusherService, {
    push: async (request, call) => {
      const { incoming, positions } = toIncoming(request);
      const { refused } = await ingest.add(tenantOf(call), incoming);
      const first = refused[0];
      if (first === undefined) return {};
      for (const { error } of refused) metrics.errors.inc({ code: error.code });
      const named = refused
        .slice(0, MAX_NAMED)
        .map(({ index, error }) => `${positions[index]}: ${error.code}: ${error.message}`);
      const more = refused.length - named.length;
      throw connectError(
        first.error,
        `${first.error.code}: ${refused.length} of ${incoming.length} profiles are refused, the others are stored: ` +
          `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
      );
    },
  });
};
