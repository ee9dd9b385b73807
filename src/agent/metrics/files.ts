// SPDX-License-Identifier: Apache-2.0
// What collectors read from /proc, /sys and the folders of cgroups.
import { z } from 'zod';
import { StackwellError } from '../../errors.js';
import { readSmall } from '../procfs/file.js';
import type { PresentContainer } from './targets.js';

/** Ticks of /proc/stat and cpuacct.stat in a second: USER_HZ, the same on every machine that we are made for. */
export const USER_HZ = 100;

/** A regular expression. */
export const pattern = z.string().refine(
  text => {
    try {
      return new RegExp(text) !== null;
    } catch {
      return false;
    }
  },
  { error: 'is no regular expression' },
);

/** For the start of a collector. @throws SW_COLLECTOR_UNAVAILABLE when this kernel does not have the file */
export function need(path: string): void {
  if (readSmall(path, 16) === null)
    throw new StackwellError('SW_COLLECTOR_UNAVAILABLE', { reason: `${path} cannot be read` });
}

/** A file in the cgroup of a container; null when there is none. */
export function readOf(container: PresentContainer, controller: string, file: string): string | null {
  const directory = container.directory(controller);
  return directory === null ? null : readSmall(`${directory}/${file}`);
}
