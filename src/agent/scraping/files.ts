// SPDX-License-Identifier: Apache-2.0
// Targets in files, in Prometheus' file_sd form: looked at often, read when they changed.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { type TargetGroup, targetGroupSchema } from '../../config/scrape.js';
import { StackwellError } from '../../errors.js';

const MAX_FILES = 256;
const MAX_BYTES = 1024 * 1024;

const groupsSchema = z.array(targetGroupSchema);

interface Known {
  version: string;
  groups: TargetGroup[];
}

export interface FoundFile {
  path: string;
  groups: TargetGroup[];
}

export class TargetFiles {
  private known = new Map<string, Known>();

  /** `*` stands for any text in the last part of a path. */
  constructor(private readonly patterns: readonly string[]) {}

  /**
   * What the files hold now. One that cannot be read keeps what it held before, so that half-written files cost
   * nothing; one that is gone holds nothing.
   */
  async read(): Promise<{ files: FoundFile[]; failures: StackwellError[] }> {
    const failures: StackwellError[] = [];
    const known = new Map<string, Known>();
    const paths = await this.paths();
    if (paths.length > MAX_FILES)
      failures.push(
        new StackwellError('SW_SCRAPE_TARGETS', {
          where: paths[MAX_FILES],
          reason: `over ${MAX_FILES} files`,
        }),
      );
    for (const path of paths.slice(0, MAX_FILES)) {
      const before = this.known.get(path);
      try {
        const { mtimeMs, size, ino } = await stat(path);
        const version = `${mtimeMs} ${size} ${ino}`;
        if (before?.version === version) known.set(path, before);
        else {
          if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_BYTES}`);
          known.set(path, { version, groups: parseGroups(path, await readFile(path, 'utf8')) });
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        if (before !== undefined) known.set(path, before);
        const reason = (error as Error).message.split('\n')[0];
        failures.push(new StackwellError('SW_SCRAPE_TARGETS', { where: path, reason }, error));
      }
    }
    this.known = known;
    return { files: [...known].map(([path, { groups }]) => ({ path, groups })), failures };
  }

  private async paths(): Promise<string[]> {
    const paths = new Set<string>();
    for (const pattern of this.patterns) {
      const name = basename(pattern);
      if (!name.includes('*')) {
        paths.add(pattern);
        continue;
      }
      const parts = name.split('*').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      const shape = new RegExp(`^${parts.join('.*')}$`, 's');
      const folder = dirname(pattern);
      for (const entry of await readdir(folder).catch(() => []))
        if (shape.test(entry) && !entry.startsWith('.')) paths.add(join(folder, entry));
    }
    return [...paths].sort();
  }
}

/** Throws what is wrong with it. */
function parseGroups(path: string, text: string): TargetGroup[] {
  let value: unknown;
  if (path.endsWith('.json')) value = JSON.parse(text);
  else {
    const document = parseDocument(text, { uniqueKeys: true });
    if (document.errors[0] !== undefined) throw document.errors[0];
    // Aliases are refused: a few lines of them can expand to gigabytes.
    value = document.toJS({ maxAliasCount: 0 });
  }
  const groups = groupsSchema.safeParse(value ?? []);
  if (groups.success) return groups.data;
  const { path: place, message } = groups.error.issues[0]!;
  throw new Error(`${place.map(String).join('.')}: ${message}`);
}
