// SPDX-License-Identifier: Apache-2.0
// How one side of a comparison is taken apart, by instance and by block of time, so that noise can be told from change.
import { labelOf } from '../../profile/labels.js';
import type { Labels } from '../../profile/types.js';
import { LEVELS, type ProfileRecord } from '../../store/store.js';
import type { Sources } from './merge.js';
import { type Ages, choosePieces } from './pieces.js';
import { fitsWide, type Piece } from './plan.js';
import type { Question } from './question.js';

/** What one instance of a service is told from others by. */
export const INSTANCE_LABELS = ['host', 'pod', 'container_id'] as const;

const MOST_BLOCKS = 16;
/** More instances share replicates: they are still independent of each other. */
const MOST_GROUPS = 16;
/** Profiles and rollups of one side; with more, instances are not told apart where a rollup over all of them will do. */
const MOST_RECORDS = 20_000;

/** One side, apart. Cell (group of instances, block) is group × blocks + block. */
export interface SideCells {
  groups: number;
  blocks: number;
  /** Instance-seconds, by cell. */
  seconds: Float64Array;
  /** Of the replicates that were given to the merger, which block is which: blocks are joined where profiles are longer. */
  joined: number;
  given: number;
  /** Number of the first of its replicates. */
  first: number;
  instances: number;
}

interface Span {
  group: number;
  start: number;
  end: number;
}

export class Replicates {
  readonly #spans = new Map<string, Span>();
  readonly #blockMs: number;
  #longest = 0;

  private constructor(
    private readonly range: { from: number; until: number },
    readonly pieces: Piece[],
    readonly warnings: string[],
    private readonly byInstance: boolean,
    private readonly instances: number,
    /** Milliseconds that instances were there for, where they are not told apart. */
    private readonly presentMs: number,
    /** Number of the first replicate. */
    private readonly first: number,
  ) {
    this.#blockMs = Math.max(1, (range.until - range.from) / MOST_BLOCKS);
  }

  /** Of how many numbers, at most. */
  static readonly size = MOST_BLOCKS * MOST_GROUPS;

  static async choose(sources: Sources, { selection }: Question, first: number): Promise<Replicates> {
    const { from, until } = selection;
    const options = { maxLevel: finest(from, until, sources.ages), ages: sources.ages };
    const narrow = await choosePieces(sources.store, selection, { ...options, narrow: true });
    const seen = new Set<string>();
    let records = 0;
    let presentMs = 0;
    for (const piece of narrow.pieces)
      for (const { labels, profiles } of await sources.store.timeline(
        { ...selection, ...piece },
        piece.until - piece.from,
        [...INSTANCE_LABELS],
      )) {
        seen.add(instanceKey(labels));
        records += profiles;
        presentMs += piece.until - piece.from;
      }
    const tellApart = records <= MOST_RECORDS || !fitsWide(selection, []);
    const { pieces, warnings } = tellApart ? narrow : await choosePieces(sources.store, selection, options);
    return new Replicates({ from, until }, pieces, warnings, tellApart, seen.size, presentMs, first);
  }

  /** Which replicate a profile belongs to. */
  of({ labels, start, duration }: ProfileRecord): number {
    this.#longest = Math.max(this.#longest, duration);
    const block = Math.min(
      MOST_BLOCKS - 1,
      Math.max(0, Math.floor((start - this.range.from) / this.#blockMs)),
    );
    if (!this.byInstance) return this.first + block;
    const key = instanceKey(labels);
    let span = this.#spans.get(key);
    if (span === undefined) {
      span = { group: this.#spans.size % MOST_GROUPS, start, end: start };
      this.#spans.set(key, span);
    }
    span.start = Math.min(span.start, start);
    span.end = Math.max(span.end, start + Math.max(1, duration));
    return this.first + span.group * MOST_BLOCKS + block;
  }

  /** When everything was read. */
  cells(): SideCells {
    const groups = this.byInstance ? Math.min(MOST_GROUPS, Math.max(1, this.#spans.size)) : 1;
    const joined = Math.min(MOST_BLOCKS, Math.max(1, Math.ceil(this.#longest / this.#blockMs)));
    const blocks = Math.ceil(MOST_BLOCKS / joined);
    const seconds = new Float64Array(groups * blocks);
    if (!this.byInstance) seconds.fill(this.presentMs / 1000 / blocks);
    const blockMs = this.#blockMs * joined;
    for (const { group, start, end } of this.#spans.values())
      for (let block = 0; block < blocks; block++) {
        const from = this.range.from + block * blockMs;
        const overlap = Math.min(end, from + blockMs) - Math.max(start, from);
        if (overlap > 0) seconds[group * blocks + block]! += overlap / 1000;
      }
    return {
      groups,
      blocks,
      seconds,
      joined,
      given: MOST_BLOCKS,
      first: this.first,
      instances: this.byInstance ? this.#spans.size : this.instances,
    };
  }
}

function instanceKey(labels: Labels): string {
  return JSON.stringify(INSTANCE_LABELS.map(name => labelOf(labels, name)));
}

/** The coarsest rollups, in seconds, that fit into blocks, or coarser ones where finer are not kept any more. */
function finest(from: number, until: number, ages: Ages): number {
  const fits = LEVELS.findLast(level => level * 1000 <= (until - from) / MOST_BLOCKS) ?? 0;
  const kept =
    [0, ...LEVELS].find(level => from > Date.now() - (ages[level] ?? Number.POSITIVE_INFINITY)) ??
    LEVELS.at(-1)!;
  return Math.max(fits, kept);
}
