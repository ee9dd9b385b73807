// SPDX-License-Identifier: Apache-2.0
// The programs that tests profile: built from the sources beside this file into build/test/programs, when they changed.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = path.dirname(fileURLToPath(import.meta.url));
const output = path.resolve(sources, '../../build/test/programs');

// The kernel cuts thread names at 15 characters: program names stay below, so that they can be compared whole.
const FRAME_POINTERS = ['-O2', '-g', '-fno-omit-frame-pointer', '-Wall', '-Wextra', '-Werror'];
const C = ['gcc', '-std=gnu17', ...FRAME_POINTERS, '-pthread'];

/** Program: its sources (the first is what is compiled) and the command that makes it, less `-o OUT SOURCE`. */
const PROGRAMS = {
  shares: { from: ['shares.cc', 'clock.h'], command: ['g++', '-std=c++20', ...FRAME_POINTERS] },
  sleeper: { from: ['sleeper.c', 'clock.h'], command: C },
  waiters: { from: ['waiters.c', 'clock.h'], command: C },
  crowd: { from: ['crowd.c', 'clock.h'], command: C },
  blink: { from: ['blink.c', 'clock.h'], command: C },
  blinks: { from: ['blinks.c'], command: C },
  crowded: { from: ['crowd.c', 'clock.h'], command: [...C, '-static'] },
  boxed: { from: ['boxed.c', 'clock.h'], command: [...C, '-static'] },
  jitted: { from: ['jitted.c', 'clock.h'], command: C },
  mimic: { from: ['mimic.c', 'clock.h'], command: C },
  damaged: { from: ['damaged.c', 'clock.h'], command: C },
  spans: { from: ['spans/main.go', 'spans/go.mod', 'spans/go.sum'], command: ['go', 'build'] },
  ledger: { from: ['go/main.go', 'go/go.mod'], command: ['go', 'build'] },
  pricing: {
    from: ['go/pricing/main.go', 'go/pricing/serve.go', 'go/pricing/tax.v2/tax.go', 'go/go.mod'],
    command: ['go', 'build', '-tags=serve'],
  },
  pusher: {
    from: [
      '../clients/pyroscope-go/pusher/main.go',
      '../clients/pyroscope-go/go.mod',
      '../clients/pyroscope-go/go.sum',
    ],
    command: ['go', 'build'],
  },
  bakery: { from: ['go/bakery/main.go', 'go/go.mod'], command: ['go', 'build'] },
} as const;

export type ProgramName = keyof typeof PROGRAMS;

/** Path of a source beside this file. */
export const sourcePath = (name: string): string => path.join(sources, name);

/** Path of a program, built if it is missing or older than its sources. Throws with the compiler's words. */
export function program(name: ProgramName): string {
  const { from, command } = PROGRAMS[name];
  const built = path.join(output, name);
  const changed = Math.max(...[...from, 'build.ts'].map(file => statSync(sourcePath(file)).mtimeMs));
  if ((statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changed) return built;
  // Test files run side by side and may want the same program: each builds its own, the last rename wins.
  const mine = path.join(output, `.${name}.${process.pid}.${Math.random().toString(36).slice(2)}`);
  mkdirSync(output, { recursive: true });
  const [compiler, ...options] = command;
  const go = compiler === 'go';
  execFileSync(compiler, [...options, '-o', mine, go ? '.' : sourcePath(from[0])], {
    cwd: go ? path.dirname(sourcePath(from[0])) : sources,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  renameSync(mine, built);
  return built;
}

/** 1-based line of a source that holds `marker`. Throws unless exactly one does. */
export function lineOf(source: string, marker: string): number {
  const lines = readFileSync(sourcePath(source), 'utf8')
    .split('\n')
    .flatMap((line, index) => (line.includes(marker) ? [index + 1] : []));
  if (lines.length !== 1) throw new Error(`${lines.length} lines of ${source} hold '${marker}'`);
  return lines[0]!;
}
