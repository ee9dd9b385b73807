// SPDX-License-Identifier: Apache-2.0
// What /proc/PID tells about a process. Everything in it that the process can choose is cut to a bound and cleaned.
import { readdirSync, readlinkSync } from 'node:fs';
import { suspendedNs } from './clock.js';
import { readBounded, readSmall } from './file.js';
import { cleanName } from './text.js';

const MAX_COMMAND_LINE = 16 * 1024;
const MAX_ENVIRONMENT = 256 * 1024;
const MAX_ARGUMENTS = 256;

/** USER_HZ: 100 on every architecture that Linux supports Node.js on, whatever CONFIG_HZ is. */
const NS_PER_TICK = 10_000_000n;

/** Start times from /proc are in steps of 10 ms; a pid is not used twice within this. */
const SAME_START_NS = 1_000_000_000n;

/** PF_KTHREAD of include/linux/sched.h. */
const KERNEL_THREAD = 0x00200000;

export interface ProcessStat {
  parent: number;
  /** CLOCK_BOOTTIME nanoseconds, in steps of 10 ms. */
  startNs: bigint;
  kernelThread: boolean;
}

/** Null when the process is gone. */
export function readStat(pid: number): ProcessStat | null {
  const text = readSmall(`/proc/${pid}/stat`, 4096);
  return text === null ? null : parseStat(text);
}

/**
 * Null when the process that started then (CLOCK_MONOTONIC; 0 = not known) ended, and its id is gone or stands for
 * another one now.
 */
export function stillThere(pid: number, startNs: bigint): ProcessStat | null {
  const stat = readStat(pid);
  if (stat === null) return null;
  const difference = stat.startNs - suspendedNs() - startNs;
  if (startNs !== 0n && (difference > SAME_START_NS || difference < -SAME_START_NS)) return null;
  return stat;
}

export function parseStat(text: string): ProcessStat | null {
  // The name stands in parentheses and may hold any character, parentheses too: what follows starts at the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [parent, flags, start] = [fields[1], fields[6], fields[19]];
  if (parent === undefined || flags === undefined || start === undefined || !/^\d+$/.test(start)) return null;
  return {
    parent: Number(parent),
    startNs: BigInt(start) * NS_PER_TICK,
    kernelThread: (Number(flags) & KERNEL_THREAD) !== 0,
  };
}

export interface ProcessStatus {
  name: string;
  /** The process that the id belongs to: another one where the id is a thread's. */
  processId: number;
  parent: number;
  /** The process's id in each pid namespace from ours to its own; the last is what it calls itself. */
  namespacePids: number[];
  /** Effective ids. */
  user: number;
  group: number;
  /** Signals with a handler, bit 0 is signal 1. */
  caughtSignals: bigint;
}

/** Null when the process is gone. */
export function readStatus(pid: number): ProcessStatus | null {
  const text = readSmall(`/proc/${pid}/status`, 8192);
  return text === null ? null : parseStatus(text);
}

export function parseStatus(text: string): ProcessStatus {
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1] ?? '';
  return {
    name: cleanName(field('Name'), 64),
    processId: Number(field('Tgid')) || 0,
    parent: Number(field('PPid')) || 0,
    namespacePids: field('NSpid').split(/\s+/).map(Number).filter(Boolean),
    user: Number(field('Uid').split(/\s+/)[1]),
    group: Number(field('Gid').split(/\s+/)[1]),
    caughtSignals: BigInt(`0x${field('SigCgt') || '0'}`),
  };
}

/** Cgroup paths by controller; '' is cgroup v2. Null when the process is gone. */
export function readCgroups(pid: number): Map<string, string> | null {
  const text = readSmall(`/proc/${pid}/cgroup`);
  return text === null ? null : parseCgroups(text);
}

export function parseCgroups(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    // A directory that was removed while a task is in it is shown with this suffix.
    const path = match[2]!.replace(/ \(deleted\)$/, '');
    for (const controller of match[1]!.split(',')) paths.set(controller, path);
  }
  return paths;
}

/** Arguments; empty for kernel threads and for a process that is gone. */
export async function readCommandLine(pid: number): Promise<string[]> {
  const bytes = await readBounded(`/proc/${pid}/cmdline`, MAX_COMMAND_LINE);
  return bytes === null ? [] : splitArguments(bytes);
}

export function splitArguments(bytes: Buffer): string[] {
  if (bytes.length === 0) return [];
  const parts = bytes.toString('utf8').split('\0', MAX_ARGUMENTS);
  if (parts.at(-1) === '') parts.pop();
  return parts.map(part => cleanName(part, 4096));
}

/** Only the variables asked for. Empty when the process is gone or hides them. */
export async function readEnvironment(pid: number, names: readonly string[]): Promise<Map<string, string>> {
  const bytes = await readBounded(`/proc/${pid}/environ`, MAX_ENVIRONMENT);
  return bytes === null ? new Map() : pickVariables(bytes, names);
}

/** As `readEnvironment`, of the bytes of an environ file. The first of equal names counts, as in getenv. */
export function pickVariables(bytes: Buffer, names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of names) {
    const needle = `${name}=`;
    let at = bytes.indexOf(needle);
    while (at > 0 && bytes[at - 1] !== 0) at = bytes.indexOf(needle, at + 1);
    if (at < 0) continue;
    const end = bytes.indexOf(0, at);
    found.set(
      name,
      bytes.toString('utf8', at + needle.length, Math.min(end < 0 ? bytes.length : end, at + 8192)),
    );
  }
  return found;
}

/** Path of the executable as the process sees it; null when it is gone, not ours to see, or a kernel thread. */
export function readExecutable(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return null;
  }
}

/** Ids of all processes that run now. */
export function listProcesses(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number);
}

/** The process and everything that descends from it, as far as it runs now. Empty when there is no such process. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of listProcesses()) {
    const stat = readStat(pid);
    if (stat === null) continue;
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [pid]);
    else siblings.push(pid);
  }
  if (readStat(root) === null) return [];
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!) ?? []));
  return tree;
}
