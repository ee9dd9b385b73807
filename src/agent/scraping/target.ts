// SPDX-License-Identifier: Apache-2.0
import type { ScrapeJob, TargetGroup } from '../../config/scrape.js';
import { StackwellError } from '../../errors.js';
import type { Labels } from '../../profile/types.js';
import type { ContainerInfo } from '../containers/info.js';
import { cleanName } from '../procfs/text.js';
import { type Asks, asksOf } from './kinds.js';

export interface Target {
  job: ScrapeJob;
  scheme: 'http' | 'https';
  /** `host:port`, IPv6 in brackets. */
  address: string;
  asks: Asks;
  /** Those that were given: of the job, and of the target itself. */
  labels: Labels;
  /** The pod's container that listens there; null where nothing is known of it. */
  container: ContainerInfo | null;
  /** It runs on this host. */
  local: boolean;
}

const MAX_LABELS = 32;
const ADDRESS = /^(\[[0-9a-fA-F:.%\w]{2,80}\]|[\w.-]{1,253}):(\d{1,5})$/;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Null when it is not host:port. */
export function parseAddress(text: string): { host: string; port: number } | null {
  const [, host, digits] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  return host === undefined || port === 0 || port > 65_535 ? null : { host, port };
}

/** What a target is known by: it keeps what it has counted while this stays the same. */
export function keyOf({ job, scheme, address, asks, labels, container }: Target): string {
  return JSON.stringify([job.name, scheme, address, asks, labels, container?.id]);
}

/**
 * Targets of a list. Labels that start with `__` say how to ask, as in Prometheus: `__scheme__` does, others go.
 * @throws SW_SCRAPE_TARGETS where an address is none
 */
export function targetsOf(job: ScrapeJob, groups: TargetGroup[], where: string): Target[] {
  const asks = asksOf(job.profiles);
  return groups.flatMap(group => {
    const given = Object.entries(group.labels);
    const invalid = (reason: string) => new StackwellError('SW_SCRAPE_TARGETS', { where, reason });
    if (given.length > MAX_LABELS) throw invalid(`a list of targets has more than ${MAX_LABELS} labels`);
    const labels = Object.fromEntries(
      given.filter(([name]) => !name.startsWith('__')).map(([name, value]) => [name, cleanName(value, 2048)]),
    );
    const scheme = group.labels.__scheme__ ?? job.scheme;
    if (scheme !== 'http' && scheme !== 'https') throw invalid(`__scheme__ is neither http nor https`);
    return group.targets.map(address => {
      const parsed = parseAddress(address);
      if (parsed === null) throw invalid(`${JSON.stringify(address.slice(0, 300))} is not host:port`);
      return {
        job,
        scheme,
        address,
        asks,
        labels: { ...job.labels, ...labels },
        container: null,
        local: LOOPBACK.test(parsed.host),
      };
    });
  });
}
