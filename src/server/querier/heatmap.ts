// SPDX-License-Identifier: Apache-2.0
// SelectHeatmap: how large the profiles of each step are.
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { StackwellError } from '../../errors.js';
import { labelOf } from '../../profile/labels.js';
import type { ProfileRecord } from '../../store/store.js';
import type { Context } from '../context.js';
import { HeatmapQueryType, type QuerierService } from '../gen/querier/v1/querier_pb.js';
import { ExemplarType } from '../gen/types/v1/types_pb.js';
import { tenantOf } from '../rpc/handlers.js';
import { warn } from './answer.js';
import { type Points, pointAt, pointsOf } from './buckets.js';
import { type Exemplar, exemplar } from './exemplars.js';
import { groupLabels } from './point-series.js';
import { labelPairs } from './private-labels.js';
import { questionOf, rangeOf } from './selection.js';

const ROWS = 20;
const MAX_SERIES = 100;

interface Cells {
  labels: { name: string; value: string }[];
  times: number[];
  values: bigint[];
  /** Of each value, where exemplars are asked for. */
  exemplars: Exemplar[];
  sum: bigint;
}

/** Lower bounds of 20 rows of the same height, in whole numbers. */
export function rowBounds(least: bigint, most: bigint): bigint[] {
  const height = Number((most === least ? least + 1n : most) - least) / ROWS;
  return Array.from({ length: ROWS }, (_, row) => least + BigInt(Math.trunc(row * height)));
}

export function rowOf(value: bigint, bounds: bigint[]): number {
  return Math.max(
    0,
    bounds.findLastIndex(bound => value >= bound),
  );
}

export function heatmapMethods(context: Context): Pick<ServiceImpl<typeof QuerierService>, 'selectHeatmap'> {
  return {
    selectHeatmap: async (request, call) => {
      const { queryType, exemplarType, groupBy, limit = 0n } = request;
      if (queryType === HeatmapQueryType.SPAN)
        throw new ConnectError('heat maps are of profiles, not of spans', Code.Unimplemented);
      const withExemplars = exemplarType === ExemplarType.INDIVIDUAL;
      if (exemplarType === ExemplarType.SPAN)
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'exemplar_type: not that of query_type',
        });
      const range = rangeOf(request);
      const question = await questionOf(context, request, tenantOf(call), range);
      if ((question.selection.sampleMatchers ?? []).length > 0)
        throw new StackwellError('SW_REQUEST_INVALID', {
          reason: 'label_selector: heat maps are of whole profiles, not of a part of their samples',
        });
      const points = pointsOf(range, request.step);
      const { names, stored } = groupLabels(groupBy);
      const series = new Map<string, Cells>();
      const add = (record: ProfileRecord) => {
        const key = JSON.stringify(stored.map(name => labelOf(record.labels, name)));
        let cells = series.get(key);
        if (cells === undefined) {
          const labels = labelPairs(names, question.type, record.labels);
          cells = { labels, times: [], values: [], exemplars: [], sum: 0n };
          series.set(key, cells);
        }
        cells.times.push(pointAt(points, record.start));
        cells.values.push(record.total);
        cells.sum += record.total;
        if (withExemplars) cells.exemplars.push(exemplar(record, stored));
      };
      const done = context.metrics.querySeconds.startTimer({ kind: 'heatmap' });
      const warnings = await context.query.scan(question, records => records.forEach(add));
      done();
      const largest = [...series.values()]
        .sort((a, b) => b.values.length - a.values.length || Number(b.sum - a.sum))
        .slice(0, limit > 0n ? Math.min(Number(limit), MAX_SERIES) : MAX_SERIES);
      warn(
        call,
        limit <= 0n && series.size > largest.length
          ? [...warnings, `only the ${MAX_SERIES} largest series are given`]
          : warnings,
      );
      return { series: largest.length === 0 ? [] : toSeries(largest, points) };
    },
  };
}

function toSeries(all: Cells[], { stepMs, last }: Points) {
  let least: bigint | null = null;
  let most = 0n;
  for (const { values } of all)
    for (const value of values) {
      if (least === null || value < least) least = value;
      if (value > most) most = value;
    }
  const bounds = rowBounds(least!, most);
  const yMin = bounds.map(Number);
  return all.map(({ labels, times, values, exemplars }) => {
    const slots = new Map<number, { counts: number[]; best: (Exemplar | undefined)[] }>();
    for (const [at, value] of values.entries()) {
      // What comes after the last whole step is in one that ends after the range.
      const time = Math.min(times[at]!, last + stepMs);
      const slot = slots.get(time) ?? { counts: new Array<number>(ROWS).fill(0), best: [] };
      slots.set(time, slot);
      const row = rowOf(value, bounds);
      slot.counts[row]!++;
      const candidate = exemplars[at];
      if (candidate !== undefined && (slot.best[row]?.value ?? -1n) < candidate.value)
        slot.best[row] = candidate;
    }
    return {
      labels,
      slots: [...slots]
        .sort(([a], [b]) => a - b)
        .map(([time, { counts, best }]) => ({
          timestamp: BigInt(time),
          yMin,
          counts,
          exemplars: best
            .filter(one => one !== undefined)
            .map(({ id, time, value, labels }) => ({
              profileId: id,
              timestamp: BigInt(time),
              value,
              labels,
            })),
        })),
    };
  });
}
