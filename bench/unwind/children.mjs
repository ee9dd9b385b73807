// SPDX-License-Identifier: Apache-2.0
// Processes that run until they are stopped, and never longer than the benchmark.
import { spawn } from 'node:child_process';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function startChild(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
  running.add(child);
  return child;
}

export const isAlive = child => child.exitCode === null && child.signalCode === null;

/** Ends them by their ids, and waits until they are gone. */
export async function stopChildren(children) {
  const left = children.filter(isAlive);
  const ended = left.map(child => new Promise(resolve => child.once('exit', resolve)));
  for (const child of left) child.kill('SIGKILL');
  await Promise.all(ended);
  for (const child of children) running.delete(child);
}
