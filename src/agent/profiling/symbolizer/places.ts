// SPDX-License-Identifier: Apache-2.0
// Where a mapped file, and its debug information, can be found.
import { posix } from 'node:path';
import type { Opened } from '#native/descriptors';
import type { Opener } from '../../../symbolizer/opener.js';
import type { SymbolInput } from '../symbols.js';

/** A file that may be the one that was mapped. */
export interface Place {
  opened: Opened;
  /** Root and path that it was opened by, for its neighbours. */
  root: string;
  path: string;
  /** It is what the process has mapped, and not merely what has the same path. */
  mapped: boolean;
}

const DELETED = ' (deleted)';

/** Path in its mount namespace; '' if it has none (any more). */
export function pathOf(mapped: string): string {
  if (!mapped.startsWith('/') || mapped.startsWith('/memfd:') || mapped.startsWith('//')) return '';
  return mapped.endsWith(DELETED) ? mapped.slice(0, -DELETED.length) : mapped;
}

/**
 * Opens what was mapped, best first: what the process has mapped; the path in its root; the path in the root of
 * another process with the same executable, or of its parents, which are mostly in the same container; the path in
 * our own root. The caller closes what it takes and what it leaves.
 */
export async function* places(input: SymbolInput, mapping: number, opener: Opener): AsyncGenerator<Place> {
  const { mappings } = input;
  const pid = mappings.pid[mapping]!;
  const path = pathOf(mappings.path[mapping]!);
  const own = `/proc/${pid}/root`;

  const found = await opener.mapped(pid, mappings.start[mapping]!, mappings.end[mapping]!);
  if (found !== null) yield { opened: found, root: own, path, mapped: true };
  if (path === '') return;
  for (const root of [own, ...relatives(input, mapping, pid).map(other => `/proc/${other}/root`), '/']) {
    const opened = await opener.inRoot(root, path);
    if (opened !== null) yield { opened, root, path, mapped: false };
  }
}

/** Processes that may share the root of `pid`; a few. */
function relatives(input: SymbolInput, mapping: number, pid: number): number[] {
  const { processes } = input;
  const related = new Set<number>();
  const parents = new Map<number, number>();
  for (let row = 0; row < processes.pid.length; row++) {
    parents.set(processes.pid[row]!, processes.parent[row]!);
    if (processes.executableMapping[row] === mapping && processes.alive[row] === 1 && related.size < 3)
      related.add(processes.pid[row]!);
  }
  let parent = parents.get(pid);
  for (let up = 0; up < 3 && parent !== undefined && parent > 1; up++) {
    related.add(parent);
    parent = parents.get(parent);
  }
  related.delete(pid);
  return [...related];
}

/** Folder of debug files; in every root. */
const DEBUG = '/usr/lib/debug';

function byBuildId(buildId: string): string[] {
  return buildId.length >= 8 ? [`${DEBUG}/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`] : [];
}

/** A name in an ELF file becomes part of a path only if it is nothing but a name. */
export function isBaseName(name: string): boolean {
  return (
    name !== '' &&
    name.length <= 255 &&
    name !== '.' &&
    name !== '..' &&
    !name.includes('/') &&
    !name.includes('\0')
  );
}

/** Paths where the debug file of `path` can be, best first. */
export function debugPaths(path: string, buildId: string, debugLink: string): string[] {
  const paths = byBuildId(buildId);
  if (isBaseName(debugLink) && path !== '') {
    const folder = posix.dirname(posix.normalize(path));
    paths.push(`${folder}/${debugLink}`, `${folder}/.debug/${debugLink}`, `${DEBUG}${folder}/${debugLink}`);
  }
  return paths;
}

/** Paths where a supplementary file can be; it is named relative to the debug file at `path`. */
export function supplementPaths(path: string, supplement: string, buildId: string): string[] {
  const paths = byBuildId(buildId);
  if (supplement !== '' && !supplement.includes('\0') && supplement.length < 4096 && path !== '') {
    const named = posix.resolve(posix.dirname(posix.normalize(path)), supplement);
    // Only where debug files are: this path is the file's own word.
    if (named.startsWith(`${DEBUG}/`)) paths.push(named);
  }
  return paths;
}
