// SPDX-License-Identifier: Apache-2.0
// What is recorded: programs, and the places where they are stopped.

const C = ['gcc', '-std=gnu17', '-O2', '-fomit-frame-pointer', '-pthread'];
const CPP = ['g++', '-O2', '-fomit-frame-pointer'];
const MUSL = ['musl-gcc', '-static', '-O2', '-fomit-frame-pointer'];
const LAZY = [...C, '-no-pie', '-Wl,-z,lazy', 'linked.c'];
const GO = ['go', 'build'];
const RUST = ['rustc', '-O', '-C', 'debuginfo=0', 'chain.rs'];
const ARM = ['aarch64-linux-gnu-gcc', '-static', '-O2', '-fomit-frame-pointer', '-pthread'];

const [INTERPRETER, C1, C2] = [
  ['-Xint'],
  ['-Xcomp', '-XX:TieredStopAtLevel=1'],
  ['-Xcomp', '-XX:-TieredCompilation'],
];

/** Commands of gdb, from the start of main on. */
const to = (place, ...more) => [`break ${place}`, 'continue', ...more];

/**
 * `machine`: x86_64 where nothing is said; arm64 under emulation. `build`: the command, in programs/ or the folder `of` in
 * it. `toolchain`: of Go. `stripped`: so is the program that the table is made of. `run`: arguments. `end`: how the stack
 * ends, `root` where nothing is said. `frames`: no more than these, where that is the point. `goesOn`: after the frame of
 * this function the stack of the main goroutine follows. `without`: files whose table is not there yet. `java`: a runtime,
 * which runs programs/java with `flags`.
 */
export const CASES = {
  callback: { build: [...C, 'sorted.c'], stop: to('*innermost', 'stepi') },
  'frame-pointers': { build: ['gcc', '-O1', '-fno-omit-frame-pointer', 'sorted.c'], stop: to('*innermost') },
  thread: { build: [...C, 'sorted.c'], run: 'other', stop: to('*innermost', 'stepi') },
  'system-call': {
    build: [...C, 'sorted.c'],
    run: 'other',
    stop: ['catch syscall clock_nanosleep', 'continue'],
  },
  'no-table': {
    build: [...C, 'sorted.c'],
    stop: to('*innermost', 'stepi'),
    end: 'no_table',
    frames: 3,
    without: ['libc.so.6'],
  },
  musl: { build: [...MUSL, 'deep.c'], run: '3', stop: to('*bottom'), frames: 7 },
  'musl-thread': { build: [...MUSL, 'threads.c'], stop: to('*innermost'), frames: 3 },
  'musl-callback': {
    build: [...MUSL, 'sorted.c'],
    stop: to('*innermost', 'stepi'),
    end: 'no_table',
    frames: 3,
  },
  signal: { build: [...C, 'signals.c'], stop: to('*handled') },
  'signal-fault': { build: [...C, 'signals.c'], stop: to('*handled', 'continue') },
  aligned: { build: [...C, '../../symbols/programs/aligned.c'], stop: to('*use') },
  exception: { build: [...CPP, 'throws.cc'], stop: to('*_Unwind_RaiseException', 'stepi 40') },
  cleanup: { build: [...CPP, 'throws.cc'], stop: to('*_ZN7CleanedD1Ev', 'stepi') },
  linkage: { build: LAZY, stop: to("*('clock_gettime@plt' + 6)") },
  'linkage-pushed': { build: LAZY, stop: to("*('clock_gettime@plt' + 11)") },
  vdso: { build: [...C, 'linked.c'], stop: to('*__vdso_clock_gettime', 'stepi 20') },
  deep: { build: [...C, 'deep.c'], run: '400', stop: to('*bottom'), end: 'depth', frames: 255 },
  'deep-enough': { build: [...C, 'deep.c'], run: '200', stop: to('*bottom') },
  smashed: { build: [...C, 'smashed.c'], stop: to('*below', 'stepi'), end: 'unmapped', frames: 2 },
  go: { build: GO, of: 'go', stop: to('main.leaf') },
  'go-systemstack': {
    build: GO,
    of: 'go',
    stop: to('runtime.readmemstats_m'),
    goesOn: 'runtime.systemstack',
  },
  'go-1.18-stripped': { build: GO, of: 'go', toolchain: 'go1.18.10', stripped: true, stop: to('main.leaf') },
  'go-1.21-pie': {
    build: [...GO, '-buildmode=pie'],
    of: 'go',
    toolchain: 'go1.21.13',
    stop: to('main.leaf'),
  },
  'go-trimpath-stripped': { build: [...GO, '-trimpath'], of: 'go', stripped: true, stop: to('main.leaf') },
  lto: {
    build: ['g++', '-O3', '-flto', '-fcf-protection', '-fomit-frame-pointer', 'throws.cc'],
    stop: to('*_Unwind_RaiseException', 'stepi 40'),
  },
  clang: {
    build: ['clang', '-O2', '-fomit-frame-pointer', '-pthread', 'sorted.c'],
    run: 'other',
    stop: to('*innermost', 'stepi'),
  },
  'stripped-thread': {
    build: [...C, 'sorted.c'],
    run: 'other',
    stripped: true,
    stop: to('*innermost', 'stepi'),
  },
  rust: { build: RUST, stop: to('*innermost') },
  'rust-thread-stripped': { build: RUST, run: 'other', stripped: true, stop: to('*innermost', 'stepi') },
  'arm64-entry': { machine: 'arm64', build: [...ARM, 'sorted.c'], stop: to('*innermost') },
  'arm64-thread': { machine: 'arm64', build: [...ARM, 'threads.c'], stop: to('*innermost', 'stepi') },
  'arm64-deep': { machine: 'arm64', build: [...ARM, 'deep.c'], run: '100', stop: to('*bottom') },
  'arm64-signal': { machine: 'arm64', build: [...ARM, 'signals.c'], stop: to('*handled') },
  'arm64-go': { machine: 'arm64', build: GO, of: 'go', stop: to('main.leaf') },
  'arm64-go-systemstack': {
    machine: 'arm64',
    build: GO,
    of: 'go',
    stop: to('runtime.readmemstats_m'),
    goesOn: 'runtime.systemstack',
  },
  ...Object.fromEntries(
    ['11.0.13.1', '17.0.9.2', '21.0.8.2', '25.0.2.1'].flatMap(java => [
      [`java-${Number.parseInt(java, 10)}-interpreter`, { java, flags: INTERPRETER }],
      [`java-${Number.parseInt(java, 10)}-c1`, { java, flags: C1 }],
      [`java-${Number.parseInt(java, 10)}-c2`, { java, flags: C2 }],
    ]),
  ),
  'go-cgo': { build: GO, of: 'cgo', stop: to('*innermost'), goesOn: 'runtime.asmcgocall' },
};
