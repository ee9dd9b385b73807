// SPDX-License-Identifier: Apache-2.0
// SelectMergeStacktraces, and its two predecessors: one merged profile, as a flame graph, a tree, dot or pprof.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { StackwellError } from '../../errors.js';
import { toDot } from '../../profile/formats/dot.js';
import { toFlamebearer } from '../../profile/formats/flamebearer.js';
import { toTree } from '../../profile/formats/tree.js';
import type { Context } from '../context.js';
import { ProfileSchema } from '../gen/google/v1/profile_pb.js';
import {
  AsyncQueryType,
  ProfileFormat,
  type QuerierService,
  SelectMergeSpanProfileResponseSchema,
  type SelectMergeStacktracesRequest,
  SelectMergeStacktracesResponseSchema,
} from '../gen/querier/v1/querier_pb.js';
import type { StackTraceSelector } from '../gen/types/v1/types_pb.js';
import { pprofOf } from '../query/pprof.js';
import { checkIds } from '../query/profile-ids.js';
import type { Question } from '../query/question.js';
import { tenantOf } from '../rpc/handlers.js';
import { warn } from './answer.js';
import { flameOf } from './flame.js';
import { nodesOf, type ProfileRequest, questionOf, type SampleSelectors, withSamples } from './selection.js';
import { type StackSelector, selectStacks } from './stack-selector.js';
import { encoded, field, flameGraphBytes } from './wire.js';

const MAX_CALL_SITE = 1024;
/** Of a picture that people look at. */
const DOT_NODES = 100;
const DOT_SOURCE_NODES = 8192;

const gunzipAsync = promisify(gunzip);

type Methods = Pick<
  ServiceImpl<typeof QuerierService>,
  'selectMergeStacktraces' | 'selectMergeSpanProfile' | 'selectMergeProfile'
>;

/** @throws SW_REQUEST_INVALID */
export function stackSelector(selector: StackTraceSelector | undefined): StackSelector {
  const callSite = selector?.callSite.map(({ name }) => name) ?? [];
  if (callSite.length > MAX_CALL_SITE)
    throw new StackwellError('SW_REQUEST_INVALID', { reason: `call_site: deeper than ${MAX_CALL_SITE}` });
  return { callSite, goPgo: selector?.goPgo ?? null };
}

export interface MergeRequest extends ProfileRequest, SampleSelectors {
  profileIdSelector?: string[];
}

/** @throws SW_TIME_INVALID, SW_QUERY_INVALID, SW_REQUEST_INVALID */
export async function mergeQuestion(
  context: Context,
  request: MergeRequest,
  tenant: string,
): Promise<Question> {
  const question = withSamples(await questionOf(context, request, tenant), request);
  const { profileIdSelector = [] } = request;
  return profileIdSelector.length === 0 ? question : { ...question, profileIds: checkIds(profileIdSelector) };
}

export function stacktraceMethods(context: Context): Methods {
  const { query, metrics } = context;

  /** Not compressed. */
  const pprofBytes = async (question: Question, selector: StackSelector, call: HandlerContext) => {
    const done = metrics.querySeconds.startTimer({ kind: 'pprof' });
    const { bytes, warnings } = await pprofOf(query, question);
    warn(call, warnings);
    const isWhole = selector.callSite.length === 0 && selector.goPgo === null;
    const chosen = isWhole ? bytes : await selectStacks(bytes, selector, question);
    const plain = await gunzipAsync(chosen);
    done();
    return plain;
  };
  const flame = async (question: Question, nodes: number, callSite: string[], call: HandlerContext) => {
    const done = metrics.querySeconds.startTimer({ kind: 'flamegraph' });
    const { graph, warnings } = await flameOf(context, question, nodes, callSite);
    warn(call, warnings);
    done();
    return graph;
  };

  const stacktraces = async (
    request: Omit<SelectMergeStacktracesRequest, '$typeName'>,
    call: HandlerContext,
  ): Promise<Uint8Array> => {
    const question = await mergeQuestion(context, request, tenantOf(call));
    const selector = stackSelector(request.stackTraceSelector);
    const { format } = request;
    if (format === ProfileFormat.PPROF) return field(5, field(1, await pprofBytes(question, selector, call)));
    const { callSite } = selector;
    if (format === ProfileFormat.DOT) {
      const maxNodes = request.maxNodes ? nodesOf(context, request.maxNodes) : DOT_NODES;
      const graph = await flame(question, DOT_SOURCE_NODES, callSite, call);
      const dot = toDot(graph, { title: question.type, unit: question.unit, maxNodes });
      return dot === '' ? new Uint8Array(0) : field(3, Buffer.from(dot));
    }
    const nodes = nodesOf(context, request.maxNodes);
    const graph = await flame(question, nodes, callSite, call);
    if (format === ProfileFormat.TREE) {
      const tree = toTree(graph);
      return tree.length === 0 ? tree : field(2, tree);
    }
    return field(1, await flameGraphBytes(toFlamebearer(graph)));
  };

  return {
    selectMergeStacktraces: async (request, call) => {
      if (request.async !== undefined && request.async.type !== AsyncQueryType.DISABLED)
        throw new ConnectError('asynchronous queries are not supported', Code.Unimplemented);
      return encoded(SelectMergeStacktracesResponseSchema, await stacktraces(request, call), call);
    },

    selectMergeSpanProfile: async (request, call) => {
      const format = request.format === ProfileFormat.TREE ? ProfileFormat.TREE : ProfileFormat.FLAMEGRAPH;
      const bytes = await stacktraces(
        { ...request, format, profileIdSelector: [], traceIdSelector: [] },
        call,
      );
      return encoded(SelectMergeSpanProfileResponseSchema, bytes, call);
    },

    selectMergeProfile: async (request, call) => {
      const question = await mergeQuestion(context, request, tenantOf(call));
      const selector = stackSelector(request.stackTraceSelector);
      return encoded(ProfileSchema, await pprofBytes(question, selector, call), call);
    },
  };
}
