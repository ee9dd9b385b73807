// SPDX-License-Identifier: Apache-2.0
// Names for what no one could name when it was recorded: looked up when a question is answered, in what has arrived
// since. Segments stay as they are.
import type { Merger, UnnamedPlaces, Weights } from '#native/profile';
import { SymbolsBuilder } from '../../symbolizer/builder.js';
import { LocationCache } from '../../symbolizer/cache.js';
import { ChildDied, symbolizerPath } from '../../symbolizer/child.js';
import { type LookupAnswer, MAX_ADDRESSES } from '../../symbolizer/protocol.js';
import { Reader } from '../../symbolizer/reader.js';
import { FileTable, type SourceFile } from '../../symbolizer/source-file.js';
import type { DebugInfo } from './debug-info.js';
import type { Debuginfod } from './debuginfod.js';
import { SourceFiles } from './source-files.js';

const MiB = 1024 * 1024;
const MAX_FILES = 128;
const MEMORY_BYTES = 512 * MiB;
const RESIDENT_BYTES = 512 * MiB;
const CACHED_LOCATIONS = 400_000;
const TIMEOUT_MS = 2000;
const COLD_TIMEOUT_MS = 20_000;
/** One merge waits this long for names; what was found by then is cached, so the next one gets further. */
const MERGE_MS = 15_000;
/** Longest time on the event loop without a pause. */
const SLICE_MS = 8;

/** Places of one build that are not in the cache. */
interface Group {
  rows: number[];
  addresses: number[];
}

export interface LateResult {
  weights: Weights;
  warnings: string[];
}

export type LateOutcome = 'named' | 'no_symbols' | 'file_damaged' | 'symbolizer_busy';

export class LateNames {
  readonly #table = new FileTable({ files: MAX_FILES, bytes: Number.POSITIVE_INFINITY });
  readonly #reader = new Reader(this.#table, {
    path: symbolizerPath(),
    memoryBytes: MEMORY_BYTES,
    residentBytes: RESIDENT_BYTES,
    // A file, its debug file and a supplement, each once in the table and once in the child's cache; and some.
    descriptors: MAX_FILES * 6 + 64,
    timeoutMs: TIMEOUT_MS,
    coldTimeoutMs: COLD_TIMEOUT_MS,
  });
  readonly #files: SourceFiles;
  readonly #cache = new LocationCache(CACHED_LOCATIONS);
  /** The child answers one question at a time, and so do we. */
  #last: Promise<unknown> = Promise.resolve();
  #sliceStart = 0;

  constructor(
    private readonly info: DebugInfo,
    private readonly debuginfod: Debuginfod | null,
    private readonly count: (outcome: LateOutcome, places: number) => void,
  ) {
    this.#files = new SourceFiles(info, this.#table, this.#reader);
    info.onChange = buildId => {
      const stale = this.#files.changed(buildId);
      const close = async () => {
        for (const file of stale) await this.#reader.forget(file);
      };
      if (stale.length > 0) void this.#serially(close).catch(() => {});
    };
  }

  /** Names what can be named. Null when there was nothing to do. Never rejects for what a file contains. */
  async name(merger: Merger): Promise<LateResult | null> {
    if (this.info.files === 0 && this.debuginfod === null) return null;
    const places = await merger.unnamed();
    if (places.buildIds.length === 0) return null;
    const warnings = (await this.debuginfod?.want(places.buildIds)) ?? [];
    if (!places.buildIds.some(buildId => this.info.build(buildId) !== undefined))
      return warnings.length === 0 ? null : { weights: NO_WEIGHTS, warnings };
    const builder = new SymbolsBuilder(places.location.length, []);
    const late = await this.#serially(() => this.#lookUp(places, builder));
    if (late > 0)
      warnings.push(`${late} places without a name were not looked up in time; ask again for their names`);
    const { strings, frameOffset, frames } = builder.build();
    // Handing strings over takes the loop as long again.
    await this.#pause();
    const weights = await merger.name({
      location: places.location,
      isLeaf: places.isLeaf,
      strings,
      frameOffset,
      frames,
    });
    return { weights, warnings };
  }

  async close(): Promise<void> {
    await this.#reader.close();
    await this.#last;
    this.#table.releaseAll();
  }

  /** How many places were left out for want of time. */
  async #lookUp(places: UnnamedPlaces, builder: SymbolsBuilder): Promise<number> {
    const deadline = performance.now() + MERGE_MS;
    this.#sliceStart = performance.now();
    const { files, groups, cached } = await this.#divide(places, builder);
    this.count('named', cached);
    let late = 0;
    // Those that are open first: a file that is hard to read must not cost the others their names.
    const order = [...groups].sort(([a], [b]) => Number(b.warm) - Number(a.warm));
    for (const [file, group] of order) late += await this.#answer(file, group, builder, deadline);
    await this.#orBusy(() => this.#reader.trim(null));
    await this.info.touch(new Set(files.filter(file => file !== null).map(file => file.buildId)));
    return late;
  }

  /** What the cache knows goes to the builder; the rest is sorted by file. */
  async #divide(places: UnnamedPlaces, builder: SymbolsBuilder) {
    const files = places.buildIds.map(buildId => this.#files.use(buildId));
    const groups = new Map<SourceFile, Group>();
    let cached = 0;
    for (let row = 0; row < places.location.length; row++) {
      if (row % 256 === 0) await this.#pause();
      const file = files[places.buildId[row]!]!;
      // A return address belongs to the call in front of it.
      const address = places.offset[row]! - (places.isLeaf[row] === 1 ? 0 : 1);
      if (file === null || address < 0) continue;
      const entry = this.#cache.find(file.number, address);
      if (entry >= 0) {
        builder.copy(row, this.#cache.generation, entry, 'no_symbols');
        if (builder.reason[row] === 0) cached++;
        continue;
      }
      let group = groups.get(file);
      if (group === undefined) {
        group = { rows: [], addresses: [] };
        groups.set(file, group);
      }
      group.rows.push(row);
      group.addresses.push(address);
    }
    return { files, groups, cached };
  }

  async #answer(file: SourceFile, group: Group, builder: SymbolsBuilder, deadline: number): Promise<number> {
    const places = group.rows.length;
    if (performance.now() > deadline) {
      this.count('symbolizer_busy', places);
      return places;
    }
    const opened = await this.#orBusy(() => this.#files.open(file));
    if (opened !== true) {
      this.count(opened === 'busy' ? 'symbolizer_busy' : 'file_damaged', places);
      return opened === 'busy' ? places : 0;
    }
    await this.#orBusy(() => this.#reader.trim(file));
    for (let from = 0; from < places; from += MAX_ADDRESSES) {
      const rows = group.rows.slice(from, from + MAX_ADDRESSES);
      const addresses = group.addresses.slice(from, from + MAX_ADDRESSES);
      const answer =
        performance.now() > deadline
          ? 'busy'
          : await this.#orBusy(() => this.#reader.lookup(file, addresses));
      if (answer === 'busy') {
        this.count('symbolizer_busy', places - from);
        return places - from;
      }
      if (answer === null) {
        this.count('file_damaged', places - from);
        return 0;
      }
      await this.#take(answer, file.number, { rows, addresses }, builder);
    }
    return 0;
  }

  /** Puts an answer into the cache and the rows that asked for it. */
  async #take(answer: LookupAnswer, number: number, group: Group, builder: SymbolsBuilder): Promise<void> {
    const { counts } = answer;
    let frame = 0;
    let named = 0;
    for (let i = 0; i < group.rows.length; i++) {
      if (i % 256 === 0) await this.#pause();
      const end = frame + counts[i]!;
      const entry = this.#cache.keep(number, group.addresses[i]!, answer, frame, end);
      if (end > frame) named++;
      frame = end;
      builder.copy(group.rows[i]!, this.#cache.generation, entry, 'no_symbols');
    }
    this.count('named', named);
    this.count('no_symbols', group.rows.length - named);
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** What only fails when the child cannot be had. */
  async #orBusy<T>(work: () => Promise<T>): Promise<T | 'busy'> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ChildDied || (error as { code?: string }).code === 'SW_SYMBOLIZER') return 'busy';
      throw error;
    }
  }

  /** Lets others run when this has held the event loop for a while. */
  async #pause(): Promise<void> {
    if (performance.now() - this.#sliceStart < SLICE_MS) return;
    await new Promise<void>(resolve => setImmediate(resolve));
    this.#sliceStart = performance.now();
  }
}

const NO_WEIGHTS: Weights = { reason: [], named: new Float64Array(0), all: new Float64Array(0) };
