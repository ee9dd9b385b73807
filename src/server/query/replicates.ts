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

/** What one instance was seen doing. */
interface Instance {
  group: number;
  end: number;
  /** Start of its first profile in each block. */
  starts: Float64Array;
}

/** How exactly the store is asked where profiles are. */
const WINDOW_MS = 10_000;

export class Replicates {
  readonly #instances = new Map<string, Instance>();
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

  static async choose(sources: Sources, question: Question, first: number): Promise<Replicates> {
    const { selection } = question;
    const { from, until } = selection;
    const options = { maxLevel: finest(from, until, sources.ages), ages: sources.ages };
    const narrow = await choosePieces(sources.store, selection, { ...options, narrow: true });
    const seen = new Set<string>();
    let records = 0;
    let presentMs = 0;
    const held = { from: until, until: from };
    for (const piece of narrow.pieces) {
      const step = Math.max(WINDOW_MS, piece.level * 1000);
      for (const { labels, times, profiles } of await sources.store.timeline(
        { ...selection, ...piece },
        step,
        [...INSTANCE_LABELS],
      )) {
        if (times.length === 0) continue;
        const [start, end] = [Math.max(from, times[0]!), Math.min(until, times.at(-1)! + step)];
        held.from = Math.min(held.from, start);
        held.until = Math.max(held.until, end);
        seen.add(instanceKey(labels));
        records += profiles;
        presentMs += end - start;
      }
    }
    // Blocks are of the time that there is something of, or most of them would be empty.
    if (held.from < held.until && 2 * (held.until - held.from) < until - from)
      return Replicates.choose(sources, { ...question, selection: { ...selection, ...held } }, first);
    const range = held.from < held.until ? held : { from, until };
    const tellApart = records <= MOST_RECORDS || !fitsWide(selection, []);
    const { pieces, warnings } = tellApart ? narrow : await choosePieces(sources.store, selection, options);
    return new Replicates(range, pieces, warnings, tellApart, seen.size, presentMs, first);
  }

  /** Which replicate a profile belongs to. */
  of({ labels, start, duration }: ProfileRecord): number {
    this.#longest = Math.max(this.#longest, duration);
    const at = Math.floor((start - this.range.from) / this.#blockMs);
    const block = Math.min(MOST_BLOCKS - 1, Math.max(0, at));
    if (!this.byInstance) return this.first + block;
    const key = instanceKey(labels);
    let instance = this.#instances.get(key);
    if (instance === undefined) {
      const starts = new Float64Array(MOST_BLOCKS).fill(Number.POSITIVE_INFINITY);
      instance = { group: this.#instances.size % MOST_GROUPS, end: start, starts };
      this.#instances.set(key, instance);
    }
    instance.starts[block] = Math.min(instance.starts[block]!, start);
    instance.end = Math.max(instance.end, start + Math.max(1, duration));
    return this.first + instance.group * MOST_BLOCKS + block;
  }

  /** When everything was read. */
  cells(): SideCells {
    const groups = this.byInstance ? Math.min(MOST_GROUPS, Math.max(1, this.#instances.size)) : 1;
    const joined = Math.min(MOST_BLOCKS, Math.max(1, Math.ceil(this.#longest / this.#blockMs)));
    const blocks = Math.ceil(MOST_BLOCKS / joined);
    const seconds = new Float64Array(groups * blocks);
    if (!this.byInstance) seconds.fill(this.presentMs / 1000 / blocks);
    for (const { group, starts, end } of this.#instances.values()) {
      const edges = this.#edges(starts, end);
      for (let block = 0; block < MOST_BLOCKS; block++)
        seconds[group * blocks + Math.floor(block / joined)]! += (edges[block + 1]! - edges[block]!) / 1000;
    }
    return {
      groups,
      blocks,
      seconds,
      joined,
      given: MOST_BLOCKS,
      first: this.first,
      instances: this.byInstance ? this.#instances.size : this.instances,
    };
  }

  /**
   * When each block begins for an instance, from its first profile to the end of its last one. Profiles lie across the
   * edges of blocks and count where they start, so their time has to.
   */
  #edges(starts: Float64Array, end: number): Float64Array {
    const edges = new Float64Array(MOST_BLOCKS + 1);
    const first = starts.find(one => one < Number.POSITIVE_INFINITY) ?? end;
    for (let block = 0; block <= MOST_BLOCKS; block++) {
      const natural = this.range.from + block * this.#blockMs;
      const isSeen = block < MOST_BLOCKS && starts[block]! < Number.POSITIVE_INFINITY;
      const wasSeen = block > 0 && starts[block - 1]! < Number.POSITIVE_INFINITY;
      // Where nothing was seen in a block, the instance was idle in it.
      const edge = block === MOST_BLOCKS ? end : isSeen && wasSeen ? starts[block]! : natural;
      edges[block] = Math.min(end, Math.max(first, edge));
    }
    return edges;
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
