// SPDX-License-Identifier: Apache-2.0
// Programs whose stacks have a known depth and hardly ever repeat: on each level one of WIDTH functions is called at
// random, and the last one burns some microseconds. The same program in each language.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const WIDTH = 16;
const folder = fileURLToPath(new URL('../../build/bench/unwind/', import.meta.url));

const each = (levels, text) =>
  Array.from({ length: levels * WIDTH }, (_, i) => text(Math.floor(i / WIDTH), i % WIDTH)).join('\n');
const row = (name, level) =>
  Array.from({ length: WIDTH }, (_, wide) => `${name}_${level}_${wide}`).join(', ');
const rows = (name, levels) =>
  Array.from({ length: levels }, (_, level) => `{${row(name, level)}}`).join(',\n');

/** The next random number: the same generator everywhere, in 32 bits. */
const C = levels => `typedef unsigned (*level)(unsigned);
static level table[${levels + 1}][${WIDTH}];
static volatile unsigned sink;
static unsigned leaf(unsigned x) {
  for (int i = 0; i < 20000; i++) x = x * 1664525u + 1013904223u;
  return x;
}
${each(levels, (level, wide) => `__attribute__((noinline)) static unsigned f_${level}_${wide}(unsigned x) { sink = x; return table[${level + 1}][x >> 28](x * 1664525u + ${level * WIDTH + wide + 1}u) ^ x; }`)}
static level table[${levels + 1}][${WIDTH}] = {${rows('f', levels)}, {${Array(WIDTH).fill('leaf').join(', ')}}};
int main(void) { for (unsigned x = 1;;) x = table[0][x >> 28](x) * 69069u + 1u; }
`;

const GO = levels => `package main
var sink uint32
var table [${levels + 1}][${WIDTH}]func(uint32) uint32
//go:noinline
func leaf(x uint32) uint32 {
	for i := 0; i < 20000; i++ { x = x*1664525 + 1013904223 }
	return x
}
${each(levels, (level, wide) => `//go:noinline\nfunc f_${level}_${wide}(x uint32) uint32 { sink = x; return table[${level + 1}][x>>28](x*1664525+${level * WIDTH + wide + 1}) ^ x }`)}
func main() {
	table = [${levels + 1}][${WIDTH}]func(uint32) uint32{${rows('f', levels)}, {${Array(WIDTH).fill('leaf').join(', ')}}}
	for x := uint32(1); ; { x = table[0][x>>28](x)*69069 + 1 }
}
`;

/** Methods are called by switches: what an interface or a handle would add is not what is measured. */
const JAVA = levels => `public final class Deep {
  static volatile int sink;
  static int leaf(int x) { for (int i = 0; i < 20000; i++) x = x * 1664525 + 1013904223; return x; }
  static int to_${levels}(int x) { return leaf(x); }
${each(levels, (level, wide) => `  static int f_${level}_${wide}(int x) { sink = x; return to_${level + 1}(x * 1664525 + ${level * WIDTH + wide + 1}) ^ x; }`)}
${Array.from({ length: levels }, (_, level) => `  static int to_${level}(int x) { switch (x >>> 28) {${Array.from({ length: WIDTH }, (_, wide) => `${wide === WIDTH - 1 ? 'default' : `case ${wide}`}: return f_${level}_${wide}(x);`).join(' ')} } }`).join('\n')}
  public static void main(String[] arguments) { for (int x = 1;;) x = to_0(x) * 69069 + 1; }
}
`;

const JAVASCRIPT = levels => `let sink;
function leaf(x) { for (let i = 0; i < 20000; i++) x = (Math.imul(x, 1664525) + 1013904223) >>> 0; return x; }
${each(levels, (level, wide) => `function f_${level}_${wide}(x) { sink = x; return (table[${level + 1}][x >>> 28]((Math.imul(x, 1664525) + ${level * WIDTH + wide + 1}) >>> 0) ^ x) >>> 0; }`)}
const table = [${Array.from({ length: levels }, (_, level) => `[${row('f', level)}]`).join(',\n')}, Array(${WIDTH}).fill(leaf)];
for (let x = 1; ; ) x = (Math.imul(table[0][x >>> 28](x), 69069) + 1) >>> 0;
`;

const PYTHON = levels => `def leaf(x):
    for i in range(400): x = (x * 1664525 + 1013904223) & 0xffffffff
    return x
${each(levels, (level, wide) => `def f_${level}_${wide}(x): return table[${level + 1}][x >> 28]((x * 1664525 + ${level * WIDTH + wide + 1}) & 0xffffffff) ^ x`)}
table = [${Array.from({ length: levels }, (_, level) => `[${row('f', level)}]`).join(',\n')}, [leaf] * ${WIDTH}]
x = 1
while True: x = (table[0][x >> 28](x) * 69069 + 1) & 0xffffffff
`;

const run = (command, args, options = {}) =>
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });

/** A fresh folder for a program's files. */
function at(name) {
  const made = path.join(folder, name.replaceAll(/\W+/g, '-'));
  mkdirSync(made, { recursive: true });
  return file => path.join(made, file);
}

const c =
  (levels, ...flags) =>
  name => {
    const file = at(name);
    writeFileSync(file('deep.c'), C(levels));
    run('gcc', ['-O2', ...flags, '-fno-optimize-sibling-calls', '-o', file('deep'), file('deep.c')]);
    return [file('deep')];
  };

const go = levels => name => {
  const file = at(name);
  writeFileSync(file('main.go'), GO(levels));
  writeFileSync(file('go.mod'), 'module deep\ngo 1.18\n');
  run('go', ['build', '-ldflags=-s -w', '-o', 'deep', '.'], {
    cwd: file('.'),
    env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-buildvcs=false' },
  });
  return [file('deep')];
};

const java =
  (levels, ...flags) =>
  name => {
    const file = at(name);
    writeFileSync(file('Deep.java'), JAVA(levels));
    run('javac', ['-d', file('.'), file('Deep.java')]);
    return ['java', '-XX:+UseSerialGC', '-Xmx64m', ...flags, '-cp', file('.'), 'Deep'];
  };

const script = (language, interpreter, ending, levels) => name => {
  const file = at(name);
  writeFileSync(file(`deep.${ending}`), language(levels));
  return [interpreter, file(`deep.${ending}`)];
};

/** Name of a kind of stack: what builds the program and gives the command that runs it. Levels are two in Java, of which
 * the compiler inlines many. */
export const KINDS = {
  'C, frame pointers, 30 calls': c(30, '-fno-omit-frame-pointer'),
  'C, -fomit-frame-pointer, 8 calls': c(8, '-fomit-frame-pointer'),
  'C, -fomit-frame-pointer, 30 calls': c(30, '-fomit-frame-pointer'),
  'C, -fomit-frame-pointer, 110 calls': c(110, '-fomit-frame-pointer'),
  'Go, stripped, 30 calls': go(30),
  'Java, interpreted, 30 calls': java(15, '-Xint'),
  'Java, C1, 30 calls': java(15, '-XX:TieredStopAtLevel=1'),
  'Java, C2, 30 calls': java(15),
  'Node.js, 30 calls': script(JAVASCRIPT, process.execPath, 'cjs', 30),
  'Python, 30 calls': script(PYTHON, 'python3', 'py', 30),
};
