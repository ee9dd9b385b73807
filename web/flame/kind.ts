// SPDX-License-Identifier: Apache-2.0
// What a function is, for its colour: told from module, file and the reason it has no name.
import { type Functions, fnv, type Graph } from './graph.js';

export const KINDS = ['kernel', 'native', 'go', 'jvm', 'jit', 'script', 'unresolved', 'other'] as const;
export type Kind = (typeof KINDS)[number];

export const KIND_NAMES: Record<Kind, string> = {
  kernel: 'Kernel',
  native: 'Native',
  go: 'Go',
  jvm: 'JVM',
  jit: 'JIT',
  script: 'Script',
  unresolved: 'Unresolved',
  other: 'Other',
};

/** Node.js's own modules have no ending: `node:internal/timers`. */
const SCRIPT = /\.(py|js|mjs|cjs|ts|rb|php|lua|pl)$|^node:/;
const JVM_FILE = /\.(java|kt|scala|groovy|clj)$/;
const JVM_MODULE = /\.(jar|jsa|class)$|^libjvm\.so/;
/** `runtime.mallocgc`, `main.main`, `net/http.(*conn).serve`, `github.com/a/b.F[...]`: a package path, a dot, no `::`. */
const GO_NAME =
  /^(runtime|main|syscall|internal\/|([\w.-]+\/)+[\w.-]+|[a-z][\w]*)\.(\(\*?\w+(\[\.\.\.\])?\)\.)?[\w.]+(\[\.\.\.\])?$/;
/** `java.util.HashMap.get`, `com/acme/Shop.checkout`, with or without a signature. */
const JVM_NAME = /^L?([a-z][\w$]*[./])+[A-Z][\w$]*(\.|::|;::)[\w$<>]+(\(.*\))?.*$/;

/** Names come from the programs that are profiled; no longer one is put before an expression that can back-track. */
const MAX_NAME = 512;

export function kindOf(name: string, file: string, module: string, reason: string): Kind {
  if (reason !== '') return 'unresolved';
  if (module === '' && file === '' && (name === 'other' || name === 'total')) return 'other';
  if (module.startsWith('[kernel') || (module.startsWith('[') && module.endsWith('.ko]'))) return 'kernel';
  if (JVM_FILE.test(file) || JVM_MODULE.test(module)) return 'jvm';
  if (SCRIPT.test(file)) return 'script';
  if (file.endsWith('.go')) return 'go';
  if (module === '[jit]') return name.length < MAX_NAME && JVM_NAME.test(name) ? 'jvm' : 'jit';
  // Assembly of Go's runtime and stripped Go programs have no file; a shared library is never Go by its looks alone.
  if (
    (file === '' || file.endsWith('.s')) &&
    !module.includes('.so') &&
    name.length < MAX_NAME &&
    GO_NAME.test(name)
  )
    return 'go';
  return 'native';
}

export interface FunctionLooks {
  kind: Uint8Array;
  /** 0…7 by module, then 0…3 by name: neighbours differ, and a function looks the same everywhere. */
  shade: Uint8Array;
}

export const SHADES = 32;

export function looksOf(functions: Functions): FunctionLooks {
  const n = functions.name.length;
  const kind = new Uint8Array(n);
  const shade = new Uint8Array(n);
  const modules = new Map<string, number>();
  for (let i = 0; i < n; i++) {
    const module = functions.module[i]!;
    kind[i] = KINDS.indexOf(kindOf(functions.name[i]!, functions.file[i]!, module, functions.reason[i]!));
    let hue = modules.get(module);
    if (hue === undefined) {
      // FNV's low bits depend on few characters alone; fold the high ones in.
      const h = fnv(module);
      hue = (h ^ (h >>> 16) ^ (h >>> 8)) & 7;
      modules.set(module, hue);
    }
    const h = fnv(functions.name[i]!);
    shade[i] = hue * 4 + ((h ^ (h >>> 15) ^ (h >>> 7)) & 3);
  }
  return { kind, shade };
}

/** Number of the colour of each row: kind × SHADES + shade. */
export function colourRows(graph: Graph, { kind, shade }: FunctionLooks): Uint16Array {
  return Uint16Array.from(graph.fn, fn => kind[fn]! * SHADES + shade[fn]!);
}
