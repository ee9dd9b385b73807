// SPDX-License-Identifier: Apache-2.0
// Large real programs with debug information, in C++, C and Rust, and random places in their functions.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const cache =
  process.env.STACKWELL_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'stackwell');

const run = (command, args, options = {}) =>
  execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    stdio: ['pipe', 'pipe', 'ignore'],
    ...options,
  });

/** A file of a Debian package and its debug file beside it, under the name that it asks for: nothing is installed. */
function fromDebian(packages, file) {
  const folder = path.join(cache, 'debian', packages.join('+'));
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    run('apt-get', ['download', ...packages], { cwd: unfinished });
    for (const archive of readdirSync(unfinished)) run('dpkg', ['-x', archive, '.'], { cwd: unfinished });
    renameSync(unfinished, folder);
  }
  const found = path.join(folder, file);
  const id = buildIdOf(found);
  const debug = path.join(folder, 'usr/lib/debug/.build-id', id.slice(0, 2), `${id.slice(2)}.debug`);
  const link = /\]\s+(\S+)/.exec(run('readelf', ['--string-dump=.gnu_debuglink', found]))?.[1];
  if (link !== undefined && existsSync(debug) && !existsSync(path.join(path.dirname(found), link)))
    copyFileSync(debug, path.join(path.dirname(found), link));
  return { file: found, debug: existsSync(debug) ? debug : found };
}

function ownSymbolizer() {
  const target = path.join(cache, 'cargo-bench');
  const manifest = path.join(checkout, 'symbolizers/Cargo.toml');
  run(
    'cargo',
    ['build', '--release', '--locked', '--quiet', '--manifest-path', manifest].concat(
      ...['profile.release.debug=2', 'profile.release.strip=false'].map(line => ['--config', line]),
    ),
    { env: { ...process.env, CARGO_TARGET_DIR: target } },
  );
  const file = path.join(target, 'release/stackwell-symbolizer');
  return { file, debug: file };
}

/** `file` is what runs, `debug` has its debug information: for tools that do not look for it themselves. */
export const SUBJECTS = {
  'libjvm (C++)': () =>
    fromDebian(
      ['openjdk-17-jre-headless', 'openjdk-17-dbg'],
      'usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so',
    ),
  'CPython (C)': () => fromDebian(['python3.11-minimal', 'python3.11-dbg'], 'usr/bin/python3.11'),
  'stackwell-symbolizer (Rust)': ownSymbolizer,
};

/** The go command. */
export function GO() {
  const file = path.join(run('go', ['env', 'GOROOT']).trim(), 'bin/go');
  return { file, debug: file };
}

function buildIdOf(file) {
  return /Build ID: ([0-9a-f]+)/.exec(run('readelf', ['-n', file]))?.[1] ?? '';
}

/** Link-time addresses inside functions, the same ones each time, and their offsets in the file. */
export function randomPlaces({ file, debug }, count) {
  const segments = [...run('readelf', ['-lW', file]).matchAll(/LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)/g)].map(
    match => match.slice(1, 4).map(Number),
  );
  const functions = [...run('readelf', ['-sW', debug]).matchAll(/^\s*\d+: ([0-9a-f]+)\s+(\d+|0x\w+) FUNC/gm)]
    .map(match => [Number.parseInt(match[1], 16), Number(match[2])])
    .filter(([, size]) => size > 0);
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const addresses = Array.from({ length: count }, () => {
    const [start, size] = functions[Math.floor(random() * functions.length)];
    return start + Math.floor(random() * size);
  });
  const offsets = addresses.map(address => {
    const [offset, start] = segments.find(([, from, size]) => address >= from && address < from + size);
    return address - start + offset;
  });
  return { addresses, offsets };
}
