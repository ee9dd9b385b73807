// SPDX-License-Identifier: Apache-2.0
// Rust: kinds of code (programs/rust) and the ways to build them.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { built, PROGRAMS } from './build.js';
import type { Kind } from './judge.js';

const sources = path.join(PROGRAMS, 'rust');
const kind = (name: string, ...path: string[]): Kind => ({ name, weight: 1, path });

export const RUST_KINDS: Kind[] = [
  kind('closures', 'via_closures', 'with_closure', '*', 'burn'),
  kind('dyn', 'via_dyn', 'Picture', '*', 'Square', 'burn'),
  kind('sort', 'via_sort', '*', 'compare_slowly'),
  kind('hash_map', 'via_hash_map', '*'),
  kind('panic', 'via_panic', '*', 'Guard', 'burn'),
  kind('thread', 'in_thread', 'burn'),
  kind('recursion', 'via_recursion', ...new Array(100).fill('recurse'), 'burn'),
];

const FLAVOURS: Record<string, string[]> = {
  'rustc -O, debug information': ['-g'],
  'rustc -O, symbol table only': ['-C', 'debuginfo=0'],
  'rustc -O, v0 names, one unit': ['-g', '-C', 'symbol-mangling-version=v0', '-C', 'codegen-units=1'],
};

export function rustPrograms(): { name: string; kinds: Kind[]; file: string }[] {
  return Object.entries(FLAVOURS).map(([name, flags]) => ({
    name,
    kinds: RUST_KINDS,
    file: path.join(
      built(name, sources, import.meta.url, folder => {
        execFileSync(
          'rustc',
          ['--edition', '2024', '-D', 'warnings', '-C', 'opt-level=3', '-C', 'panic=unwind']
            .concat(flags)
            .concat(['-o', 'kinds', path.join(sources, 'kinds.rs')]),
          { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
        );
      }),
      'kinds',
    ),
  }));
}
