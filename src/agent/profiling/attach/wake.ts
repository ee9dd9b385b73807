// SPDX-License-Identifier: Apache-2.0
// SIGQUIT ends a process that does not handle it, makes a Go program crash and another vendor's machine dump its heap. So
// it is only sent to a process in which HotSpot is known to wait for it.
import { closeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { openProcess, signalProcess } from '#native/descriptors';
import { readSmall } from '../../procfs/file.js';
import { readCommandLine, readEnvironment, readStat, readStatus } from '../../procfs/process.js';
import { Refusal } from './result.js';

const { SIGQUIT } = constants.signals;
const OPTION = '-XX:+DisableAttachMechanism';
/** Where a machine takes options from, besides its arguments. */
const OPTION_VARIABLES = ['JAVA_TOOL_OPTIONS', 'JDK_JAVA_OPTIONS', '_JAVA_OPTIONS'];

/**
 * Names of threads, as far as the kernel keeps them. The first waits for SIGQUIT, and is not there where the machine was
 * told to leave that signal alone (-Xrs: it listens from the start); OpenJ9 has one of that name too, but not the second.
 */
const DISPATCHER = 'Signal Dispatch';
const HOTSPOT = 'VM Thread';
/** Both are among the first threads of a machine. */
const MAX_THREADS = 1024;

/** It would print its threads in place of listening. */
export async function isDisabled(pid: number): Promise<boolean> {
  const environment = await readEnvironment(pid, OPTION_VARIABLES);
  return [...(await readCommandLine(pid)), ...environment.values()].some(text => text.includes(OPTION));
}

/** Id of the thread that waits for SIGQUIT. Throws a Refusal when there is none. */
export async function findDispatcher(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => {
    throw new Refusal('gone');
  });
  const byName = new Map<string, number>();
  for (const thread of threads
    .map(Number)
    .sort((a, b) => a - b)
    .slice(0, MAX_THREADS))
    byName.set(nameOf(pid, thread), thread);
  const dispatcher = byName.get(DISPATCHER);
  if (dispatcher === undefined || !byName.has(HOTSPOT)) throw new Refusal('disabled');
  return dispatcher;
}

/** Throws a Refusal, and sends nothing, when the process is not as it should be. */
export function sendQuit(machine: { pid: number; startNs: bigint }, dispatcher: number): void {
  const { pid, startNs } = machine;
  let held: number;
  try {
    held = openProcess(pid);
  } catch {
    throw new Refusal('gone');
  }
  try {
    // Held first and then looked at: it cannot be another process when the signal is sent.
    if (readStat(pid)?.startNs !== startNs) throw new Refusal('gone');
    // A program that the process went on to by exec has neither the thread nor the handler.
    const caught = readStatus(pid)?.caughtSignals ?? 0n;
    if ((caught & (1n << BigInt(SIGQUIT - 1))) === 0n || nameOf(pid, dispatcher) !== DISPATCHER)
      throw new Refusal('disabled');
    signalProcess(held, SIGQUIT);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal((error as { code?: string }).code === 'ESRCH' ? 'gone' : 'forbidden');
  } finally {
    closeSync(held);
  }
}

function nameOf(pid: number, thread: number): string {
  return readSmall(`/proc/${pid}/task/${thread}/comm`, 64)?.trimEnd() ?? '';
}
