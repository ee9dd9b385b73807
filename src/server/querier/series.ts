// SPDX-License-Identifier: Apache-2.0
// SelectSeries: sums, or averages, over time.
import type { ServiceImpl } from '@connectrpc/connect';
import { StackwellError } from '../../errors.js';
import type { Context } from '../context.js';
import type { QuerierService } from '../gen/querier/v1/querier_pb.js';
import { ExemplarType, TimeSeriesAggregationType } from '../gen/types/v1/types_pb.js';
import { tenantOf } from '../rpc/handlers.js';
import { warn } from './answer.js';
import { pointsOf } from './buckets.js';
import { type Exemplar, exemplarsOf } from './exemplars.js';
import { groupLabels, pointSeries } from './point-series.js';
import { questionOf, rangeOf } from './selection.js';

export function seriesMethods(context: Context): Pick<ServiceImpl<typeof QuerierService>, 'selectSeries'> {
  return {
    selectSeries: async (request, call) => {
      const { groupBy, step, aggregation, exemplarType, limit = 0n } = request;
      if ((request.stackTraceSelector?.callSite.length ?? 0) > 0 || request.stackTraceSelector?.goPgo)
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'stack_trace_selector: series are of whole profiles',
        });
      if (exemplarType === ExemplarType.SPAN)
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'exemplar_type: series have exemplars of profiles only',
        });
      const range = rangeOf(request);
      const question = await questionOf(context, request, tenantOf(call), range);
      const points = pointsOf(range, step);
      const average = aggregation === TimeSeriesAggregationType.AVERAGE;
      const withExemplars = exemplarType === ExemplarType.INDIVIDUAL;
      const { series, warnings } = await pointSeries(context, question, points, {
        groupBy,
        average,
        limit: limit > 0n ? Number(limit) : 0,
        // An exemplar belongs to the point that it is counted in.
        exact: average || withExemplars,
      });
      const exemplars = withExemplars
        ? await exemplarsOf(context, question, points, groupLabels(groupBy).stored)
        : null;
      warn(call, [...warnings, ...(exemplars?.warnings ?? [])]);
      return {
        series: series.map(({ labels, points, key }) => ({
          labels,
          points: points.map(({ value, timestamp }) => ({
            value,
            timestamp: BigInt(timestamp),
            exemplars: exemplars?.at(key, timestamp).map(toMessage) ?? [],
          })),
        })),
      };
    },
  };
}

function toMessage({ id, time, value, labels }: Exemplar) {
  return { profileId: id, timestamp: BigInt(time), value, labels };
}
