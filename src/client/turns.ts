// SPDX-License-Identifier: Apache-2.0
// CPU time of short turns. The sampler gives the CPU time since its last look to what it sees now. A service with
// little to do works in turns that are shorter than the time between two looks, and most of what a turn burned is only
// noticed when nothing runs any more: without this it would be nobody's, some 85 % of it for turns of 3 ms.
import type { Tick } from './sampler.js';

/**
 * Nanoseconds of CPU by tick, with the same sum. A tick that finds code where nothing ran before has seen the beginning
 * of a turn: on average as much of the turn is still to come, until the next tick, as was missed of the time before. So
 * what idle ticks found is shared out to such ticks, in parts of what each lacks to a full interval, and never more. A
 * stack that is seen again and again without using CPU (it waits for a disk) lacks nothing after its first tick.
 */
export function shareOut(ticks: readonly Tick[], intervalNs: number): Float64Array {
  const cpu = Float64Array.from(ticks, tick => tick.cpu);
  const order = Uint32Array.from(ticks.keys()).sort((a, b) => ticks[a]!.at - ticks[b]!.at);
  const lacks = new Float64Array(ticks.length);
  let [found, lacking, idle] = [0, 0, true];
  for (const row of order) {
    const tick = ticks[row]!;
    if (tick.idle) found += tick.cpu;
    else if (idle) {
      lacks[row] = Math.max(0, intervalNs - tick.cpu);
      lacking += lacks[row]!;
    }
    idle = tick.idle;
  }
  const shared = Math.min(found, lacking);
  if (shared <= 0) return cpu;
  ticks.forEach((tick, row) => {
    if (tick.idle) cpu[row]! *= 1 - shared / found;
    else cpu[row]! += lacks[row]! * (shared / lacking);
  });
  return cpu;
}
