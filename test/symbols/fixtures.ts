// SPDX-License-Identifier: Apache-2.0
// Programs that are compiled for these tests, and questions about them as the profiler would ask.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SymbolInput, Symbols } from '../../src/agent/profiling/symbols.js';
import { REASONS } from '../../src/profile/types.js';

export const PROGRAMS = fileURLToPath(new URL('./programs/', import.meta.url));
export const BINARY = fileURLToPath(new URL('../../build/stackwell-symbolizer', import.meta.url));

/** A folder of its own, gone at the end. */
export function scratch(): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'stackwell-symbols-'));
  chmodSync(folder, 0o755);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export function run(command: string, args: string[], input?: string): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    input,
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

/** The C++ fixture with everything in it. */
export function compileCpp(folder: string, name = 'full', flags: string[] = ['-g', '-O2']): string {
  const output = join(folder, name);
  run('g++', ['-std=c++20', ...flags, '-Wl,--build-id', '-o', output, join(PROGRAMS, 'inlines.cc')]);
  return output;
}

export function compileGo(folder: string, flags: string[] = []): string {
  const output = join(folder, 'go-program');
  mkdirSync(join(folder, 'go'), { recursive: true });
  copyFileSync(join(PROGRAMS, 'main.go'), join(folder, 'go', 'main.go'));
  execFileSync('go', ['build', ...flags, '-o', output, 'main.go'], {
    cwd: join(folder, 'go'),
    env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '' },
    stdio: 'ignore',
  });
  return output;
}

/** Copies `full` without debug information; `detached` gets it, and is named in the copy if `link`. */
export function strip(full: string, output: string, detached: string, link: boolean): void {
  run('objcopy', ['--only-keep-debug', full, detached]);
  run('objcopy', ['--strip-all', full, output]);
  if (link) run('objcopy', [`--add-gnu-debuglink=${detached}`, output]);
}

export function buildIdOf(path: string): string {
  return /Build ID: ([0-9a-f]+)/.exec(run('readelf', ['-n', path]))?.[1] ?? '';
}

export interface Function {
  name: string;
  address: number;
  size: number;
}

/** Functions with a size, from the symbol table. */
export function functionsOf(path: string): Function[] {
  const found: Function[] = [];
  for (const line of run('readelf', ['-sW', path]).split('\n')) {
    const match = /^\s*\d+: ([0-9a-f]+)\s+(\d+|0x[0-9a-f]+) FUNC\s+\w+\s+\w+\s+(\d+) (\S+)/.exec(line);
    if (match === null) continue;
    const size = Number(match[2]);
    if (size > 0) found.push({ address: Number.parseInt(match[1]!, 16), size, name: match[4]! });
  }
  return found;
}

/** Deterministic, so that a failure can be looked at. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Addresses inside functions, all over the file. */
export function randomAddresses(path: string, count: number, seed = 1): number[] {
  const functions = functionsOf(path);
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const { address, size } = functions[Math.floor(next() * functions.length)]!;
    return address + Math.floor(next() * size);
  });
}

/** Link-time address to file offset, by the program headers. */
export function offsetsOf(path: string, addresses: number[]): number[] {
  const segments = [...run('readelf', ['-lW', path]).matchAll(/LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)/g)].map(
    match => match.slice(1, 4).map(Number),
  ) as [number, number, number][];
  return addresses.map(address => {
    const segment = segments.find(([, start, size]) => address >= start && address < start + size);
    if (segment === undefined) throw new Error(`${address.toString(16)} is not loaded`);
    return address - segment[1] + segment[0];
  });
}

export interface Asked {
  path: string;
  /** File offsets (space 1), or addresses. */
  at: (number | bigint)[];
  space?: 0 | 1 | 2 | 3 | 4;
  exact?: boolean;
  buildId?: string;
  pid?: number;
  start?: bigint;
  end?: bigint;
  /** As the file on disk has it. */
  inode?: bigint;
}

/** A process id that is never used. */
export const NO_PROCESS = 4_194_305;

/** One drain that asks about each of these, in order. */
export function question(asked: Asked[]): SymbolInput {
  const rows = asked.flatMap((one, mapping) => one.at.map(address => ({ one, mapping, address })));
  const inode = (one: Asked): bigint => {
    if (one.inode !== undefined) return one.inode;
    const found = statSync(one.path, { bigint: true, throwIfNoEntry: false });
    return found?.ino ?? 0n;
  };
  const mapped = (one: Asked): boolean => (one.space ?? 1) === 1 || one.space === 4;
  return {
    strings: [''],
    locations: {
      space: Uint8Array.from(rows, ({ one }) => one.space ?? 1),
      mapping: Int32Array.from(rows, ({ one, mapping }) => (mapped(one) ? mapping : -1)),
      address: BigUint64Array.from(rows, ({ address }) => BigInt(address)),
      exact: Uint8Array.from(rows, ({ one }) => ((one.exact ?? true) ? 1 : 0)),
      process: Int32Array.from(rows, ({ one, mapping }) => (mapped(one) || one.space === 0 ? -1 : mapping)),
      extra: new BigUint64Array(rows.length),
    },
    mappings: {
      path: asked.map(one => one.path),
      buildId: asked.map(one => one.buildId ?? ''),
      pid: Uint32Array.from(asked, one => one.pid ?? NO_PROCESS),
      start: BigUint64Array.from(asked, one => one.start ?? 0n),
      end: BigUint64Array.from(asked, one => one.end ?? 0n),
      offset: new BigUint64Array(asked.length),
      device: new BigUint64Array(asked.length),
      inode: BigUint64Array.from(asked, inode),
    },
    processes: {
      pid: Uint32Array.from(asked, one => one.pid ?? NO_PROCESS),
      parent: new Uint32Array(asked.length),
      startNs: new BigUint64Array(asked.length),
      cgroup: new BigUint64Array(asked.length),
      comm: new Uint32Array(asked.length),
      executable: new Uint32Array(asked.length),
      executableMapping: new Int32Array(asked.length).fill(-1),
      alive: new Uint8Array(asked.length),
    },
  };
}

export interface Frame {
  name: string;
  systemName: string;
  file: string;
  line: number;
  startLine: number;
}

/** What other symbolizers say as well. */
export type Place = Pick<Frame, 'systemName' | 'file' | 'line'>;

/** Frames of a row, innermost first. */
export function framesOf(symbols: Symbols, row: number): Frame[] {
  const frames: Frame[] = [];
  for (let at = symbols.frameOffset[row]!; at < symbols.frameOffset[row + 1]!; at++)
    frames.push({
      name: symbols.strings[symbols.frames.name[at]!]!,
      systemName: symbols.strings[symbols.frames.systemName[at]!]!,
      file: symbols.strings[symbols.frames.file[at]!]!,
      line: symbols.frames.line[at]!,
      startLine: symbols.frames.startLine[at]!,
    });
  return frames;
}

/** '' when it is named. */
export function reasonOf(symbols: Symbols, row: number): string {
  const reason = symbols.reason[row]!;
  return reason === 0 ? '' : REASONS[reason - 1]!;
}

/** What llvm-symbolizer says: frames of each address, innermost first. */
export function llvmFrames(path: string, addresses: number[], demangle = false): Place[][] {
  const output = run(
    'llvm-symbolizer',
    [`--obj=${path}`, '--inlines', demangle ? '--demangle' : '--no-demangle', '--relativenames=false'].filter(
      word => !word.startsWith('--relativenames'),
    ),
    addresses.map(address => `0x${address.toString(16)}\n`).join(''),
  );
  return output
    .trimEnd()
    .split('\n\n')
    .map(block => {
      const lines = block.trim().split('\n');
      const frames: Place[] = [];
      for (let i = 0; i < lines.length; i += 2) {
        const place = /^(.*):(\d+):\d+$/.exec(lines[i + 1]!)!;
        frames.push({
          systemName: lines[i]!,
          file: place[1] === '??' ? '' : place[1]!,
          line: Number(place[2]),
        });
      }
      return frames;
    });
}
