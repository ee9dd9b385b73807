// SPDX-License-Identifier: Apache-2.0
// push.v1.PusherService by Connect's own handler. Loaded with the first push: an idle server does without it.
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect';
import type { UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { asStackwellError, StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import { retryAfter } from '../errors.js';
import { PusherService, type PushRequest } from '../gen/push/v1/push_pb.js';
import type { Incoming, Outcome } from './ingest.js';

/** Named in the message of a batch that was partly refused; the rest is counted. */
const MAX_NAMED = 10;

/** Clients send again on `unavailable` and drop on `invalid_argument`. */
function connectCode(error: StackwellError): Code {
  if (error.status === 503 || error.status === 507) return Code.Unavailable;
  return error.status < 500 ? Code.InvalidArgument : Code.Internal;
}

function connectError(error: StackwellError, message: string): ConnectError {
  const headers: Record<string, string> = { 'x-stackwell-error': error.code };
  const retry = retryAfter(error);
  if (retry !== null) headers['retry-after'] = retry;
  return new ConnectError(message, connectCode(error), headers);
}

const text = (error: StackwellError) => `${error.code}: ${error.message}. ${error.fix}`;

/** The body of an error that happened before the handler was reached. */
export function errorAnswer(error: StackwellError): { code: string; message: string } {
  const code = Code[connectCode(error)].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
  return { code, message: text(error) };
}

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

/** Set once a message has been decoded. */
const decoded = createContextKey(false);
const tenantKey = createContextKey('');

export type PushHandler = (
  tenant: string,
  request: UniversalServerRequest,
) => Promise<UniversalServerResponse>;

export function pushHandler({ ingest, metrics, log, config }: Context): PushHandler {
  const router = createConnectRouter({
    connect: true,
    grpc: false,
    grpcWeb: false,
    readMaxBytes: config.limits.profileBytes,
  });
  router.service(PusherService, {
    push: async (request, { values }) => {
      values.set(decoded, true);
      const { incoming, positions } = toIncoming(request);
      let outcome: Outcome;
      try {
        outcome = await ingest.add(values.get(tenantKey), incoming);
      } catch (thrown) {
        const error = asStackwellError(thrown);
        metrics.errors.inc({ code: error.code });
        if (error.status !== 503) log.error({ err: error, rpc: 'Push' }, error.message);
        throw connectError(error, text(error));
      }
      const first = outcome.refused[0];
      if (first === undefined) return {};
      for (const { error } of outcome.refused) metrics.errors.inc({ code: error.code });
      const named = outcome.refused
        .slice(0, MAX_NAMED)
        .map(({ index, error }) => `${positions[index]}: ${error.code}: ${error.message}`);
      const more = outcome.refused.length - named.length;
      throw connectError(
        first.error,
        `${first.error.code}: ${outcome.refused.length} of ${incoming.length} profiles are refused, the others are stored: ` +
          `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
      );
    },
  });
  const handler = router.handlers[0]!;
  return async (tenant, request) => {
    const contextValues = createContextValues().set(tenantKey, tenant);
    const answer = await handler({ ...request, contextValues });
    if (answer.status !== 500 || contextValues.get(decoded)) return answer;
    // Connect calls a protobuf message that cannot be decoded an internal error, and clients would send it for ever.
    return errorResponse(
      new StackwellError('SW_REQUEST_INVALID', { reason: 'the message cannot be decoded' }),
    );
  };
}

function errorResponse(error: StackwellError): UniversalServerResponse {
  const body = Buffer.from(JSON.stringify(errorAnswer(error)));
  return {
    status: error.status,
    header: new Headers({ 'content-type': 'application/json', 'x-stackwell-error': error.code }),
    body: (async function* () {
      yield body;
    })(),
  };
}
