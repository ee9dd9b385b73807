// SPDX-License-Identifier: Apache-2.0
// Perf maps: where runtimes say what their compiled code is (Node.js --perf-basic-prof, .NET, a JVM on request, …).
import { readFile } from 'node:fs/promises';
import type { Opened } from '#native/descriptors';
import { closeDescriptor, type Opener } from '../../../symbolizer/opener.js';

/**
 * Opens `/tmp/perf-PID.map` as the process sees it: in its root, with the id that it has in its own namespace. Null
 * when there is none, or when it belongs to someone who has no say over the process: /tmp is everybody's.
 */
export async function openPerfMap(pid: number, opener: Opener): Promise<Opened | null> {
  let status: string;
  try {
    status = await readFile(`/proc/${pid}/status`, 'utf8');
  } catch {
    return null;
  }
  // The last id is the innermost namespace's; kernels without namespaces have no such line.
  const own = /^NSpid:.*?(\d+)\s*$/m.exec(status)?.[1] ?? String(pid);
  const uids = /^Uid:\s+(\d+)\s+(\d+)/m.exec(status);
  const opened = await opener.inRoot(`/proc/${pid}/root`, `/tmp/perf-${own}.map`);
  if (opened === null) return null;
  if (opened.uid !== 0 && opened.uid !== Number(uids?.[1]) && opened.uid !== Number(uids?.[2])) {
    closeDescriptor(opened.descriptor);
    return null;
  }
  return opened;
}
