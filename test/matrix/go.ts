// SPDX-License-Identifier: Apache-2.0
// Go: kinds of code (programs/go), the ways to build them and the compilers.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { built, PROGRAMS } from './build.js';
import type { Kind } from './judge.js';

const sources = path.join(PROGRAMS, 'go');
const kind = (name: string, ...path: string[]): Kind => ({ name, weight: 1, path });

/** Its CPU time is in other goroutines as well. */
const shared = (name: string, ...path: string[]): Kind => ({ ...kind(name, ...path), spread: true });

const PLAIN: Kind[] = [
  kind('leaf', 'main.viaLeaf', 'main.spin'),
  kind('closures', 'main.viaClosures', 'main.withClosure', 'main.viaClosures.func1', 'main.burn'),
  kind('interface', 'main.viaInterface', '*', 'main.(*square).draw', 'main.burn'),
  kind('panic', 'main.viaPanic', '*', 'main.cleanUp', 'main.burn'),
  kind('sort', 'main.viaSort', '*', 'main.lessSlowly'),
  kind('library', 'main.viaLibrary', '*'),
  kind('recursion', 'main.viaRecursion', ...new Array(100).fill('main.recurse'), 'main.burn'),
  kind('goroutine', 'main.inGoroutine', 'main.burn'),
  shared('stack_growth', 'main.viaStackGrowth', '*'),
  kind('assembly', 'main.viaAssembly', '*'),
  kind('clock', 'main.viaClock', '*'),
  shared('channels', 'main.viaChannels', '*'),
  shared('collector', 'main.viaCollector', '*'),
];
const CGO: Kind[] = [
  kind('c', 'main.viaC', '*', 'c_outer', 'c_burn'),
  kind('back_from_c', 'main.viaBackFromC', '*', 'c_calls_back', '*', 'main.goBack', 'main.burn'),
];
/** What `-s` takes the symbols of is the C in a program. */
const STRIPPED_CGO: Kind[] = [
  kind('c', 'main.viaC', '*'),
  kind('back_from_c', 'main.viaBackFromC', '*', 'main.goBack', 'main.burn'),
];

/**
 * A goroutine's, and those of a thread's own stack, on which the runtime schedules and grows stacks: what it leaves is not
 * the caller.
 */
export const GO_ROOTS =
  /^(runtime\.(goexit|rt0_go|mstart|mcall|morestack|_rt0_\w+)(\.abi0)?|_rt0_\w+|_start|_?_?clone3?)$/;

/** Built by the newest one there is: older ones are fetched by it through Go's module proxy. */
export const GO_VERSIONS = ['go1.18.10', 'go1.21.13', 'local'];

const FLAVOURS: Record<string, { args: string[]; cgo: boolean }> = {
  plain: { args: [], cgo: false },
  '-s -w': { args: ['-ldflags=-s -w'], cgo: false },
  '-trimpath': { args: ['-trimpath'], cgo: false },
  cgo: { args: [], cgo: true },
  'cgo, -s -w': { args: ['-ldflags=-s -w'], cgo: true },
  pie: { args: ['-buildmode=pie'], cgo: false },
};

export function goPrograms(version: string): { name: string; kinds: Kind[]; file: string }[] {
  const go = (folder: string, args: string[], cgo: boolean) =>
    execFileSync('go', args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        GOTOOLCHAIN: version,
        CGO_ENABLED: cgo ? '1' : '0',
        GOFLAGS: '-buildvcs=false',
      },
    });
  const exact = go(sources, ['env', 'GOVERSION'], false).trim();
  return Object.entries(FLAVOURS).map(([flavour, { args, cgo }]) => {
    const name = `${exact}, ${flavour}`;
    return {
      name,
      kinds: cgo ? [...PLAIN, ...(flavour.includes('-s') ? STRIPPED_CGO : CGO)] : PLAIN,
      file: path.join(
        built(name, sources, import.meta.url, folder => {
          go(sources, ['build', ...args, '-o', path.join(folder, 'kinds'), '.'], cgo);
        }),
        'kinds',
      ),
    };
  });
}
