// SPDX-License-Identifier: Apache-2.0
// C and C++: kinds of code (programs/native) and the ways to build them.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { built, PROGRAMS } from './build.js';
import type { Kind } from './judge.js';

const sources = path.join(PROGRAMS, 'native');
const kind = (name: string, ...path: string[]): Kind => ({ name, weight: 1, path });

/** In every program. */
const PLAIN: Kind[] = [
  kind('leaf', 'via_leaf', 'without_frame'),
  kind('prologues', 'via_prologues', 'many_registers'),
  kind('tail_call', 'via_tail_call', 'tail_second', 'burn'),
  kind('noreturn', 'via_noreturn', 'gives_up', 'never_returns', 'burn'),
  kind('recursion', 'via_recursion', ...new Array(100).fill('recurse'), 'burn'),
  kind('qsort', 'via_qsort', '*', 'compare_slowly'),
  kind('clock', 'via_clock', '*'),
  kind('alloca', 'via_alloca', 'with_array', 'with_alloca', 'burn'),
  kind('realigned', 'via_realigned', 'aligned_with_arguments', 'aligned', 'burn'),
  kind('thread', 'in_thread', 'burn'),
  // Nearly always `interrupted` in between, but the signal may come a little earlier.
  kind('signal', 'via_signal', 'interrupt', '*', 'on_signal', 'burn'),
  kind('alternate_stack', 'via_alternate_stack', 'interrupt', '*', 'on_signal', 'burn'),
];
const SHARED: Kind[] = [
  kind('plt', 'via_plt', 'far_tiny'),
  kind('library', 'via_library', 'far_call', 'called_back', 'burn'),
  kind('fiber', 'in_fiber', 'burn'),
];
const CXX: Kind[] = [
  kind(
    'templates',
    'via_templates',
    ...Array.from({ length: 13 }, (_, i) => `Layer<${12 - i}>::call`),
    '*', // the lambda, inlined
    'burn',
  ),
  kind('virtual', 'via_virtual', 'draw', '*', 'Picture::draw', '*', 'draw', 'Square::draw', 'burn'),
  kind('exceptions', 'via_exceptions', 'catches', '*', 'burn'),
  kind('throwing', 'via_throwing', '*'),
  kind('sort', 'via_sort', '*', 'less_slowly'),
  kind('standard_library', 'via_standard_library', '*'),
  kind('cxx_thread', 'in_cxx_thread', 'burn'),
];

export const C_KINDS = PLAIN;
export const CXX_KINDS = [...PLAIN, ...SHARED, ...CXX];

/** The deepest user frames that are sampled on each way a thread can begin. The last two are musl's: of who calls them it
 * says nothing. */
export const NATIVE_ROOTS = /^(_start|_start_c|_?_?clone3?|__start_context|libc_start_main_stage2|start)$/;

const WARNINGS = ['-Wall', '-Wextra', '-Werror'];
const C_FILES = ['main.c', 'calls.c', 'stacks.c', 'signals.c', 'waits.c'];

interface Flavour {
  name: string;
  kinds: Kind[];
  build: (folder: string) => void;
}

interface Compiler {
  c: string;
  cxx: string;
  flags: string[];
}
const GCC = { c: 'gcc', cxx: 'g++' };

const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });

function compile(folder: string, { c, cxx, flags }: Compiler): void {
  const all = ['-pthread', '-fomit-frame-pointer', ...WARNINGS, ...flags];
  const source = (name: string) => path.join(sources, name);
  run(c, ['-std=gnu17', ...all, '-fPIC', '-shared', '-o', 'libkinds.so', source('libkinds.c')], folder);
  const objects = [...C_FILES, 'library.c', 'cxx.cc'].map(name => {
    const [compiler, standard] = name.endsWith('.cc') ? [cxx, '-std=c++20'] : [c, '-std=gnu17'];
    run(compiler, [standard, ...all, '-c', '-o', `${name}.o`, source(name)], folder);
    return `${name}.o`;
  });
  // Lazy binding, so that the first call of each goes through the whole of the PLT.
  const link = ['-L.', '-lkinds', '-Wl,-rpath,$ORIGIN', '-Wl,-z,lazy', '-Wl,--build-id'];
  run(cxx, [...all, '-o', 'kinds', ...objects, ...link], folder);
}

/** As Fedora does it: what is left of a stripped program is a compressed symbol table of its functions. */
function miniDebug(folder: string): void {
  run('objcopy', ['--only-keep-debug', 'kinds', 'kinds.debug'], folder);
  run('objcopy', ['-S', '--remove-section', '.comment', 'kinds.debug', 'mini'], folder);
  const table = execFileSync('nm', ['--format=posix', '--defined-only', 'kinds'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const dynamic = new Set(
    execFileSync('nm', ['-D', '--format=posix', '--defined-only', 'kinds'], { cwd: folder, encoding: 'utf8' })
      .split('\n')
      .map(line => line.split(' ')[0]),
  );
  const keep = table
    .split('\n')
    .map(line => line.split(' '))
    .filter(([name, type]) => /^[tT]$/.test(type ?? '') && !dynamic.has(name))
    .map(([name]) => name);
  writeFileSync(path.join(folder, 'keep'), keep.join('\n'));
  run('objcopy', ['-S', '--keep-symbols=keep', 'kinds.debug', 'mini'], folder);
  run('xz', ['--force', 'mini'], folder);
  run('strip', ['--strip-all', 'kinds'], folder);
  run('objcopy', ['--add-section', '.gnu_debugdata=mini.xz', 'kinds'], folder);
  rmSync(path.join(folder, 'kinds.debug'));
}

/** Debug information in a file of its own, beside the program. */
function splitDebug(folder: string): void {
  run('objcopy', ['--only-keep-debug', 'kinds', 'kinds.debug'], folder);
  run('strip', ['--strip-all', 'kinds'], folder);
  run('objcopy', ['--add-gnu-debuglink=kinds.debug', 'kinds'], folder);
}

const FLAVOURS: Flavour[] = [
  {
    name: 'gcc -O2',
    kinds: CXX_KINDS,
    build: folder => compile(folder, { ...GCC, flags: ['-O2', '-g'] }),
  },
  {
    name: 'gcc -O3 -flto -fcf-protection',
    kinds: CXX_KINDS,
    build: folder => compile(folder, { ...GCC, flags: ['-O3', '-g', '-flto=auto', '-fcf-protection'] }),
  },
  {
    name: 'clang -O2',
    kinds: CXX_KINDS,
    build: folder => compile(folder, { c: 'clang', cxx: 'clang++', flags: ['-O2', '-g'] }),
  },
  {
    name: 'gcc -O2, stripped, .gnu_debugdata',
    kinds: CXX_KINDS,
    build: folder => {
      compile(folder, { ...GCC, flags: ['-O2'] });
      miniDebug(folder);
    },
  },
  {
    name: 'gcc -O2, split debug file',
    kinds: CXX_KINDS,
    build: folder => {
      compile(folder, { ...GCC, flags: ['-O2', '-g'] });
      splitDebug(folder);
    },
  },
  {
    name: 'musl -O2, static',
    kinds: C_KINDS,
    build: folder =>
      run(
        'musl-gcc',
        [
          ...['-std=gnu17', '-O2', '-g', '-fomit-frame-pointer', '-static', '-pthread', ...WARNINGS],
          ...['-o', 'kinds', ...C_FILES.map(name => path.join(sources, name))],
        ],
        folder,
      ),
  },
];

export interface NativeProgram {
  name: string;
  kinds: Kind[];
  file: string;
}

/** All flavours, built where their sources have changed. */
export function nativePrograms(): NativeProgram[] {
  return FLAVOURS.map(({ name, kinds, build }) => ({
    name,
    kinds,
    file: path.join(built(name, sources, import.meta.url, build), 'kinds'),
  }));
}
