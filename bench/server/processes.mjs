// SPDX-License-Identifier: Apache-2.0
// Processes that are measured.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

export function start(command, args, folder, env = {}) {
  const log = openSync(join(folder, 'log'), 'a');
  return spawn(command, args, { cwd: folder, stdio: ['ignore', log, log], env: { ...process.env, ...env } });
}

export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(timer);
}

export async function ready(url, child, seconds) {
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await wait(100)) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      if ((await fetch(url)).ok) return;
    } catch {}
  }
  throw new Error(`${url} is not ready`);
}

export function memoryMB(pid, field = 'VmRSS') {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${field}:\\s+(\\d+)`));
  return Number(line[1]) / 1024;
}

export function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** As `du` has it; files come and go while it is counted. */
export function diskBytes(folder) {
  const { stdout } = spawnSync('du', ['--bytes', '--summarize', folder], { encoding: 'utf8' });
  return Number(stdout.split('\t')[0]);
}
