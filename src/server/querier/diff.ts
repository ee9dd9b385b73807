// SPDX-License-Identifier: Apache-2.0
// Diff: two selections in one call tree.
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import {
  DiffResponseSchema,
  type QuerierService,
  SelectMergeStacktracesRequestSchema,
} from '../gen/querier/v1/querier_pb.js';
import { tenantOf } from '../rpc/handlers.js';
import { warn } from './answer.js';
import { diffOf } from './compare.js';
import { nodesOf } from './selection.js';
import { mergeQuestion, stackSelector } from './stacktraces.js';
import { encoded, field, flameGraphBytes } from './wire.js';

export function diffMethods(context: Context): Pick<ServiceImpl<typeof QuerierService>, 'diff'> {
  return {
    diff: async (request, call) => {
      const tenant = tenantOf(call);
      const sides = [request.left, request.right].map(
        side => side ?? create(SelectMergeStacktracesRequestSchema),
      );
      if (sides.some(({ profileIdSelector }) => profileIdSelector.length > 0))
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'profile_id_selector: a diff is of selections, not of single profiles',
        });
      const selectors = sides.map(({ stackTraceSelector }) => stackSelector(stackTraceSelector).callSite);
      if (JSON.stringify(selectors[0]) !== JSON.stringify(selectors[1]))
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'stack_trace_selector: must be the same on both sides',
        });
      const nodes = Math.max(...sides.map(({ maxNodes }) => nodesOf(context, maxNodes)));
      const [left, right] = [
        await mergeQuestion(context, sides[0]!, tenant),
        await mergeQuestion(context, sides[1]!, tenant),
      ];
      const { graph, warnings } = await diffOf(context, left, right, nodes, selectors[0]);
      warn(call, warnings);
      return encoded(DiffResponseSchema, field(1, await flameGraphBytes(graph)), call);
    },
  };
}
