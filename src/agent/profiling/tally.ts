// SPDX-License-Identifier: Apache-2.0
// Counts the samples of a profile by how their stacks end, and its frames by why they have no name.
import { type Coverage, noCoverage } from '../../profile/coverage.js';
import { REASONS, STACK_ENDS } from '../../profile/types.js';

const KERNEL_CUT = 1;
const KERNEL_UNREADABLE = 8;

const ROOT = STACK_ENDS.indexOf('root');
const NO_USER = STACK_ENDS.indexOf('no_user');
const DEPTH = STACK_ENDS.indexOf('depth');
const UNREADABLE = STACK_ENDS.indexOf('unreadable');

export class Tally {
  private byPerfMap = 0;
  private readonly ends = new Float64Array(STACK_ENDS.length);
  /** Row 0 are the named ones, the others as REASONS. */
  private readonly frames = new Float64Array(REASONS.length + 1);

  /** `end` and `flags` as in native/bpf. */
  stack(end: number, flags: number, count: number): void {
    let whole = end;
    // A hole between the kernel's part and the user's, or where a kernel thread began: not whole either.
    if (end === ROOT || end === NO_USER) {
      if ((flags & KERNEL_UNREADABLE) !== 0) whole = UNREADABLE;
      else if ((flags & KERNEL_CUT) !== 0) whole = DEPTH;
    }
    this.ends[whole]! += count;
  }

  /** `reason`: 1 + index into REASONS, 0 when named; `frames`: how many, with the inlined ones. */
  location(reason: number, frames: number, count: number): void {
    this.frames[reason]! += reason === 0 ? count * frames : count;
  }

  /** Of the frames of `location`, those named by a perf map that was asked for. */
  perfMap(frames: number): void {
    this.byPerfMap += frames;
  }

  coverage(lost: Record<string, number>): Coverage {
    const coverage = {
      ...noCoverage(),
      truncated: this.ends[DEPTH]!,
      named: this.frames[0]!,
      perfmap: this.byPerfMap,
      lost,
    };
    for (const [end, count] of this.ends.entries()) {
      coverage.samples += count;
      if (end === ROOT || end === NO_USER) coverage.complete += count;
      else if (count > 0) coverage.incomplete[STACK_ENDS[end]!] = count;
    }
    for (const [reason, count] of this.frames.entries()) {
      coverage.frames += count;
      if (reason > 0 && count > 0) coverage.unresolved[REASONS[reason - 1]!] = count;
    }
    return coverage;
  }
}
