// SPDX-License-Identifier: Apache-2.0
// GetProfileStats: since when there are profiles, and until when. AnalyzeQuery: nothing is known before a query has run.
import type { ServiceImpl } from '@connectrpc/connect';
import type { Context } from '../context.js';
import type { QuerierService } from '../gen/querier/v1/querier_pb.js';
import { tenantOf } from '../rpc/handlers.js';
import { everything, type Range } from './selection.js';

const HOUR_MS = 3_600_000;
const SECOND_MS = 1000;

export function statsMethods(
  context: Context,
): Pick<ServiceImpl<typeof QuerierService>, 'getProfileStats' | 'analyzeQuery'> {
  const times = async (tenant: string, range: Range, stepMs: number): Promise<number[]> => {
    const selection = { tenant, matchers: [], ...range };
    const question = { selection, type: '', unit: '', warnings: [] };
    return (await context.query.timeline(question, stepMs, [])).series[0]?.times ?? [];
  };
  return {
    getProfileStats: async (_, call) => {
      const tenant = tenantOf(call);
      const hours = await times(tenant, everything(context), HOUR_MS);
      if (hours.length === 0) return { dataIngested: false };
      const [first, last] = [hours[0]!, hours.at(-1)!];
      const within = async (hour: number) => times(tenant, { from: hour, until: hour + HOUR_MS }, SECOND_MS);
      // Where only rollups are left, their start is all that is known.
      return {
        dataIngested: true,
        oldestProfileTime: BigInt((await within(first))[0] ?? first),
        newestProfileTime: BigInt((await within(last)).at(-1) ?? last),
      };
    },

    analyzeQuery: () => ({}),
  };
}
