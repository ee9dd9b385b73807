// SPDX-License-Identifier: Apache-2.0
// Jitdump files: where a JIT compiler tells perf what its code is, with lines (Node.js --perf-prof, CPython -X perf_jit,
// a JVM with an agent, …).
import type { Opened } from '#native/descriptors';
import { closeDescriptor, type Opener } from '../../../symbolizer/opener.js';
import { readBounded } from '../../procfs/file.js';

/** Of /proc/PID/maps: ten thousand mappings. A marker behind them is not found. */
const MAX_MAPS = 1024 * 1024;
/** A process maps its dump as if it were code, so that perf hears of it. The name is the id that it has itself. */
const MARKER = /^([0-9a-f]+)-([0-9a-f]+) ..x. [0-9a-f]+ \S+ (\d+) +(\/.*\/jit-\d+\.dump)( \(deleted\))?$/m;

/** Opens the dump that the process has mapped; null when it has none. */
export async function openJitDump(pid: number, opener: Opener): Promise<Opened | null> {
  const maps = await readBounded(`/proc/${pid}/maps`, MAX_MAPS);
  const marker = maps === null ? null : MARKER.exec(maps.toString('latin1'));
  if (marker === null) return null;
  const [, start, end, inode, path] = marker as unknown as string[];
  const mapped = await opener.mapped(pid, BigInt(`0x${start}`), BigInt(`0x${end}`));
  if (mapped !== null) return mapped;
  const opened = await opener.inRoot(`/proc/${pid}/root`, Buffer.from(path!, 'latin1').toString());
  if (opened === null || opened.inode === BigInt(inode!)) return opened;
  closeDescriptor(opened.descriptor);
  return null;
}
