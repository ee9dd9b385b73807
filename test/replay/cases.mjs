// SPDX-License-Identifier: Apache-2.0
// What is recorded: programs, and the places where they are stopped.

const C = ['gcc', '-std=gnu17', '-O2', '-fomit-frame-pointer', '-pthread'];
const CPP = ['g++', '-O2', '-fomit-frame-pointer'];
const MUSL = ['musl-gcc', '-static', '-O2', '-fomit-frame-pointer'];
const LAZY = [...C, '-no-pie', '-Wl,-z,lazy', 'linked.c'];
const GO = ['go', 'build'];
const ARM = ['aarch64-linux-gnu-gcc', '-static', '-O2', '-fomit-frame-pointer', '-pthread'];

/** Commands of gdb, from the start of main on. */
const to = (place, ...more) => [`break ${place}`, 'continue', ...more];

/**
 * `machine`: x86_64 where nothing is said; arm64 under emulation. `build`: the command, in programs/ or the folder `of` in it. `run`: arguments. `end`: how the stack ends, `root` where
 * nothing is said. `frames`: no more than these, where that is the point. `goesOn`: after the frame of this function the
 * stack of the main goroutine follows. `without`: files whose table is not there yet.
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
  'arm64-entry': { machine: 'arm64', build: [...ARM, 'sorted.c'], stop: to('*innermost') },
  'arm64-thread': { machine: 'arm64', build: [...ARM, 'threads.c'], stop: to('*innermost', 'stepi') },
  'arm64-deep': { machine: 'arm64', build: [...ARM, 'deep.c'], run: '100', stop: to('*bottom') },
  'arm64-signal': { machine: 'arm64', build: [...ARM, 'signals.c'], stop: to('*handled') },
  'go-cgo': { build: GO, of: 'cgo', stop: to('*innermost'), goesOn: 'runtime.asmcgocall' },
};
