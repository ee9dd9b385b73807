// SPDX-License-Identifier: Apache-2.0
// 200 processes of which no two share their executable: copies of what is installed, each with a build ID of its own, all
// of them busy now and then. The worst case for tables that are shared by file.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive, startChild, stopChildren } from './children.mjs';

const folder = fileURLToPath(new URL('../../build/bench/crowd', import.meta.url));
export const PROCESSES = 200;

/** Some thousand instructions, then sleep: each is on a CPU for a part of a per cent. */
const PROGRAMS = {
  '/usr/bin/python3': ['-c', 'import time\nwhile True:\n  sum(i * i for i in range(20000)); time.sleep(0.2)'],
  '/usr/bin/perl': ['-e', 'while (1) { $x += sqrt($_) for 1..20000; select(undef, undef, undef, 0.2) }'],
  '/bin/bash': ['-c', 'while :; do for ((i = 0; i < 2000; i++)); do :; done; read -t 0.2 <> <(:) || :; done'],
  '/usr/bin/gdb': [
    '-q',
    '-batch',
    '-ex',
    'python\nimport time\nwhile True:\n  sum(i * i for i in range(20000)); time.sleep(0.2)',
  ],
};

/** A copy that nobody shares. Its build ID is its number, so that it is the same file in each run. */
function copyOf(program, number) {
  const copy = path.join(folder, `${path.basename(program)}-${number}`);
  const id = path.join(folder, 'id');
  const note = Buffer.alloc(36);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(20, 4);
  note.writeUInt32LE(3, 8);
  note.write('GNU\0', 12);
  note.writeUInt32LE(number + 1, 16);
  writeFileSync(id, note);
  execFileSync('objcopy', ['--update-section', `.note.gnu.build-id=${id}`, realpathSync(program), copy]);
  return copy;
}

/** Starts them, each a copy of its own or all the same four programs; `stop` ends them by their ids. */
export function startCrowd({ copies = true } = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const programs = Object.keys(PROGRAMS).filter(program => existsSync(program));
  const children = [];
  let bytes = 0;
  for (let number = 0; number < PROCESSES; number++) {
    const program = programs[number % programs.length];
    const file = copies ? copyOf(program, number) : program;
    bytes += readFileSync(file).length;
    children.push(startChild(file, PROGRAMS[program], { argv0: program }));
  }
  return {
    programs: programs.map(program => path.basename(program)),
    executableBytes: bytes,
    alive: () => children.filter(isAlive).length,
    async stop() {
      await stopChildren(children);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
