// SPDX-License-Identifier: Apache-2.0
// `stackwell record` into a temporary folder.
import path from 'node:path';
import { expect } from 'vitest';
import { type Decoded, readPprof } from './pprof.js';
import { bin, eventually, type Finished, type Running, start, temporaryFolder } from './stackwell.js';

export interface Recording {
  profile: Decoded;
  /** What `--json` printed. */
  statistics: Record<string, unknown>;
  finished: Finished;
  path: string;
}

/** Starts a recording and resolves once it has begun, so that nothing that starts later is missed. */
export async function startRecord(output: string, ...args: string[]): Promise<Running> {
  const running = start(bin, ['record', '--json', '-o', output, ...args]);
  await eventually('the recording has begun', 30, () => {
    if (!running.alive) throw new Error(`record ended: ${running.stderr}`);
    return running.stderr.includes('recording for') || null;
  });
  return running;
}

/** Waits for a recording, and expects it to have gone well. */
export async function finishRecord(running: Running, output: string): Promise<Recording> {
  const finished = await running.finished;
  expect(finished.stderr).not.toContain('SW_');
  expect(finished.code).toBe(0);
  return {
    profile: readPprof(output),
    statistics: JSON.parse(finished.stdout) as Record<string, unknown>,
    finished,
    path: output,
  };
}

/** Records to the end. */
export async function record(...args: string[]): Promise<Recording> {
  const output = path.join(temporaryFolder(), 'out.pb.gz');
  return finishRecord(start(bin, ['record', '--json', '-o', output, ...args]), output);
}

/** On-CPU samples of a process. */
export const recordCpu = (pid: number, seconds: number, hz = 397): Promise<Recording> =>
  record('--pid', String(pid), '--type', 'cpu', '--hz', String(hz), '--seconds', String(seconds));
