// SPDX-License-Identifier: Apache-2.0
// What a process runs, by its executable and arguments: for a runtime, the program that it was started for.
import { baseName, cleanName } from '../procfs/text.js';

interface Runtime {
  /** Base names of executables. */
  executable: RegExp;
  /** What to call it when it runs nothing that has a name (an interactive shell, `python3 -c …`). */
  itself: string;
  /** Options whose value is the next argument. */
  valued: RegExp;
  /** Options that take the place of a script: what follows is code, not a file. */
  code: RegExp;
  /** An option whose value names the program. */
  names?: RegExp;
  /** Endings of scripts that are not part of the name. */
  endings: RegExp;
}

const RUNTIMES: Runtime[] = [
  {
    executable: /^(python|pypy)[\d.]*$/,
    itself: 'python',
    valued: /^(-W|-X|--check-hash-based-pycs)$/,
    code: /^-[bBdEhiIOPqsSuvVxR?]*c$/,
    names: /^-[bBdEhiIOPqsSuvVxR?]*m$/,
    endings: /\.pyw?$/,
  },
  {
    executable: /^(node|nodejs|bun)$/,
    itself: 'node',
    valued: /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file|--title)$/,
    code: /^(-[ep]{1,2}|--eval|--print|-i|--interactive)$/,
    endings: /\.[cm]?[jt]s$/,
  },
  {
    executable: /^(ruby|jruby|truffleruby)[\d.]*$/,
    itself: 'ruby',
    valued: /^-[CIrE]$/,
    code: /^-[a-z]*e$/,
    endings: /\.rb$/,
  },
  { executable: /^perl[\d.]*$/, itself: 'perl', valued: /^-[I]$/, code: /^-[a-z]*[eE]$/, endings: /\.pl$/ },
  {
    executable: /^php(-cli)?[\d.]*$/,
    itself: 'php',
    valued: /^-[cdz]$/,
    code: /^-[rBRE]$/,
    names: /^-f$/,
    endings: /\.php$/,
  },
  {
    executable: /^(ba|da|z|k|a|mk|fi)?sh$/,
    itself: '',
    valued: /^([-+][a-z]*[oO]|--rcfile|--init-file)$/,
    code: /^-[a-z]*[cs][a-z]*$/,
    endings: /\.sh$/,
  },
];

const JAVA = /^java$/;
const JAVA_VALUED =
  /^(-cp|-classpath|--class-path|-p|--module-path|--upgrade-module-path|--add-modules|--add-reads|--add-exports|--add-opens|--enable-native-access|--limit-modules|--patch-module|--source)$/;

/** -1.2.3, -2.0-SNAPSHOT, _3.1: a version in a file name would make a new service of every deploy. */
const VERSION_SUFFIX = /[-_]v?\d+(\.\d+)*([-.+_][\w.+-]*)?$/;

export interface Program {
  name: string;
  /** The jar that a JVM was started with, as written in its arguments; '' else. */
  jar: string;
}

/** `executable` is the path as mapped ('' when unknown), `comm` the main thread's name, for when nothing else is known. */
export function programOf(executable: string, args: readonly string[], comm: string): Program {
  // A program that was run from memory has a name that someone made up for it, often another one each time.
  const file = executable.startsWith('/memfd:') ? '' : baseName(executable);
  if (file === '') return { name: cleanName(baseName(args[0] ?? '') || comm), jar: '' };
  if (file === 'busybox' || file === 'toybox') return applet(file, args);
  if (JAVA.test(file)) return java(args);
  const runtime = RUNTIMES.find(({ executable: shape }) => shape.test(file));
  return { name: cleanName(runtime === undefined ? file : script(runtime, file, args)), jar: '' };
}

/** One binary, many programs: the name it was called by says which, or its first argument. */
function applet(file: string, args: readonly string[]): Program {
  const called = baseName(args[0] ?? '').replace(/^-/, '');
  const rest = called === file ? args.slice(1) : args;
  const name = baseName(rest[0] ?? '').replace(/^-/, '') || file;
  const shell = RUNTIMES.find(({ executable }) => executable.test(name));
  return { name: cleanName(shell === undefined ? name : script(shell, name, rest)), jar: '' };
}

function script(runtime: Runtime, file: string, args: readonly string[]): string {
  const itself = runtime.itself || file;
  for (let i = 1; i < args.length; i++) {
    const argument = args[i]!;
    if (argument === '--') return scriptName(runtime, args[i + 1], itself);
    if (runtime.names?.test(argument)) return scriptName(runtime, args[i + 1], itself);
    if (runtime.code.test(argument)) return itself;
    if (runtime.valued.test(argument)) i++;
    else if (!/^[-+]/.test(argument)) return scriptName(runtime, argument, itself);
  }
  return itself;
}

function scriptName(runtime: Runtime, path: string | undefined, itself: string): string {
  return baseName(path ?? '').replace(runtime.endings, '') || itself;
}

function java(args: readonly string[]): Program {
  for (let i = 1; i < args.length; i++) {
    const argument = args[i]!;
    if (argument === '-jar') {
      const jar = args[i + 1] ?? '';
      const name = baseName(jar).replace(/\.(jar|war)$/, '');
      return { name: cleanName(name.replace(VERSION_SUFFIX, '') || 'java'), jar };
    }
    if (argument === '-m' || argument === '--module')
      return { name: cleanName(args[i + 1]?.split('/').at(-1) ?? 'java'), jar: '' };
    if (JAVA_VALUED.test(argument)) i++;
    else if (!/^[-@]/.test(argument)) return { name: cleanName(argument), jar: '' };
  }
  return { name: 'java', jar: '' };
}
