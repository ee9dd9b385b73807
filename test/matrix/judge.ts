// SPDX-License-Identifier: Apache-2.0
// What the samples of a program are worth, by what is known of it.
import type { StackEnd } from '../../src/profile/types.js';
import type { Sample } from './measure.js';

export interface Kind {
  name: string;
  weight: number;
  /**
   * The chain of calls, each directly the caller of the next one; '*' stands for any number of frames. The first one
   * tells the kind; where the last one is on the stack, all of them must be.
   */
  path: string[];
  /** What it burns is not all on stacks with its first function: it has no share to compare. */
  spread?: boolean;
}

export interface Program {
  kinds: Kind[];
  /** What the outermost frame may be. */
  roots: RegExp;
  /** Which samples are judged; by default all on-CPU ones. */
  judged?: (sample: Sample) => boolean;
}

export interface Verdict {
  samples: number;
  /** Percent of the samples whose stack ends at a root, by its own account and by the name of its last frame. */
  complete: number;
  /** Percent of the frames. */
  named: number;
  /** Percent of the samples in an innermost function that is known, with the whole chain of calls. */
  exact: number;
  /** The function whose share differs most from what was burnt in it, in points. */
  share: { kind: string; deviation: number };
  /** Samples that did not reach the root, by how they ended. */
  ends: Partial<Record<StackEnd | 'wrong_root', number>>;
  kinds: { name: string; samples: number; complete: number; exact: number; share?: number; burnt?: number }[];
}

/** Whole words only: `burn` is not in `burned`. A frame may have a namespace before it and arguments behind. */
export function isCalled(frame: string, name: string): boolean {
  for (let at = frame.indexOf(name); at >= 0; at = frame.indexOf(name, at + 1))
    if (!/[\w$]/.test(frame[at - 1] ?? ' ') && !/[\w$]/.test(frame[at + name.length] ?? ' ')) return true;
  return false;
}

const percent = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole);

/** Whether the frames from `at` on are the path; '*' takes as few as it can. */
export function follows(frames: string[], at: number, path: string[], step = 0): boolean {
  for (; step < path.length; step++, at++) {
    if (path[step] === '*') {
      for (let next = at; next < frames.length; next++)
        if (follows(frames, next, path, step + 1)) return true;
      return false;
    }
    if (at >= frames.length || !isCalled(frames[at]!, path[step]!)) return false;
  }
  return true;
}

export function judge(samples: Sample[], program: Program): Verdict {
  const judged = samples.filter(sample => sample.kind === 'cpu' && (program.judged?.(sample) ?? true));
  const ends: Verdict['ends'] = {};
  const burnt = program.kinds.reduce((sum, { weight, spread }) => sum + (spread ? 0 : weight), 0);
  const kinds = program.kinds.map(({ name, weight, spread = false }) => ({
    name,
    spread,
    samples: 0,
    whole: 0,
    innermost: 0,
    exact: 0,
    burnt: percent(weight, burnt),
  }));
  let [count, whole, frames, unnamed] = [0, 0, 0, 0];
  for (const sample of judged) {
    count += sample.count;
    frames += sample.frames.length * sample.count;
    unnamed += sample.unnamed * sample.count;
    const rooted = program.roots.test(sample.frames[0] ?? '');
    const complete = sample.end === 'root' && rooted;
    if (complete) whole += sample.count;
    else {
      const end = sample.end === 'root' ? 'wrong_root' : sample.end;
      ends[end] = (ends[end] ?? 0) + sample.count;
    }
    // The innermost kind: a signal may interrupt another one.
    const which = program.kinds.findIndex(({ path }) =>
      sample.frames.some(frame => isCalled(frame, path[0]!)),
    );
    if (which < 0) continue;
    const kind = kinds[which]!;
    const { path } = program.kinds[which]!;
    kind.samples += sample.count;
    if (complete) kind.whole += sample.count;
    if (path.at(-1) === '*' || !sample.frames.some(frame => isCalled(frame, path.at(-1)!))) continue;
    kind.innermost += sample.count;
    if (sample.frames.some((_, at) => follows(sample.frames, at, path))) kind.exact += sample.count;
  }
  const inKinds = kinds.reduce((sum, kind) => sum + (kind.spread ? 0 : kind.samples), 0);
  const rows = kinds.map(kind => ({
    name: kind.name,
    samples: kind.samples,
    complete: percent(kind.whole, kind.samples),
    // Kinds whose innermost function is not ours have no chain to compare.
    exact: kind.innermost === 0 ? 100 : percent(kind.exact, kind.innermost),
    ...(kind.spread ? {} : { share: percent(kind.samples, inKinds), burnt: kind.burnt }),
  }));
  const worst = rows
    .map(({ name, share = 0, burnt = 0 }) => ({ kind: name, deviation: share - burnt }))
    .reduce((a, b) => (Math.abs(b.deviation) > Math.abs(a.deviation) ? b : a));
  return {
    samples: count,
    complete: percent(whole, count),
    named: percent(frames - unnamed, frames),
    exact: percent(
      kinds.reduce((sum, kind) => sum + kind.exact, 0),
      kinds.reduce((sum, kind) => sum + kind.innermost, 0),
    ),
    share: worst,
    ends,
    kinds: rows,
  };
}
