// SPDX-License-Identifier: Apache-2.0
// CPU, memory and BPF time of a process and of what it started.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Fields of /proc/PID/stat after the name, which may hold anything; null when the process is gone. */
function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** The process and its descendants. */
export function tree(root) {
  const children = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = Number(stat(entry)?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const all = [root];
  for (const pid of all) all.push(...(children.get(pid) ?? []));
  return all;
}

/** Seconds of CPU, user and system, of the living and of the children that were waited for. */
export function cpuSeconds(root) {
  let ticks = 0;
  for (const pid of tree(root)) {
    const fields = stat(pid);
    if (fields !== null) for (const field of [11, 12, 13, 14]) ticks += Number(fields[field]);
  }
  return ticks / TICKS;
}

/**
 * Seconds on a CPU of the threads that are there now, to the nanosecond, which is what a difference of two readings
 * wants: cpuSeconds() goes by ticks of 10 ms, of which an idle agent uses three in ten seconds.
 */
export function runSeconds(root) {
  let ns = 0;
  for (const pid of tree(root)) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`))
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // A thread or the process ended meanwhile.
    }
  }
  return ns / 1e9;
}

/** Resident bytes, summed: pages that two of them share count twice. */
export function residentBytes(root) {
  let bytes = 0;
  for (const pid of tree(root)) {
    try {
      bytes += Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      // It ended meanwhile.
    }
  }
  return bytes;
}

const programs = () => JSON.parse(execFileSync('bpftool', ['-j', 'prog', 'show'], { encoding: 'utf8' }));

/** Ids of the BPF programs that are loaded now. */
export const bpfIds = () => new Set(programs().map(({ id }) => id));

/** Ids of the programs that a process holds, by program or by link. */
function heldBy(pid) {
  const ids = [];
  try {
    for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
      const id = /^prog_id:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
      if (id !== undefined) ids.push(Number(id));
    }
  } catch {
    // A descriptor or the process itself is gone.
  }
  return ids;
}

const maps = () =>
  JSON.parse(execFileSync('bpftool', ['-j', 'map', 'show'], { encoding: 'utf8', maxBuffer: 1 << 26 }));

/** Ids of the maps that are there now. */
export const mapIds = () => new Set(maps().map(({ id }) => id));

/** Kernel memory of the maps that are not in `earlier`, as the kernel counts it. Nobody holds those in other maps. */
export const mapBytes = earlier =>
  maps().reduce((sum, { id, bytes_memlock = 0 }) => sum + (earlier.has(id) ? 0 : Number(bytes_memlock)), 0);

/** Run time and count of the BPF programs of the tree that are not in `earlier`: nanoseconds, by program. */
export function bpfRuns(root, earlier) {
  const held = new Set(tree(root).flatMap(heldBy));
  const runs = {};
  for (const { id, type, name, run_time_ns = 0, run_cnt = 0 } of programs()) {
    if (!held.has(id) || earlier.has(id)) continue;
    const key = `${type} ${name}`;
    runs[key] ??= { type, ns: 0, count: 0 };
    runs[key].ns += run_time_ns;
    runs[key].count += run_cnt;
  }
  return runs;
}

/** What ran between two readings. Programs that did not run are left out. */
export function bpfBetween(before, after) {
  const between = {};
  for (const [name, { type, ns, count }] of Object.entries(after)) {
    const runs = count - (before[name]?.count ?? 0);
    if (runs > 0) between[name] = { type, ns: ns - (before[name]?.ns ?? 0), count: runs };
  }
  return between;
}
