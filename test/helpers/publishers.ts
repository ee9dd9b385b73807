// SPDX-License-Identifier: Apache-2.0
// Builds test/programs/publisher.c in each way that a program can have the variable of OpenTelemetry's thread context.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { sourcePath } from '../programs/build.js';

const FLAGS = [
  '-std=gnu17',
  '-O2',
  '-g',
  '-fno-omit-frame-pointer',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-pthread',
];
const EXPORTED = '-Wl,--export-dynamic-symbol=otel_thread_ctx_v1';

interface Form {
  compiler: 'gcc' | 'musl-gcc';
  /** Options for the program, with the variable in it. */
  program?: string[];
  /** Options for a library that has the variable, and whether the program loads it by itself. */
  library?: string[];
  loaded?: boolean;
}

/** Names are at most 15 characters, as threads' are. */
export const FORMS: Record<string, Form> = {
  'in-program': { compiler: 'gcc', program: [EXPORTED] },
  'in-static': { compiler: 'gcc', program: [EXPORTED, '-static-pie'] },
  'in-fixed': { compiler: 'gcc', program: [EXPORTED, '-no-pie', '-fno-pie'] },
  descriptor: { compiler: 'gcc', library: ['-mtls-dialect=gnu2'] },
  module: { compiler: 'gcc', library: ['-mtls-dialect=gnu'] },
  'own-descriptor': { compiler: 'gcc', library: ['-mtls-dialect=gnu2', '-Wl,-Bsymbolic'] },
  'own-module': { compiler: 'gcc', library: ['-mtls-dialect=gnu', '-Wl,-Bsymbolic'] },
  initial: { compiler: 'gcc', library: ['-ftls-model=initial-exec'] },
  'late-descriptor': { compiler: 'gcc', library: ['-mtls-dialect=gnu2'], loaded: true },
  'late-module': { compiler: 'gcc', library: ['-mtls-dialect=gnu'], loaded: true },
  musl: { compiler: 'musl-gcc', library: ['-mtls-dialect=gnu'] },
  'musl-late': { compiler: 'musl-gcc', library: ['-mtls-dialect=gnu2'], loaded: true },
};

/** What to start, and its last argument. */
export function publisher(name: string, folder: string): { program: string; library: string } {
  const { compiler, program, library, loaded } = FORMS[name]!;
  mkdirSync(folder, { recursive: true });
  const compile = (...options: string[]) =>
    execFileSync(compiler, [...FLAGS, ...options], { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  const file = path.join(folder, name);
  const shared = `${file}.so`;
  const [main, variable] = [sourcePath('publisher.c'), sourcePath('context.c')];
  if (program !== undefined) {
    compile(...program, '-o', file, main, variable);
    return { program: file, library: '' };
  }
  compile('-fPIC', '-shared', ...library!, '-o', shared, variable);
  if (loaded) compile('-DLOADED', '-o', file, main);
  else compile('-o', file, main, shared, `-Wl,-rpath,${folder}`);
  return { program: file, library: loaded ? shared : '' };
}
