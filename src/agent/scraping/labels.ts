// SPDX-License-Identifier: Apache-2.0
// Labels of what was scraped: as docs/labels.md has them, from what is known of a target and of its profile.
import type { Labels } from '../../profile/types.js';
import { baseName, cleanName } from '../procfs/text.js';
import { containerLabels, deployOf, type Facts, serviceName } from '../profiling/service.js';
import type { Kind } from './kinds.js';
import type { Target } from './target.js';

export interface Common {
  host: string;
  /** Added to every profile; what is found by itself wins. */
  labels: Labels;
  /** '' = found by itself. */
  serviceName: string;
  deploy: string;
}

/** What was given for a target wins over everything. `program` and `buildId` as the profile's first mapping has them. */
export function labelsOf(
  { job, address, labels, container, local }: Target,
  kind: Kind,
  { program, buildId }: { program: string; buildId: string },
  common: Common,
): Labels {
  const facts: Facts = {
    configuredName: common.serviceName,
    configuredDeploy: common.deploy,
    container,
    unit: '',
    environment: new Map(),
    program: baseName(program),
    mainFile: buildId,
  };
  const found: Labels = {
    ...common.labels,
    ...containerLabels(container),
    ...(local ? { host: common.host } : {}),
    job: job.name,
    instance: address,
    service_name: serviceName(facts),
    deploy: deployOf(facts),
    build_id: cleanName(buildId),
    ...labels,
    __name__: kind,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== ''));
}
