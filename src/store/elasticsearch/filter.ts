// SPDX-License-Identifier: Apache-2.0
// A selection as a query. Regular expressions are RE2's in every store: the cluster lists values, they are tested here.
import type { estypes } from '@elastic/elasticsearch';
import { StackwellError } from '../../errors.js';
import type { Matcher } from '../../profile/types.js';
import type { Selection } from '../store.js';
import type { Cluster } from './client.js';
import type { Indices, Kind } from './indices.js';

type Query = estypes.QueryDslQueryContainer;

/** More values of one label than this cannot be tested one by one. */
const MOST_VALUES = 50_000;
/** Of one `terms` query; the cluster's own limit is 65,536. */
const MOST_TERMS = 60_000;

/** How the values of a label, or of a facet, are asked for. */
interface ValueSource {
  /** Values that documents of the selection so far have. */
  list(): Promise<string[]>;
  is(value: string[]): Query;
  exists: Query;
}

export const kindOf = ({ level = 0, wide = false }: Pick<Selection, 'level' | 'wide'>): Kind => ({
  level,
  wide,
});

export class Filters {
  constructor(
    private readonly cluster: Cluster,
    private readonly indices: Indices,
  ) {}

  /** @throws SW_QUERY_INVALID */
  async of(selection: Selection): Promise<Query> {
    const { tenant, type, matchers, sampleMatchers = [], partitions, from, until } = selection;
    const filter: Query[] = [{ range: { start: { gte: Math.ceil(from), lt: Math.ceil(until) } } }];
    if (tenant !== null) filter.push({ term: { tenant } });
    if (type !== undefined) filter.push({ term: { type } });
    if (partitions !== undefined) filter.push({ terms: { partition: partitions } });
    // Exact ones first: fewer values are left for those that are tested here.
    const isExact = ({ op }: Matcher) => op === '=' || op === '!=';
    for (const matcher of [...matchers].sort((a, b) => Number(isExact(b)) - Number(isExact(a))))
      filter.push(...(await this.#clauses(matcher, this.#label(matcher.name, selection, filter))));
    for (const matcher of sampleMatchers) {
      // A row without the label matches as '': then no list of values can exclude a profile.
      if (await matches(matcher, '')) continue;
      const source = this.#facet(matcher.name, selection, filter);
      filter.push({ bool: { should: [...(await this.#clauses(matcher, source)), source.is([''])] } });
    }
    return { bool: { filter } };
  }

  #label(name: string, selection: Selection, filter: Query[]): ValueSource {
    const field = `labels.${name}`;
    return {
      list: () => this.#values(selection, filter, field),
      is: values => oneOf(field, values),
      exists: { exists: { field } },
    };
  }

  #facet(name: string, selection: Selection, filter: Query[]): ValueSource {
    const prefix = `${name}=`;
    return {
      list: async () => {
        const values = await this.#values(selection, filter, 'facets', facetsOf(name));
        return values.map(value => value.slice(prefix.length)).filter(value => value !== '');
      },
      is: values =>
        oneOf(
          'facets',
          values.map(value => prefix + value),
        ),
      exists: { prefix: { facets: prefix } },
    };
  }

  async #clauses(matcher: Matcher, { list, is, exists }: ValueSource): Promise<Query[]> {
    const { op, value } = matcher;
    const absent: Query = { bool: { must_not: [exists] } };
    if (op === '=') return [value === '' ? absent : is([value])];
    if (op === '!=') return [value === '' ? exists : { bool: { must_not: [is([value])] } }];
    // What most questions ask for, without a list of what there is.
    if (op === '=~' && value === '.*') return [];
    if (op === '=~' && value === '.+') return [exists];
    const test = await tester(matcher);
    const withAbsent = test([''])[0] === 1;
    const values = await list();
    const hits = test(values);
    const matching = values.filter((_, row) => hits[row] === 1);
    if (matching.length === values.length) return withAbsent ? [] : [exists];
    const others = values.filter((_, row) => hits[row] !== 1);
    // The shorter list: what has the label and none of the others has one of those that match.
    if (others.length < matching.length) {
      const none: Query = { bool: { must_not: [is(others)] } };
      return withAbsent ? [none] : [exists, none];
    }
    return [withAbsent ? { bool: { should: [is(matching), absent] } } : is(matching)];
  }

  async #values(selection: Selection, filter: Query[], field: string, include?: string): Promise<string[]> {
    const found = await this.cluster.run(client =>
      client.search<unknown, { values: estypes.AggregationsStringTermsAggregate }>({
        index: this.indices.profilesIn(kindOf(selection), selection.from, selection.until),
        ...LENIENT,
        size: 0,
        track_total_hits: false,
        query: { bool: { filter } },
        aggs: {
          values: { terms: { field, size: MOST_VALUES, ...(include === undefined ? {} : { include }) } },
        },
      }),
    );
    // Without an index there are no aggregations at all.
    if (found.aggregations === undefined) return [];
    const { buckets, sum_other_doc_count: rest } = found.aggregations.values;
    if (rest! > 0)
      throw new StackwellError('SW_QUERY_INVALID', {
        reason: `more than ${MOST_VALUES} values are tested against the expression; use = or !=, or a shorter range`,
      });
    return (buckets as estypes.AggregationsStringTermsBucket[]).map(({ key }) => String(key));
  }
}

/** Indices that are not there have nothing. */
export const LENIENT = { ignore_unavailable: true, allow_no_indices: true } as const;

function oneOf(field: string, values: string[]): Query {
  if (values.length === 1) return { term: { [field]: values[0]! } };
  if (values.length <= MOST_TERMS) return { terms: { [field]: values } };
  return {
    bool: { should: [oneOf(field, values.slice(0, MOST_TERMS)), oneOf(field, values.slice(MOST_TERMS))] },
  };
}

/** Lucene's expression for all values of a facet. */
export function facetsOf(name: string): string {
  return `${name.replace(/[^a-zA-Z0-9_]/g, one => `\\${one}`)}=.*`;
}

async function tester({ op, value }: Matcher): Promise<(values: string[]) => Uint8Array> {
  if (op === '=' || op === '!=') {
    const same = op === '=' ? 1 : 0;
    return values => Uint8Array.from(values, one => (one === value ? same : 1 - same));
  }
  const { Matcher: Native } = await import('#native/profile');
  let native: InstanceType<typeof Native>;
  try {
    native = new Native(op, value);
  } catch (error) {
    throw new StackwellError('SW_QUERY_INVALID', { reason: (error as Error).message }, error);
  }
  return values => native.test(values);
}

async function matches(matcher: Matcher, value: string): Promise<boolean> {
  return (await tester(matcher))([value])[0] === 1;
}
