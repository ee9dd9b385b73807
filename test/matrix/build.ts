// SPDX-License-Identifier: Apache-2.0
// Folders of built programs, made again when what they are made from has changed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const PROGRAMS = path.join(here, 'programs');
const output = path.resolve(here, '../../build/test/matrix');

/** Of versions of a runtime: the first and the last, unless everything is asked for (`script/matrix`). */
export const measured = <T>(versions: T[]): T[] =>
  process.env.MATRIX === 'all' ? versions : [versions[0]!, versions.at(-1)!];

/** Folder with what `build` made; `recipe` is the URL of the module that says how. Its name holds the content of both. */
export function built(
  name: string,
  sources: string,
  recipe: string,
  build: (folder: string) => void,
): string {
  const hash = createHash('sha1').update(name);
  const files = readdirSync(sources, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath, entry.name));
  for (const file of [...files.sort(), path.resolve(here, '../programs/clock.h'), fileURLToPath(recipe)])
    hash.update(path.basename(file)).update(readFileSync(file));
  const plain = name.replaceAll(/[^\w.]+/g, '-');
  const folder = path.join(output, `${plain}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(output, { recursive: true });
  for (const old of readdirSync(output))
    if (old.slice(0, -13) === plain) rmSync(path.join(output, old), { recursive: true });
  // Complete under its name, or not there: a build may fail half-way.
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  build(unfinished);
  renameSync(unfinished, folder);
  return folder;
}
