// SPDX-License-Identifier: Apache-2.0
// Java virtual machines: descriptions for the unwinder, and names for their frames. The child reads a machine's memory
// through a descriptor that is opened here, so the kernel's permission check is the agent's.
import type { WantedRuntimes } from '#native/bpf';
import type { Reason } from '../../../profile/types.js';
import type { SymbolsBuilder } from '../../../symbolizer/builder.js';
import type { LocationCache } from '../../../symbolizer/cache.js';
import { closeDescriptor } from '../../../symbolizer/opener.js';
import { encodeFrames, type LookupAnswer, MAX_ADDRESSES } from '../../../symbolizer/protocol.js';
import type { Reader } from '../../../symbolizer/reader.js';
import type { FileTable, SourceFile } from '../../../symbolizer/source-file.js';
import { readStat } from '../../procfs/process.js';
import type { SymbolInput } from '../symbols.js';
import type { ElfFiles } from './elf-files.js';
import { openMemory } from './memory.js';

const NS_PER_TICK = 10_000_000n;
const MAX_MACHINES = 1024;
/** Blobs of a machine whose answers are in the cache; with more, the numbers begin anew. */
const MAX_BLOBS = 50_000;
/** High half of what tells a blob that is no compiled method: it does not tell it for ever. */
const NO_COMPILE_ID = 0xffff_ffffn;

export const INTERPRETED = 5;
export const COMPILED = 6;

interface Machine {
  pid: number;
  startNs: bigint;
  /** Where its libjvm.so is mapped. */
  wanted: WantedRuntimes;
  row: number;
  file: SourceFile;
  description: Uint8Array | null;
  /** A compiled method, which is never another one as long as the process lives, as a file in the cache. */
  blobs: Map<bigint, number>;
}

export class JavaMachines {
  readonly #byPid = new Map<number, Machine>();

  constructor(
    readonly table: FileTable,
    readonly reader: Reader,
    readonly elf: ElfFiles,
    readonly cache: LocationCache,
  ) {}

  has(pid: number): boolean {
    return this.#byPid.has(pid);
  }

  /** What the unwinder must know; null when the machine does not tell, or not yet. */
  async describe(wanted: WantedRuntimes, row: number): Promise<Uint8Array | null> {
    const pid = wanted.processes.pid[row]!;
    const startNs = BigInt(wanted.start[row]!) * NS_PER_TICK;
    const known = this.#byPid.get(pid);
    if (known !== undefined) await this.#forget(known);
    const file = this.table.use(`jvm:${pid}:${startNs}`, 'java');
    const machine: Machine = { pid, startNs, wanted, row, file, description: null, blobs: new Map() };
    if ((await this.#ready(machine)) !== null) {
      await this.reader.forget(file);
      return null;
    }
    this.#byPid.set(pid, machine);
    for (const [, oldest] of this.#byPid) {
      if (this.#byPid.size <= MAX_MACHINES) break;
      await this.#forget(oldest);
    }
    return machine.description;
  }

  /** Names the rows, all of one process. Gives up at `deadline`. */
  async answer(
    input: SymbolInput,
    pid: number,
    rows: number[],
    builder: SymbolsBuilder,
    deadline: number,
  ): Promise<void> {
    const { locations } = input;
    const machine = this.#byPid.get(pid);
    // What tells no more than for now which frame it is shares a number that is not used again.
    const passing = this.table.nextNumber();
    const numberOf = (row: number): number => {
      const extra = locations.extra[row]!;
      const lasting = locations.space[row] === COMPILED && extra >> 32n !== NO_COMPILE_ID;
      return machine !== undefined && lasting ? this.#blob(machine, extra) : passing;
    };
    const offsetOf = (row: number, number: number): number =>
      number === passing ? row : Number(locations.address[row]!);

    const asked: number[] = [];
    for (const row of rows) {
      const number = numberOf(row);
      const entry = this.cache.find(number, offsetOf(row, number));
      if (entry >= 0) builder.copy(row, this.cache.generation, entry, 'jit_unknown');
      else asked.push(row);
    }
    let failed: Reason | null = machine === undefined ? 'jit_unknown' : null;
    for (let from = 0; from < asked.length; from += MAX_ADDRESSES) {
      const part = asked.slice(from, from + MAX_ADDRESSES);
      if (performance.now() > deadline) failed ??= 'symbolizer_busy';
      failed ??= await this.#ready(machine!);
      const answer =
        failed === null ? await this.reader.lookupFrames(machine!.file, encodeFrames(locations, part)) : null;
      if (answer === null) for (const row of part) builder.fail(row, failed ?? 'jit_unknown');
      else this.#take(answer, part, numberOf, offsetOf, builder);
    }
  }

  #take(
    answer: LookupAnswer,
    rows: number[],
    numberOf: (row: number) => number,
    offsetOf: (row: number, number: number) => number,
    builder: SymbolsBuilder,
  ): void {
    let frame = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const end = frame + answer.counts[i]!;
      if (frame === end) {
        builder.fail(row, 'jit_unknown');
        continue;
      }
      const number = numberOf(row);
      const entry = this.cache.keep(number, offsetOf(row, number), answer, frame, end);
      frame = end;
      builder.copy(row, this.cache.generation, entry, 'jit_unknown');
    }
  }

  #blob(machine: Machine, extra: bigint): number {
    let number = machine.blobs.get(extra);
    if (number === undefined) {
      if (machine.blobs.size >= MAX_BLOBS) machine.blobs.clear();
      number = this.table.nextNumber();
      machine.blobs.set(extra, number);
    }
    return number;
  }

  /** Opens the memory of the process and its libjvm.so, if they are not. Null, or why not. */
  async #ready(machine: Machine): Promise<Reason | null> {
    const { wanted, row, file } = machine;
    if (!file.isOpen) {
      const memory = openMemory(machine.pid);
      // It is the memory of the process that has the id now.
      if (readStat(machine.pid)?.startNs !== machine.startNs) {
        if (memory !== null) closeDescriptor(memory.descriptor);
        await this.#forget(machine);
        return 'process_gone';
      }
      if (memory === null) return 'jit_unknown';
      file.opened.push({ id: file.number, file: memory, role: 'self' });
    }
    if (await this.reader.isLoaded(file)) return null;
    const library = await this.elf.identify(wanted, row);
    if (typeof library === 'string') return library;
    if (!library.isOpen) {
      const reason = await this.elf.open(library, wanted, [row]);
      if (reason !== null) return reason;
    }
    const mapping = { start: wanted.mappings.start[row]!, offset: wanted.mappings.offset[row]! };
    machine.description = await this.reader.openMachine(file, library, mapping);
    return machine.description === null ? 'jit_unknown' : null;
  }

  async #forget(machine: Machine): Promise<void> {
    if (this.#byPid.get(machine.pid) === machine) this.#byPid.delete(machine.pid);
    await this.reader.forget(machine.file);
  }
}
