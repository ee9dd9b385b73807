// SPDX-License-Identifier: Apache-2.0
// One drain and its names, as pprof columns: a profile for each group of processes and each kind. Conventions are those
// of docs/pprof.md. No object is made for a sample: rows are numbers in typed arrays all the way.
import type { Drained } from '#native/bpf';
import type { ProfileColumns } from '#native/profile';
import type { Coverage } from '../../profile/coverage.js';
import { REASONS } from '../../profile/types.js';
import { cleanName } from '../procfs/text.js';
import { commentLines } from './comments.js';
import type { Symbols } from './symbols.js';
import { Tally } from './tally.js';
import { TupleTable } from './tuple-table.js';

export type Kind = 'cpu' | 'offcpu';
export const KINDS: readonly Kind[] = ['cpu', 'offcpu'];

export interface WindowTime {
  /** Unix nanoseconds of the drain's start. */
  startNs: bigint;
  /** On-CPU sampling rate, for the period. */
  hz: number;
}

export interface GroupProfile {
  group: number;
  kind: Kind;
  columns: ProfileColumns;
  stats: Coverage;
}

/** Space of a location, as in native/bpf. */
const KERNEL = 0;
const FILE = 1;
const JIT = 2;
const UNKNOWN = 3;
const JIT_MAPPING = '[jit]';
const PSEUDO_MAPPINGS: Record<number, string> = {
  [KERNEL]: '[kernel.kallsyms]',
  [JIT]: JIT_MAPPING,
  // Java, interpreted and compiled; JavaScript.
  5: JIT_MAPPING,
  6: JIT_MAPPING,
  7: JIT_MAPPING,
  4: '[vdso]',
};

const USER_UNREADABLE = 4;

const PHASES = ['blocked', 'runqueue', 'preempted'];
const UNWIND_FAILED = 1 + REASONS.indexOf('unwind_failed');
/** Of a location that has none of the drain's: what stands for the part of a stack that could not be read. */
const NOWHERE = -1;

/** Letters as ps shows them, by the low bits of task_struct's state (include/linux/sched.h, the same since 4.14). */
const STATE_LETTERS = ['S', 'D', 'T', 't', 'X', 'Z', 'P', 'X'];

export function stateLetter(bits: number): string {
  for (let bit = 0; bit < STATE_LETTERS.length; bit++) if (bits & (1 << bit)) return STATE_LETTERS[bit]!;
  return 'R';
}

/** Numbers rows of some larger table in the order they are used, and is emptied in no time for the next profile. */
class Picked {
  readonly rows: number[] = [];
  private readonly place: Int32Array;

  constructor(size: number) {
    this.place = new Int32Array(size).fill(-1);
  }

  add(row: number): number {
    let at = this.place[row]!;
    if (at < 0) {
      at = this.rows.push(row) - 1;
      this.place[row] = at;
    }
    return at;
  }

  clear(): void {
    for (const row of this.rows) this.place[row] = -1;
    this.rows.length = 0;
  }
}

/** Sets 64-bit integers from doubles without making a BigInt for each. Every Linux that Node.js runs on is little-endian. */
function setInteger(words: Uint32Array, index: number, value: number): void {
  const whole = Math.round(value);
  words[index * 2] = whole % 0x1_0000_0000;
  words[index * 2 + 1] = Math.floor(whole / 0x1_0000_0000);
}

const words = (array: BigUint64Array | BigInt64Array) =>
  new Uint32Array(array.buffer, array.byteOffset, array.length * 2);

/** Nanoseconds that one sample stands for, as the BPF side counts it: whole, rounded down. Off-CPU values are time itself. */
export function periodOf(kind: Kind, hz: number): bigint {
  return kind === 'cpu' ? BigInt(Math.floor(1e9 / hz)) : 1n;
}

/** All samples of a drain in one group, for a recording of one scope. */
export function oneGroup(drained: Drained): Uint32Array {
  return new Uint32Array(drained.processes.pid.length);
}

export class WindowBuilder {
  private readonly locations: Picked;
  private readonly functions: Picked;
  private readonly frameFunction: Uint32Array;
  private readonly functionTable: TupleTable;
  private readonly cleanStrings: (string | undefined)[];
  private readonly addresses: Uint32Array;

  constructor(
    private readonly drained: Drained,
    private readonly symbols: Symbols,
    private readonly time: WindowTime,
    /** 1 for each process that was asked for the perf map that its code made at run time is named by. */
    private readonly mapped: Uint8Array = new Uint8Array(drained.processes.pid.length),
  ) {
    const { frames } = symbols;
    const count = frames.name.length;
    this.locations = new Picked(drained.locations.space.length);
    this.functionTable = new TupleTable(4, Math.min(count, 65_536));
    this.frameFunction = new Uint32Array(count);
    const tuple = new Uint32Array(4);
    for (let i = 0; i < count; i++) {
      tuple[0] = frames.name[i]!;
      tuple[1] = frames.systemName[i]!;
      tuple[2] = frames.file[i]!;
      tuple[3] = frames.startLine[i]!;
      this.frameFunction[i] = this.functionTable.add(tuple);
    }
    this.functions = new Picked(this.functionTable.size);
    this.cleanStrings = new Array(drained.strings.length);
    this.addresses = words(drained.locations.address);
  }

  /** Profiles of all groups; `groupOf` gives the group of each process row. Groups without samples have none. */
  *build(groupOf: Uint32Array, groups: number): Generator<GroupProfile> {
    const { kind, process } = this.drained.samples;
    // Counting sort: rows of one (group, kind) side by side.
    const end = new Uint32Array(groups * 2 + 1);
    for (let row = 0; row < kind.length; row++) end[groupOf[process[row]!]! * 2 + kind[row]! + 1]!++;
    for (let i = 1; i < end.length; i++) end[i]! += end[i - 1]!;
    const rows = new Uint32Array(kind.length);
    const next = end.slice(0, -1);
    for (let row = 0; row < kind.length; row++) rows[next[groupOf[process[row]!]! * 2 + kind[row]!]!++] = row;
    for (let group = 0; group < groups; group++)
      for (let k = 0; k < 2; k++) {
        const own = rows.subarray(end[group * 2 + k]!, end[group * 2 + k + 1]!);
        if (own.length > 0) yield { group, kind: KINDS[k]!, ...this.profile(own, KINDS[k]!) };
      }
  }

  /** A profile of these sample rows, all of one kind. */
  profile(rows: Uint32Array, kind: Kind): { columns: ProfileColumns; stats: Coverage } {
    const { drained, symbols } = this;
    const { samples, stacks } = drained;
    const { frameOffset } = symbols;
    const { space, process } = drained.locations;
    const strings = new Strings();
    const offCpu = kind === 'offcpu';

    let depth = 0;
    for (const row of rows) {
      const stack = samples.stack[row]!;
      depth += stacks.offset[stack + 1]! - stacks.offset[stack]! + 1;
    }
    const location = new Uint32Array(depth);
    const locationOffset = new Uint32Array(rows.length + 1);
    const values = new BigInt64Array(rows.length);
    const valueWords = words(values);
    const labelOffset = new Uint32Array(rows.length + 1);
    const labels = new Labels(rows.length * (offCpu ? 8 : 6), strings);
    const tally = new Tally();
    // The stand-in for what could not be read comes after all others; until their number is known it has this one.
    const standIn = 0xffff_ffff;
    let standIns = 0;
    let at = 0;

    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const stack = samples.stack[row]!;
      const count = samples.count[row]!;
      const flags = stacks.flags[stack]!;
      const first = stacks.offset[stack]!;
      const last = stacks.offset[stack + 1]!;
      for (let j = first; j < last; j++) {
        const source = stacks.location[j]!;
        location[at++] = this.locations.add(source);
        const named = frameOffset[source + 1]! - frameOffset[source]!;
        tally.location(symbols.reason[source]!, named, count);
        if (space[source] === JIT && this.mapped[process[source]!] === 1) tally.perfMap(named * count);
      }
      if ((flags & USER_UNREADABLE) !== 0 || first === last) {
        location[at++] = standIn;
        standIns++;
        tally.location(UNWIND_FAILED, 1, count);
      }
      locationOffset[i + 1] = at;
      tally.stack(stacks.end[stack]!, flags, count);
      setInteger(valueWords, i, samples.value[row]!);

      const owner = samples.process[row]!;
      labels.add('pid', strings.number(drained.processes.pid[owner]!));
      labels.add('process_name', strings.add(this.name(drained.processes.comm[owner]!)));
      labels.add('thread_id', strings.number(samples.tid[row]!));
      labels.add('thread_name', strings.add(this.name(samples.threadName[row]!)));
      const trace = samples.trace[row]!;
      if (trace !== 0) {
        labels.add('trace_id', strings.add(drained.strings[trace]!));
        labels.add('span_id', strings.add(drained.strings[samples.span[row]!]!));
      }
      if (offCpu) {
        const phase = samples.phase[row]!;
        labels.add('phase', strings.add(PHASES[phase] ?? ''));
        if (phase === 0) labels.add('state', strings.add(stateLetter(samples.state[row]!)));
      }
      labelOffset[i + 1] = labels.length;
    }
    const used = this.locations.rows.slice();
    if (standIns > 0) {
      for (let i = 0; i < at; i++) if (location[i] === standIn) location[i] = used.length;
      used.push(NOWHERE);
    }
    const stats = tally.coverage(lostIn(drained, kind));

    const columns: ProfileColumns = {
      strings: strings.list,
      sampleTypes: [{ type: strings.add(kind), unit: strings.add('nanoseconds') }],
      periodType: { type: strings.add(kind), unit: strings.add('nanoseconds') },
      period: periodOf(kind, this.time.hz),
      timeNanos: this.time.startNs,
      durationNanos: drained.endNs - drained.startNs,
      comments: Uint32Array.from(commentLines(kind, stats, this.reasons(used)), line => strings.add(line)),
      defaultSampleType: 0,
      dropFrames: 0,
      keepFrames: 0,
      docUrl: 0,
      ...this.frames(used, strings),
      samples: { locationOffset, location: location.subarray(0, at), values, labelOffset },
      labels: labels.columns(),
    };
    this.locations.clear();
    this.functions.clear();
    return { columns, stats };
  }

  /** 1-based ids of the locations that have no name, by reason. */
  private reasons(used: number[]): Map<string, number[]> {
    const ids = new Map<string, number[]>();
    for (let i = 0; i < used.length; i++) {
      const reason = used[i] === NOWHERE ? UNWIND_FAILED : this.symbols.reason[used[i]!]!;
      if (reason === 0) continue;
      const name = REASONS[reason - 1]!;
      const list = ids.get(name);
      if (list === undefined) ids.set(name, [i + 1]);
      else list.push(i + 1);
    }
    return ids;
  }

  private frames(
    used: number[],
    strings: Strings,
  ): Pick<ProfileColumns, 'mappings' | 'functions' | 'locations' | 'lines'> {
    const { drained, symbols } = this;
    const { space, mapping } = drained.locations;
    const { frameOffset, frames } = symbols;
    let lineCount = 0;
    for (const source of used)
      if (source !== NOWHERE) lineCount += frameOffset[source + 1]! - frameOffset[source]!;
    const locations = {
      mapping: new Int32Array(used.length).fill(-1),
      address: new BigUint64Array(used.length),
      isFolded: new Uint8Array(used.length),
      lineOffset: new Uint32Array(used.length + 1),
    };
    const addressWords = words(locations.address);
    const lines = {
      function: new Int32Array(lineCount),
      line: new BigInt64Array(lineCount),
      column: new BigInt64Array(lineCount),
    };
    const lineWords = words(lines.line);
    const mappings = new Mappings(strings);
    let at = 0;
    for (let i = 0; i < used.length; i++) {
      const source = used[i]!;
      if (source !== NOWHERE) {
        const where = space[source]!;
        const from = frameOffset[source]!;
        const to = frameOffset[source + 1]!;
        let flags = 0;
        for (let frame = from; frame < to; frame++) {
          lines.function[at] = this.functions.add(this.frameFunction[frame]!);
          lineWords[at * 2] = frames.line[frame]!;
          at++;
          flags |= 1 | (frames.file[frame]! === 0 ? 0 : 2) | (frames.line[frame]! === 0 ? 0 : 4);
        }
        if (to - from > 1) flags |= 8;
        const file = mapping[source]!;
        if (where === FILE && file >= 0)
          locations.mapping[i] = mappings.add(
            cleanName(drained.mappings.path[file]!, 4096),
            symbols.buildIds[file] || drained.mappings.buildId[file]!,
            flags,
          );
        else if (PSEUDO_MAPPINGS[where] !== undefined)
          locations.mapping[i] = mappings.add(PSEUDO_MAPPINGS[where], '', flags);
        // An address of JIT code, or of nothing, means nothing in another process: without it stacks merge.
        if (PSEUDO_MAPPINGS[where] !== JIT_MAPPING && where !== UNKNOWN) {
          addressWords[i * 2] = this.addresses[source * 2]!;
          addressWords[i * 2 + 1] = this.addresses[source * 2 + 1]!;
        }
      }
      locations.lineOffset[i + 1] = at;
    }
    const functions = this.functions.rows;
    const tuples = this.functionTable.values;
    const text = (column: number) =>
      Uint32Array.from(functions, row => strings.add(symbols.strings[tuples[row * 4 + column]!]!));
    const startLine = new BigInt64Array(functions.length);
    const startWords = words(startLine);
    for (let i = 0; i < functions.length; i++) startWords[i * 2] = tuples[functions[i]! * 4 + 3]!;
    return {
      mappings: mappings.columns(),
      functions: { name: text(0), systemName: text(1), filename: text(2), startLine },
      locations,
      lines,
    };
  }

  /** A name that a process gave itself. */
  private name(row: number): string {
    let name = this.cleanStrings[row];
    if (name === undefined) {
      name = cleanName(this.drained.strings[row]!, 64);
      this.cleanStrings[row] = name;
    }
    return name;
  }
}

const OFF_CPU_CAUSES = new Set(['task_state_full', 'bad_delta', 'missed_wakeup']);

/** Losses of this drain that can concern this kind; causes without any are left out. */
export function lostIn(drained: Drained, kind: Kind): Record<string, number> {
  const lost: Record<string, number> = {};
  for (const [cause, count] of Object.entries(drained.lost))
    if (count > 0 && (kind === 'offcpu' || !OFF_CPU_CAUSES.has(cause))) lost[cause] = count;
  return lost;
}

class Strings {
  readonly list = [''];
  private readonly rows = new Map<string, number>([['', 0]]);
  private readonly numbers = new Map<number, number>();

  add(text: string): number {
    let row = this.rows.get(text);
    if (row === undefined) {
      row = this.list.push(text) - 1;
      this.rows.set(text, row);
    }
    return row;
  }

  /** The decimal digits, made once for each number. */
  number(value: number): number {
    let row = this.numbers.get(value);
    if (row === undefined) {
      row = this.add(String(value));
      this.numbers.set(value, row);
    }
    return row;
  }
}

class Labels {
  length = 0;
  private readonly key: Uint32Array;
  private readonly str: Uint32Array;

  constructor(
    capacity: number,
    private readonly strings: Strings,
  ) {
    this.key = new Uint32Array(capacity);
    this.str = new Uint32Array(capacity);
  }

  add(key: string, value: number): void {
    this.key[this.length] = this.strings.add(key);
    this.str[this.length++] = value;
  }

  columns(): ProfileColumns['labels'] {
    return {
      key: this.key.subarray(0, this.length),
      str: this.str.subarray(0, this.length),
      num: new BigInt64Array(this.length),
      numUnit: new Uint32Array(this.length),
    };
  }
}

/** By path and build id: where a process has a file mapped is not part of it. */
class Mappings {
  private readonly rows = new Map<string, number>();
  private readonly filename: number[] = [];
  private readonly buildId: number[] = [];
  private readonly flags: number[] = [];

  constructor(private readonly strings: Strings) {}

  add(path: string, buildId: string, flags: number): number {
    const key = `${buildId}\0${path}`;
    let row = this.rows.get(key);
    if (row === undefined) {
      row = this.filename.push(this.strings.add(path)) - 1;
      this.buildId.push(this.strings.add(buildId));
      this.flags.push(0);
      this.rows.set(key, row);
    }
    this.flags[row]! |= flags;
    return row;
  }

  columns(): ProfileColumns['mappings'] {
    const count = this.filename.length;
    return {
      start: new BigUint64Array(count),
      limit: new BigUint64Array(count).fill(1n << 63n),
      offset: new BigUint64Array(count),
      filename: Uint32Array.from(this.filename),
      buildId: Uint32Array.from(this.buildId),
      flags: Uint8Array.from(this.flags),
    };
  }
}
