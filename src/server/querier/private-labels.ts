// SPDX-License-Identifier: Apache-2.0
// Labels that Pyroscope gives every series and that follow from its type or from another label.
import { Matcher as NativeMatcher } from '#native/profile';
import { type Labels, type Matcher, type ProfileType, parseType } from '../../profile/types.js';

const OF_TYPE: Record<string, (type: ProfileType, id: string) => string> = {
  __name__: ({ name }) => name,
  __period_type__: ({ periodType }) => periodType,
  __period_unit__: ({ periodUnit }) => periodUnit,
  __profile_type__: (_, id) => id,
  __type__: ({ sampleType }) => sampleType,
  __unit__: ({ sampleUnit }) => sampleUnit,
};
const ALIASES: Record<string, string> = { __service_name__: 'service_name' };

export const PRIVATE_LABELS = [...Object.keys(OF_TYPE), ...Object.keys(ALIASES)].sort();

export function isOfType(name: string): boolean {
  return Object.hasOwn(OF_TYPE, name);
}

/** Under which name it is stored. */
export function storedName(name: string): string {
  return Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
}

/** '' for a type that is none. */
export function valueOfType(name: string, id: string): string {
  const type = parseType(id);
  return type === null ? '' : OF_TYPE[name]!(type, id);
}

export function splitMatchers(matchers: Matcher[]): { ofType: Matcher[]; others: Matcher[] } {
  return {
    ofType: matchers.filter(({ name }) => isOfType(name)),
    others: matchers
      .filter(({ name }) => !isOfType(name))
      .map(matcher => ({ ...matcher, name: storedName(matcher.name) })),
  };
}

/** Those of the types that all matchers let pass. */
export function matchingTypes(ids: string[], matchers: Matcher[]): string[] {
  let left = ids;
  for (const { name, op, value } of matchers) {
    const hits = new NativeMatcher(op, value).test(left.map(id => valueOfType(name, id)));
    left = left.filter((_, row) => hits[row] === 1);
  }
  return left;
}

/** As `name, value` pairs, those without a value left out; names are as they were asked for. */
export function labelPairs(names: string[], id: string, labels: Labels): { name: string; value: string }[] {
  return names
    .map(name => ({
      name,
      value: isOfType(name) ? valueOfType(name, id) : (labels[storedName(name)] ?? ''),
    }))
    .filter(({ value }) => value !== '');
}
