// SPDX-License-Identifier: Apache-2.0
// What a service is called and which deploy of it runs: the agent's rules (docs/labels.md), as far as a process knows
// the facts about itself, so that both put their profiles under the same name.
import { hostname } from 'node:os';
import { cleanName } from '../agent/procfs/text.js';
import { programOf } from '../agent/profiling/program.js';
import { resourceAttributes } from '../agent/profiling/service.js';
import type { ClientOptions } from './options.js';

export type Environment = Record<string, string | undefined>;

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const MAX_LABELS = 32;

/**
 * Labels of every profile. `deploy` is absent where nothing says it: the version of package.json is not asked, for in
 * most services it stays while deploys come and go, and two deploys under one name could not be told apart.
 */
export function identity(
  options: ClientOptions,
  env: Environment,
  argv: readonly string[],
  invalid: (reason: string) => Error,
): Record<string, string> {
  const otel = resourceAttributes(env.OTEL_RESOURCE_ATTRIBUTES ?? '');
  const first = (...candidates: (string | undefined)[]) => {
    for (const candidate of candidates) {
      const name = cleanName(candidate ?? '').trim();
      if (name !== '') return name;
    }
    return '';
  };
  for (const name of ['serviceName', 'deploy'] as const)
    if (options[name] !== undefined && first(typeof options[name] === 'string' ? options[name] : '') === '')
      throw invalid(`${name} must be a text that is not empty`);
  const script = programOf('node', argv.slice(0, 2), 'node').name;
  const labels: Record<string, string> = {
    service_name: first(
      options.serviceName,
      env.STACKWELL_SERVICE_NAME,
      env.OTEL_SERVICE_NAME,
      otel.get('service.name'),
      script,
    ),
    deploy: first(options.deploy, env.STACKWELL_DEPLOY, otel.get('service.version')),
    host: first(hostname()),
    // The agent's profiles of the same service have none: with both, this tells them apart.
    profiler: 'stackwell-client',
    process_runtime_name: 'nodejs',
    process_runtime_version: process.versions.node,
  };
  const own = Object.entries(options.labels ?? {});
  if (own.length > MAX_LABELS) throw invalid(`there are more than ${MAX_LABELS} labels`);
  for (const [name, value] of own) {
    if (!LABEL_NAME.test(name) || name.startsWith('__') || name.length > 64)
      throw invalid(`labels: ${JSON.stringify(name)} is not a name that Prometheus allows`);
    if (name === 'service_name' || name === 'deploy')
      throw invalid(`labels: ${name} has an option of its own`);
    if (typeof value !== 'string' && !Number.isFinite(value))
      throw invalid(`labels: the value of ${name} must be a text or a number`);
    labels[name] = cleanName(String(value));
  }
  for (const [name, value] of Object.entries(labels)) if (value === '') delete labels[name];
  return labels;
}
