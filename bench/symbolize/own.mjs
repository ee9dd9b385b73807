// SPDX-License-Identifier: Apache-2.0
// The same questions to Stackwell's symbolizer, as the agent asks them.
import { readFileSync, statSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** One drain with these offsets of a file that no process has mapped any more. */
function questionAbout(file, offsets) {
  const rows = offsets.length;
  return {
    strings: [''],
    locations: {
      space: new Uint8Array(rows).fill(1),
      mapping: new Int32Array(rows),
      address: BigUint64Array.from(offsets, BigInt),
      exact: new Uint8Array(rows).fill(1),
      process: new Int32Array(rows).fill(-1),
      extra: new BigUint64Array(rows),
    },
    mappings: {
      path: [file],
      buildId: [''],
      pid: Uint32Array.of(4_194_305),
      start: new BigUint64Array(1),
      end: new BigUint64Array(1),
      offset: new BigUint64Array(1),
      device: new BigUint64Array(1),
      inode: BigUint64Array.of(statSync(file, { bigint: true }).ino),
    },
    processes: {
      pid: new Uint32Array(0),
      parent: new Uint32Array(0),
      startNs: new BigUint64Array(0),
      cgroup: new BigUint64Array(0),
      comm: new Uint32Array(0),
      executable: new Uint32Array(0),
      executableMapping: new Int32Array(0),
      alive: new Uint8Array(0),
    },
  };
}

/** `Symbolizer`: the class, from the compiled code or from its source. */
export async function stackwell(Symbolizer, { file }, offsets, options = {}) {
  const input = questionAbout(file, offsets);
  const start = performance.now();
  const symbolizer = await Symbolizer.start({
    coldTimeoutMs: 120_000,
    timeoutMs: 120_000,
    batchMs: 600_000,
    ...options,
  });
  const ready = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const symbols = await symbolizer.symbolize(input);
  const cold = performance.now();
  delay.disable();
  await symbolizer.symbolize(input);
  const cached = performance.now();
  const { pid, residentBytes } = symbolizer.stats();
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  await symbolizer.close();
  const { strings, frames, frameOffset } = symbols;
  return {
    frames: offsets.map((_, row) =>
      Array.from({ length: frameOffset[row + 1] - frameOffset[row] }, (_, i) => {
        const at = frameOffset[row] + i;
        return {
          name: strings[frames.systemName[at]],
          file: strings[frames.file[at]],
          line: frames.line[at],
        };
      }),
    ),
    startMs: ready - start,
    coldMs: cold - ready,
    cachedMs: cached - cold,
    longestStallMs: delay.max / 1e6,
    residentMb: residentBytes / 2 ** 20,
    peakMb: peak,
  };
}
