// SPDX-License-Identifier: Apache-2.0
// What the machine does while a profiler is measured.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PROCESSES, startCrowd } from '../unwind/crowd.mjs';

const build = fileURLToPath(new URL('../../build/bench/', import.meta.url));

/** Work done so far, in units of the load: to be read at the start and at the end of a measurement. */
const nothing = { work: () => 0, unit: '', stop: async () => {} };

const ended = child => new Promise(resolve => child.once('exit', resolve));

/** Two threads that never stop, without frame pointers. */
function busy() {
  mkdirSync(build, { recursive: true });
  const source = fileURLToPath(new URL('burner.c', import.meta.url));
  execFileSync('gcc', [
    '-O2',
    '-fomit-frame-pointer',
    '-Wall',
    '-Wextra',
    '-pthread',
    '-o',
    `${build}burner`,
    source,
  ]);
  const child = spawn(`${build}burner`, ['2'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let done = 0;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) done += Number(line);
  });
  const exit = ended(child);
  return {
    work: () => done,
    unit: 'iterations',
    async stop() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** Small C files compiled by two at a time: each is a driver, a compiler and an assembler, gone after some 20 ms. */
function compile() {
  mkdirSync(build, { recursive: true });
  let done = 0;
  let running = true;
  const worker = async index => {
    const source = `${build}small-${index}.c`;
    for (let i = 0; running; i++) {
      writeFileSync(
        source,
        `#include <stdio.h>\n#include <stdlib.h>\nint f${i}(int x) { return printf("%d", x + ${i}) + rand(); }\n`,
      );
      const child = spawn('gcc', ['-O2', '-c', '-o', `${build}small-${index}.o`, source], {
        stdio: 'inherit',
      });
      const code = await ended(child);
      if (code !== 0) throw new Error(`gcc ended with ${code}`);
      done++;
    }
  };
  const workers = Promise.all([worker(0), worker(1)]);
  return {
    work: () => done,
    unit: 'compilations',
    async stop() {
      running = false;
      await workers;
    },
  };
}

/** Each busy for a moment and asleep for 0.2 s. With `copies` they share nothing but their libraries. */
function crowd(copies) {
  const { stop, alive } = startCrowd({ copies });
  return { ...nothing, stop, check: () => alive() === PROCESSES };
}

/** `rates`: at which it is measured, if not at all of them. */
export const LOADS = {
  idle: { label: 'idle', start: () => nothing },
  busy: { label: '2 busy cores', start: busy },
  compile: { label: 'a compiler forks (gcc, two at a time)', start: compile },
  crowd: { label: `${PROCESSES} processes of four programs`, rates: [19], start: () => crowd(false) },
  strangers: { label: `${PROCESSES} processes, each its own program`, rates: [19], start: () => crowd(true) },
};
