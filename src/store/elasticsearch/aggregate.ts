// SPDX-License-Identifier: Apache-2.0
// What can be answered without reading rows.
import type { estypes } from '@elastic/elasticsearch';
import type { LabelNames, LabelValues, Selection, Series } from '../store.js';
import type { Cluster } from './client.js';
import { type Filters, facetsOf, kindOf, LENIENT } from './filter.js';
import type { Indices } from './indices.js';

const PAGE = 5000;
const MOST_NAMES = 10_000;
/** Far above what a writer lists of a facet for one profile; the cluster's own limit on buckets is 65,536. */
const MOST_VALUES = 60_000;

type Terms = estypes.AggregationsStringTermsAggregate;

export class Aggregator {
  constructor(
    private readonly cluster: Cluster,
    private readonly indices: Indices,
    private readonly filters: Filters,
  ) {}

  async timeline(selection: Selection, stepMs: number, groupBy: string[], origin = 0): Promise<Series[]> {
    if (selection.from >= selection.until) return [];
    const sources: Record<string, estypes.AggregationsCompositeAggregationSource>[] = groupBy.map(
      (name, row) => ({
        [`group${row}`]: { terms: { field: `labels.${name}`, missing_bucket: true } },
      }),
    );
    sources.push({
      time: {
        date_histogram: { field: 'start', fixed_interval: `${stepMs}ms`, offset: `${origin % stepMs}ms` },
      },
    });
    const groups = new Map<string, Series>();
    let after: Record<string, estypes.FieldValue> | undefined;
    for (;;) {
      const { buckets, after_key } = (
        await this.#aggregate(selection, {
          series: {
            composite: { size: PAGE, sources, ...(after === undefined ? {} : { after }) },
            aggs: { high: { sum: { field: 'high' } }, low: { sum: { field: 'low' } } },
          },
        })
      ).series as estypes.AggregationsCompositeAggregate;
      for (const bucket of buckets as (estypes.AggregationsCompositeBucket & Sums)[]) {
        const labels = Object.fromEntries(
          groupBy.map((name, row) => [name, String(bucket.key[`group${row}`] ?? '')]),
        );
        const key = JSON.stringify(Object.values(labels));
        const series = groups.get(key) ?? { labels, times: [], totals: [], counts: [], profiles: 0 };
        groups.set(key, series);
        // Buckets of a group come in order of time.
        series.times.push(Number(bucket.key.time));
        series.totals.push((BigInt(bucket.high.value) << 32n) + BigInt(bucket.low.value));
        series.counts.push(bucket.doc_count);
        series.profiles += bucket.doc_count;
      }
      if (buckets.length === 0 || after_key === undefined) break;
      after = after_key;
    }
    return [...groups.values()];
  }

  async types(selection: Selection): Promise<string[]> {
    const { types } = await this.#aggregate(selection, {
      types: { terms: { field: 'type', size: MOST_NAMES } },
    });
    return keys(types as Terms).sort();
  }

  async labelNames(selection: Selection): Promise<LabelNames> {
    // A facet's name is what is in front of its value; there are few names and many values.
    const found = await this.#aggregate(selection, {
      names: { terms: { field: 'names', size: MOST_NAMES } },
      facets: { terms: { field: 'facets', size: MOST_VALUES } },
    });
    const sample = new Set(keys(found.facets as Terms).map(facet => facet.slice(0, facet.indexOf('='))));
    return { profile: keys(found.names as Terms).sort(), sample: [...sample].sort() };
  }

  async labelValues(name: string, selection: Selection, limit: number): Promise<LabelValues> {
    const found = await this.#aggregate(selection, {
      values: { terms: { field: `labels.${name}`, size: MOST_VALUES } },
      facets: { terms: { field: 'facets', size: MOST_VALUES, include: facetsOf(name) } },
    });
    const values = new Set(keys(found.values as Terms));
    let complete = [found.values, found.facets].every(
      terms => ((terms as Terms).sum_other_doc_count ?? 0) === 0,
    );
    for (const facet of keys(found.facets as Terms)) {
      const value = facet.slice(name.length + 1);
      if (value === '') complete = false;
      else values.add(value);
    }
    const sorted = [...values].sort();
    return { values: sorted.slice(0, limit), omitted: Math.max(0, sorted.length - limit), complete };
  }

  async #aggregate(
    selection: Selection,
    aggs: Record<string, estypes.AggregationsAggregationContainer>,
  ): Promise<Record<string, estypes.AggregationsAggregate>> {
    const query = await this.filters.of(selection);
    const found = await this.cluster.run(client =>
      client.search({
        index: this.indices.profilesIn(kindOf(selection), selection.from, selection.until),
        ...LENIENT,
        size: 0,
        track_total_hits: false,
        query,
        aggs,
      }),
    );
    // Without an index there are no aggregations at all.
    const none: Terms & { buckets: [] } = { buckets: [], sum_other_doc_count: 0 };
    return Object.fromEntries(Object.keys(aggs).map(name => [name, found.aggregations?.[name] ?? none]));
  }
}

interface Sums {
  high: { value: number };
  low: { value: number };
}

function keys({ buckets }: Terms): string[] {
  return (buckets as estypes.AggregationsStringTermsBucket[]).map(({ key }) => String(key));
}
