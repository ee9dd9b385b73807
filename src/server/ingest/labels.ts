// SPDX-License-Identifier: Apache-2.0
// Labels as clients send them become labels as they are stored.
import { StackwellError } from '../../errors.js';
import { type Labels, SAMPLE_LABELS } from '../../profile/types.js';

const MAX_LABELS = 64;
const MAX_NAME = 1024;
const MAX_VALUE = 2048;
const RESERVED = new Set<string>(SAMPLE_LABELS);

function invalid(reason: string): StackwellError {
  return new StackwellError('SW_REQUEST_INVALID', { reason });
}

/**
 * Private labels (`__name__`, `__session_id__`, …) and empty values go; names become what Prometheus allows; a name that
 * belongs to samples gets Prometheus' prefix for such conflicts. @throws SW_REQUEST_INVALID past a limit
 */
export function storedLabels(sent: Iterable<readonly [string, string]>): Labels {
  const labels: Labels = {};
  for (const [name, value] of sent) {
    if (name.startsWith('__') || name === '' || value === '') continue;
    if (name.length > MAX_NAME) throw invalid(`a label name is over ${MAX_NAME} characters`);
    if (value.length > MAX_VALUE) throw invalid(`the value of label ${name} is over ${MAX_VALUE} characters`);
    const allowed = name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_');
    labels[RESERVED.has(allowed) ? `exported_${allowed}` : allowed] = value;
  }
  labels.service_name ??= 'unknown_service';
  const names = Object.keys(labels).sort();
  if (names.length > MAX_LABELS) throw invalid(`there are more than ${MAX_LABELS} labels`);
  return Object.fromEntries(names.map(name => [name, labels[name]!]));
}

/** `app{key=value,other=value}` of /ingest. @throws SW_REQUEST_INVALID */
export function parseAppName(text: string): { app: string; labels: [string, string][] } {
  const open = text.indexOf('{');
  if (open === -1) return { app: text.trim(), labels: [] };
  if (!text.trimEnd().endsWith('}')) throw invalid('name: the brace is not closed');
  const labels: [string, string][] = [];
  const inner = text.trimEnd().slice(open + 1, -1);
  for (const pair of inner.split(',')) {
    if (pair.trim() === '') continue;
    const equals = pair.indexOf('=');
    if (equals === -1) throw invalid(`name: ${JSON.stringify(pair)} is not key=value`);
    labels.push([pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]);
  }
  return { app: text.slice(0, open).trim(), labels };
}

/**
 * The name of a profile by what its sender shows its sample types as: Go's mutex and block profiles have the same ones.
 * Null where that says nothing. @param config JSON of the field sample_type_config: settings by sample type
 */
export function configuredName(config: string): string | null {
  let settings: unknown;
  try {
    settings = JSON.parse(config);
  } catch (error) {
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'sample_type_config is not JSON' }, error);
  }
  if (typeof settings !== 'object' || settings === null) return null;
  const shown = Object.values(settings)
    .map(one => (one as { 'display-name'?: unknown } | null)?.['display-name'])
    .filter(name => typeof name === 'string');
  const name = profileName(shown);
  return shown.length === 0 || name === shown.at(-1) ? null : name;
}

/** The name of a profile whose sender gave none, by its sample types; the rules that push clients rely on. */
export function profileName(sampleTypes: string[]): string {
  if (sampleTypes.includes('wall')) return 'wall';
  for (const type of sampleTypes) {
    if (type.includes('cpu')) return 'process_cpu';
    if (type.includes('alloc_') || type.includes('inuse_') || type === 'space' || type === 'objects')
      return 'memory';
    if (type.includes('mutex_')) return 'mutex';
    if (type.includes('block_')) return 'block';
    if (type.includes('goroutine')) return 'goroutines';
  }
  return sampleTypes.at(-1) || 'unknown';
}
