// SPDX-License-Identifier: Apache-2.0
// ProfileTypes, LabelNames, LabelValues, Series: what there is.
import type { ServiceImpl } from '@connectrpc/connect';
import { StackwellError } from '../../errors.js';
import { type Labels, type Matcher, parseType } from '../../profile/types.js';
import type { Selection } from '../../store/store.js';
import type { Context } from '../context.js';
import type { QuerierService } from '../gen/querier/v1/querier_pb.js';
import type { ProfileType } from '../gen/types/v1/types_pb.js';
import { resolveSelection } from '../query/question.js';
import { tenantOf } from '../rpc/handlers.js';
import { warn } from './answer.js';
import {
  isOfType,
  labelPairs,
  matchingTypes,
  PRIVATE_LABELS,
  storedName,
  valueOfType,
} from './private-labels.js';
import { everything, matchersOf, type Range, rangeOf } from './selection.js';

const MAX_VALUES = 100_000;
const MAX_SERIES = 50_000;
const MAX_NAMES = 64;
/** Of samples, found by matchers only: each value is nearly one of its kind. */
const IDS = new Set(['span_id', 'trace_id', 'profile_id']);
const LEGACY_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

type Methods = Pick<
  ServiceImpl<typeof QuerierService>,
  'profileTypes' | 'labelNames' | 'labelValues' | 'series'
>;

export function profileTypes(ids: string[]): Omit<ProfileType, '$typeName'>[] {
  return ids.flatMap(id => {
    const type = parseType(id);
    return type === null ? [] : [{ ID: id, ...type }];
  });
}

export function discoveryMethods(context: Context): Methods {
  const { discovery, metrics } = context;
  const timed = async <T>(kind: string, work: () => Promise<T>): Promise<T> => {
    const done = metrics.querySeconds.startTimer({ kind });
    const answer = await work();
    done();
    return answer;
  };

  /** One selection for all types, or one for each that is meant. */
  const select = async (
    selectors: string[],
    range: Range,
    tenant: string,
  ): Promise<{ whole: Selection; ofType: Matcher[]; warnings: string[] }> => {
    const { ofType, others } = matchersOf(selectors);
    const { selection, warnings } = await resolveSelection(discovery, others, range, tenant);
    return { whole: selection, ofType, warnings };
  };
  const typesOf = async (whole: Selection, ofType: Matcher[]): Promise<string[]> =>
    matchingTypes(await discovery.types(whole), ofType);
  const each = async <T>(
    whole: Selection,
    ofType: Matcher[],
    ask: (selection: Selection) => Promise<T>,
  ): Promise<T[]> => {
    if (ofType.length === 0) return [await ask(whole)];
    const found: T[] = [];
    for (const type of await typesOf(whole, ofType)) found.push(await ask({ ...whole, type }));
    return found;
  };

  return {
    profileTypes: ({ start, end }, call) =>
      timed('types', async () => {
        const range = start === 0n && end === 0n ? everything(context) : rangeOf({ start, end });
        const selection = { tenant: tenantOf(call), matchers: [], ...range };
        return { profileTypes: profileTypes(await discovery.types(selection)) };
      }),

    labelNames: ({ matchers, start, end }, call) =>
      timed('labels', async () => {
        const { whole, ofType, warnings } = await select(matchers, rangeOf({ start, end }), tenantOf(call));
        const found = await each(whole, ofType, selection => discovery.labelNames(selection));
        warn(call, warnings);
        const names = new Set(found.flatMap(({ profile, sample }) => [...profile, ...sample]));
        if (names.size === 0) return { names: [] };
        const all = (call.requestHeader.get('accept') ?? '').includes('allow-utf8-labelnames=true');
        return {
          names: [...names, ...PRIVATE_LABELS]
            .filter(name => !IDS.has(name) && (all || LEGACY_NAME.test(name)))
            .sort(),
        };
      }),

    labelValues: ({ name, matchers, start, end }, call) =>
      timed('label_values', async () => {
        if (name === '' || name.length > 1024)
          throw new StackwellError('SW_REQUEST_INVALID', {
            reason: 'name: of one label, up to 1024 characters',
          });
        const { whole, ofType, warnings } = await select(matchers, rangeOf({ start, end }), tenantOf(call));
        if (isOfType(name)) {
          const types = await typesOf(whole, ofType);
          warn(call, warnings);
          return { names: [...new Set(types.map(id => valueOfType(name, id)))].sort() };
        }
        const found = await each(whole, ofType, selection =>
          discovery.labelValues(storedName(name), selection, MAX_VALUES),
        );
        const values = [...new Set(found.flatMap(one => one.values))].sort();
        const omitted = found.some(one => one.omitted > 0 || !one.complete);
        warn(call, omitted ? [...warnings, `${name} has more values than are listed`] : warnings);
        return { names: values.slice(0, MAX_VALUES) };
      }),

    series: ({ matchers, labelNames, start, end }, call) =>
      timed('series', async () => {
        if (labelNames.length > MAX_NAMES)
          throw new StackwellError('SW_REQUEST_INVALID', { reason: `label_names: more than ${MAX_NAMES}` });
        const { whole, ofType, warnings } = await select(matchers, rangeOf({ start, end }), tenantOf(call));
        const sets = new Map<string, ReturnType<typeof labelPairs>>();
        for (const type of await typesOf(whole, ofType)) {
          const selection = { ...whole, type };
          const names =
            labelNames.length > 0
              ? [...new Set(labelNames)]
              : [...(await discovery.labelNames(selection)).profile, ...PRIVATE_LABELS].sort();
          const stored = [...new Set(names.filter(name => !isOfType(name)).map(storedName))];
          const found: Labels[] = stored.length === 0 ? [{}] : await discovery.series(selection, stored);
          for (const labels of found) {
            const pairs = labelPairs(names, type, labels);
            if (pairs.length > 0 && sets.size < MAX_SERIES)
              sets.set(JSON.stringify(pairs.map(({ name, value }) => [name, value])), pairs);
          }
        }
        warn(call, sets.size < MAX_SERIES ? warnings : [...warnings, `only ${MAX_SERIES} series are listed`]);
        return { labelsSet: [...sets.keys()].sort().map(key => ({ labels: sets.get(key)! })) };
      }),
  };
}
