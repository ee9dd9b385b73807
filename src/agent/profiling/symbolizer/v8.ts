// SPDX-License-Identifier: Apache-2.0
// Names for JavaScript functions of processes with a V8. The child reads a process's memory through a descriptor that is
// opened here, so the kernel's permission check is the agent's.
import type { SymbolsBuilder } from '../../../symbolizer/builder.js';
import type { LocationCache } from '../../../symbolizer/cache.js';
import { closeDescriptor } from '../../../symbolizer/opener.js';
import { type LookupAnswer, MAX_ADDRESSES } from '../../../symbolizer/protocol.js';
import type { Reader } from '../../../symbolizer/reader.js';
import type { FileTable, SourceFile } from '../../../symbolizer/source-file.js';
import { stillThere } from '../../procfs/process.js';
import type { SymbolInput } from '../symbols.js';
import type { ElfFiles } from './elf-files.js';
import { openMemory } from './memory.js';

/** Space of their locations. */
export const JAVASCRIPT = 7;

/** Of a location's `extra`: the address of the code. The bits above it tell which function it is. */
const CODE = (1n << 48n) - 1n;
export const codeOf = (extra: bigint): number => Number(extra & CODE);

export class V8Processes {
  constructor(
    readonly table: FileTable,
    readonly reader: Reader,
    readonly elf: ElfFiles,
    readonly cache: LocationCache,
  ) {}

  /** Names what it can of the rows, all of one process; the others are given back. Gives up at `deadline`. */
  async answer(
    input: SymbolInput,
    process: number,
    rows: number[],
    builder: SymbolsBuilder,
    deadline: number,
  ): Promise<number[]> {
    const byFunction = new Map<bigint, number[]>();
    for (const row of rows) {
      const key = (input.locations.address[row]! & CODE) | (input.locations.extra[row]! & ~CODE);
      const same = byFunction.get(key);
      if (same === undefined) byFunction.set(key, [row]);
      else same.push(row);
    }
    const opened = await this.#open(input, process);
    if (opened === null) return rows;
    const { memory, program } = opened;

    // An object's address tells what it is for now only: the number is not used again.
    const number = this.table.nextNumber();
    const functions = [...byFunction.keys()];
    const left: number[] = [];
    for (let from = 0; from < functions.length; from += MAX_ADDRESSES) {
      const part = functions.slice(from, from + MAX_ADDRESSES);
      const late = performance.now() > deadline;
      const answer = late ? null : await this.reader.lookupFunctions(memory, program, part);
      if (answer !== null) this.#keep(answer, number, from);
      part.forEach((key, i) => {
        const entry = this.cache.find(number, from + i);
        for (const row of byFunction.get(key)!) {
          if (entry < 0) left.push(row);
          else builder.copy(row, this.cache.generation, entry, 'jit_unknown');
        }
      });
    }
    // Nothing could be read: the process may have gone on to another program, with other memory.
    if (left.length === rows.length) await this.reader.forget(memory);
    return left;
  }

  #keep(answer: LookupAnswer, number: number, first: number): void {
    let frame = 0;
    for (let i = 0; i < answer.counts.length; i++) {
      const end = frame + answer.counts[i]!;
      if (end > frame) this.cache.keep(number, first + i, answer, frame, end);
      frame = end;
    }
  }

  /** The memory of a process, and the program that runs in it; null if one of them cannot be had. */
  async #open(
    input: SymbolInput,
    process: number,
  ): Promise<{ memory: SourceFile; program: SourceFile } | null> {
    const { pid, startNs, alive, executableMapping } = input.processes;
    const mapping = executableMapping[process]!;
    if (alive[process] !== 1 || mapping < 0) return null;
    const program = await this.elf.identify(input, mapping);
    if (typeof program === 'string' || program.level === 'none') return null;
    if (!program.isOpen && (await this.elf.open(program, input, [mapping])) !== null) return null;
    const memory = this.table.use(`v8:${pid[process]}:${startNs[process]}:${program.number}`, 'v8');
    if (memory.level === 'none') return null;
    if (!memory.isOpen) {
      const opened = openMemory(pid[process]!);
      if (opened === null) return null;
      // It is the memory of the process that has the id now.
      if (stillThere(pid[process]!, startNs[process]!) === null) {
        closeDescriptor(opened.descriptor);
        return null;
      }
      memory.opened.push({ id: memory.number, file: opened, role: 'self' });
    }
    return { memory, program };
  }
}
