// SPDX-License-Identifier: Apache-2.0
// What `record` writes. The engine is loaded when there is something to write, so that a checkout that is not built
// can still say what is wrong with it.
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { RecordResult } from '../agent/record.js';
import { StackwellError } from '../errors.js';
import { toFolded } from '../profile/formats/folded.js';
import { toSpeedscope } from '../profile/formats/speedscope.js';
import { toSvg } from '../profile/formats/svg.js';
import { combineTypes } from './combine.js';

export type Format = 'pprof' | 'svg' | 'folded' | 'speedscope';
const ENDINGS: [ending: string, format: Format][] = [
  ['.pb.gz', 'pprof'],
  ['.pprof', 'pprof'],
  ['.svg', 'svg'],
  ['.folded', 'folded'],
  ['.speedscope.json', 'speedscope'],
];

/** What the ending of a path asks for; SW_USAGE when it asks for nothing known. */
export function formatOf(path: string): [ending: string, format: Format] {
  const found = ENDINGS.find(([ending]) => path.endsWith(ending));
  if (found !== undefined) return found;
  const endings = ENDINGS.map(([ending]) => ending).join(', ');
  throw new StackwellError('SW_USAGE', { reason: `-o ${path}: the ending says the format: ${endings}` });
}

/** `out.svg` and type offcpu: `out.offcpu.svg`. */
function withType(path: string, ending: string, type: string): string {
  return `${path.slice(0, -ending.length)}.${type}${ending}`;
}

function cannotWrite(path: string, error: unknown): StackwellError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return new StackwellError('SW_DISK_FULL', { path }, error);
  return new StackwellError('SW_OUTPUT', { path, reason: message }, error);
}

/** Before sampling starts: the seconds should not be lost to a typing mistake in the path. */
export function checkWritable(path: string): void {
  const probe = `${path}.${process.pid}.tmp`;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error('it is a folder');
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Under another name first, so that nothing half written is ever seen under this one. */
function write(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw cannotWrite(path, error);
  }
}

async function render(format: Exclude<Format, 'pprof'>, pprof: Uint8Array, title: string): Promise<string> {
  const { Merger } = await import('#native/profile');
  const merger = new Merger();
  await merger.addPprof(pprof);
  const flame = await merger.flamegraph(format === 'svg' ? { maxNodes: 8192 } : {});
  if (format === 'svg') return toSvg(flame, { title, unit: 'nanoseconds' });
  if (format === 'folded') return toFolded(flame);
  return JSON.stringify(toSpeedscope(flame, { name: title, unit: 'nanoseconds' }));
}

async function combine(profiles: Uint8Array[]): Promise<Uint8Array> {
  const { decode, encode } = await import('#native/profile');
  return encode(combineTypes(await Promise.all(profiles.map(one => decode(one)))), { gzipLevel: 6 });
}

/** Writes what was recorded; returns the names of the files. */
export async function save(result: RecordResult, path: string): Promise<string[]> {
  const { profiles } = result;
  const [ending, format] = formatOf(path);
  if (format === 'pprof') {
    write(path, profiles.length === 1 ? profiles[0]!.pprof : await combine(profiles.map(one => one.pprof)));
    return [path];
  }
  const files: string[] = [];
  for (const { type, pprof } of profiles) {
    const file = profiles.length === 1 ? path : withType(path, ending, type);
    write(file, await render(format, pprof, type === 'cpu' ? 'On-CPU' : 'Off-CPU'));
    files.push(file);
  }
  return files;
}
