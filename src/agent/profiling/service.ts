// SPDX-License-Identifier: Apache-2.0
// The rules that name a service and say which deploy of it runs. Pure: facts in, labels out. docs/labels.md has them
// as a table.
import type { Labels } from '../../profile/types.js';
import type { ContainerInfo } from '../containers/info.js';
import { cleanName } from '../procfs/text.js';

/** The variables of a process that are read, and nothing else of its environment. */
export const ENVIRONMENT = ['OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES'] as const;

export interface Facts {
  /** Of the configuration; '' where not given. */
  configuredName: string;
  configuredDeploy: string;
  container: ContainerInfo | null;
  /** systemd unit without its ending; '' when there is none. */
  unit: string;
  environment: ReadonlyMap<string, string>;
  /** Name of the program, see program.ts. */
  program: string;
  /** Identity of the main program's file: build id, or for Java a digest of the jar; '' while it is not known. */
  mainFile: string;
}

/** First of: configured, pod or container, OTEL, systemd unit, program. */
export function serviceName(facts: Facts): string {
  const { container } = facts;
  const otel = resourceAttributes(facts.environment.get('OTEL_RESOURCE_ATTRIBUTES') ?? '');
  const candidates = [
    facts.configuredName,
    container?.labels['app.kubernetes.io/name'],
    container?.labels.app,
    container?.name,
    facts.environment.get('OTEL_SERVICE_NAME'),
    otel.get('service.name'),
    facts.unit,
    facts.program,
  ];
  // A container of which only the id is known falls through: its id would be a new service with every restart.
  return firstNamed(candidates) || 'unknown';
}

/** First of: configured, pod's version label, image tag or digest, OTEL, the main program's file. */
export function deployOf(facts: Facts): string {
  const otel = resourceAttributes(facts.environment.get('OTEL_RESOURCE_ATTRIBUTES') ?? '');
  return firstNamed([
    facts.configuredDeploy,
    facts.container?.labels['app.kubernetes.io/version'],
    imageVersion(facts.container?.image ?? ''),
    otel.get('service.version'),
    facts.mainFile,
  ]);
}

function firstNamed(candidates: (string | undefined)[]): string {
  for (const candidate of candidates) {
    const name = cleanName(candidate ?? '').trim();
    if (name !== '') return name;
  }
  return '';
}

/** Labels of the container, those that are known. */
export function containerLabels(container: ContainerInfo | null): Labels {
  if (container === null) return {};
  const labels: Labels = {
    container: container.name,
    container_id: container.id,
    pod: container.pod,
    namespace: container.namespace,
    image: container.image,
  };
  for (const [name, value] of Object.entries(labels)) {
    labels[name] = cleanName(value);
    if (labels[name] === '') delete labels[name];
  }
  return labels;
}

/** `registry:5000/name:tag@sha256:…`: the tag, else the digest's first 12 characters; 'latest' says nothing, '' then. */
export function imageVersion(image: string): string {
  const [reference, digest] = image.split('@', 2) as [string, string?];
  const last = reference.slice(reference.lastIndexOf('/') + 1);
  const tag = last.includes(':') ? last.slice(last.indexOf(':') + 1) : '';
  // An image known by its id only: `sha256:…` is then the whole name.
  if (reference.startsWith('sha256:')) return tag.slice(0, 12);
  if (tag !== '' && tag !== 'latest') return tag;
  return digest?.startsWith('sha256:') ? digest.slice(7, 19) : '';
}

/** `key=value,key=value` with percent-encoded values, as the OpenTelemetry specification of the variable has it. */
export function resourceAttributes(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const pair of text.split(',', 128)) {
    const at = pair.indexOf('=');
    if (at <= 0) continue;
    const value = pair.slice(at + 1).trim();
    let decoded = value;
    try {
      decoded = decodeURIComponent(value);
    } catch {
      // Not percent-encoded though it has a percent sign: taken as it is.
    }
    attributes.set(pair.slice(0, at).trim(), decoded);
  }
  return attributes;
}
