// SPDX-License-Identifier: Apache-2.0
// What a profile can be narrowed to. A choice becomes matchers of the query; the query is what is asked.
import { equalTo, withLabels } from './query.js';

export interface Scope {
  id: 'host' | 'service' | 'container' | 'process';
  name: string;
  plural: string;
  /** Labels that tell its values apart and describe them. */
  labels: string[];
  /** Labels that a choice sets; choosing one clears the others. */
  sets: string[];
}

export const SCOPES: Scope[] = [
  { id: 'host', name: 'Host', plural: 'hosts', labels: ['host'], sets: ['host'] },
  { id: 'service', name: 'Service', plural: 'services', labels: ['service_name'], sets: ['service_name'] },
  {
    id: 'container',
    name: 'Container',
    plural: 'containers',
    labels: ['container_id', 'container', 'image'],
    sets: ['container_id', 'container'],
  },
  { id: 'process', name: 'Process', plural: 'processes', labels: [], sets: ['pid', 'process_name'] },
];

/** Enough of a container's id to tell it from others, as container tools show it. */
export function shortId(id: string): string {
  return /^[0-9a-f]{32,}$/.test(id) ? id.slice(0, 12) : id;
}

/** Sets one label of a scope and clears its others. */
export function choose(query: string, scope: Scope, label: string, value: string | null): string {
  return withLabels(query, { ...Object.fromEntries(scope.sets.map(l => [l, null])), [label]: value });
}

/** What a scope is narrowed to, as a person would say it, or null. */
export function chosen(query: string, scope: Scope): { label: string; value: string; text: string } | null {
  for (const label of scope.sets) {
    const value = equalTo(query, label);
    if (value !== null)
      return {
        label,
        value,
        text: label === 'pid' ? `pid ${value}` : label === 'container_id' ? shortId(value) : value,
      };
  }
  return null;
}
