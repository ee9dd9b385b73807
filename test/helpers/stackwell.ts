// SPDX-License-Identifier: Apache-2.0
// Runs `bin/stackwell` as a user would, and the programs that it looks at.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const bin = path.join(root, 'bin/stackwell');

export interface Finished {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export class Running {
  stdout = '';
  stderr = '';
  readonly finished: Promise<Finished>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.finished = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }),
      );
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('it did not start');
    return this.child.pid;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** SIGTERM, and SIGKILL to what has not ended 15 s later. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    if (this.alive) this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    try {
      return await this.finished;
    } finally {
      clearTimeout(late);
    }
  }
}

/** Starts a program; the caller stops it. */
export function start(
  file: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Running {
  return new Running(spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options }));
}

/** Starts a program that is stopped when the test ends. */
export function startHere(file: string, args: string[], options: { cwd?: string } = {}): Running {
  const running = start(file, args, options);
  onTestFinished(async () => {
    await running.stop('SIGKILL');
  });
  return running;
}

export const stackwell = (...args: string[]): Promise<Finished> => start(bin, args).finished;

/** The SW_ code that a failed command named, '' if none. */
export const errorCode = (finished: Finished): string => /\b(SW_[A-Z_]+):/.exec(finished.stderr)?.[1] ?? '';

/** A folder that is deleted when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'stackwell-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** Asks again and again until there is an answer that is not null; throws what it last knew after `seconds`. */
export async function eventually<T>(
  what: string,
  seconds: number,
  ask: () => Promise<T | null> | T | null,
): Promise<T> {
  const until = performance.now() + seconds * 1000;
  let last: unknown = 'it said no';
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until) throw new Error(`not within ${seconds} s: ${what}`, { cause: last });
    await sleep(100);
  }
}

/** Ids of all BPF programs in the kernel. */
export function bpfPrograms(): number[] {
  const rows = JSON.parse(execFileSync('bpftool', ['-j', 'prog', 'show'], { encoding: 'utf8' })) as {
    id: number;
  }[];
  return rows.map(({ id }) => id);
}

/** Ids of the BPF programs that a process holds, by program or by link. */
export function bpfProgramsOf(pid: number): number[] {
  const ids = new Set<number>();
  const folder = `/proc/${pid}/fdinfo`;
  try {
    for (const fd of readdirSync(folder)) {
      const id = /^prog_id:\s*(\d+)/m.exec(readFileSync(path.join(folder, fd), 'utf8'))?.[1];
      if (id !== undefined) ids.add(Number(id));
    }
  } catch {
    // A descriptor or the process itself is gone.
  }
  return [...ids];
}

/** Programs that no process holds: what somebody left behind. */
export function bpfOrphans(): number[] {
  const held = new Set(
    readdirSync('/proc')
      .filter(entry => /^\d+$/.test(entry))
      .flatMap(pid => bpfProgramsOf(Number(pid))),
  );
  return bpfPrograms().filter(id => !held.has(id));
}

/** False for what is gone and for what has ended and only waits for its parent, which may be an init that is slow. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** Processes started by this one, and theirs. */
export function descendants(pid: number): { pid: number; command: string }[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(line => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)!)
    .map(match => ({ pid: Number(match[1]), parent: Number(match[2]), command: match[3]! }));
  const found: { pid: number; command: string }[] = [];
  const wanted = new Set([pid]);
  // Children may have lower ids than their parents: go round until nothing is added.
  for (let size = 0; size !== wanted.size; ) {
    size = wanted.size;
    for (const row of rows)
      if (wanted.has(row.parent) && !wanted.has(row.pid)) {
        wanted.add(row.pid);
        found.push({ pid: row.pid, command: row.command });
      }
  }
  return found;
}

export { sleep };

/** Runs in a mount namespace of its own after `setup`, so that nobody else sees what is mounted. */
export const inMountNamespace = (setup: string, command: string[]): string[] => [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `set -e; ${setup}; exec "$@"`,
  'sh',
  ...command,
];

/**
 * `bin/stackwell` as a user without rights. What is in the checkout stands in an open folder for it: the checkout itself may
 * be where only its owner can go.
 */
export function asNobody(...args: string[]): string[] {
  const open = temporaryFolder();
  chmodSync(open, 0o755);
  const setup = `
    mount -t tmpfs -o mode=755 tmpfs '${open}'
    for one in '${root}'/*; do
      to='${open}'/$(basename "$one")
      if [ -d "$one" ]; then mkdir "$to"; else touch "$to"; fi
      mount --bind "$one" "$to"
    done`;
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  return inMountNamespace(setup, [...nobody, path.join(open, 'bin/stackwell'), ...args]);
}
