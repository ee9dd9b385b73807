// SPDX-License-Identifier: Apache-2.0
// Where processes publish what their threads work on (docs/trace-link.md). The child reads files and a process's memory
// through descriptors that are opened here, so the kernel's permission check is the agent's.
import type { WantedPublishers } from '#native/bpf';
import type { Reader } from '../../../symbolizer/reader.js';
import type { FileTable, SourceFile } from '../../../symbolizer/source-file.js';
import { readStat } from '../../procfs/process.js';
import type { ElfFiles } from './elf-files.js';
import { openMemory } from './memory.js';

const NS_PER_TICK = 10_000_000n;
/** Files that are known to publish nothing; with more, it is learnt anew. */
const MAX_SILENT = 10_000;
/** musl is its own loader, and goes by one name or the other; glibc is libc.so.6. */
const MUSL = /\/(ld-musl-[^/]*|libc\.musl-[^/]*|libc\.so)$/;

export class ThreadContexts {
  /** Numbers of files without the variable. */
  readonly #silent = new Set<number>();

  constructor(
    readonly table: FileTable,
    readonly reader: Reader,
    readonly elf: ElfFiles,
  ) {}

  /** The place, for the kernel, of the process whose files are `rows`; null when it does not tell, or not yet. */
  async find(wanted: WantedPublishers, rows: number[]): Promise<Uint8Array | null> {
    const first = rows[0]!;
    const pid = wanted.processes.pid[first]!;
    const memory = openMemory(pid);
    if (memory === null) return null;
    const file = this.table.use(`threads:${pid}:${wanted.start[first]}`, 'threads');
    // One process after another: nobody else has it open.
    file.opened.push({ id: file.number, file: memory, role: 'self' });
    try {
      // It is the memory of the process that has the id now.
      if (readStat(pid)?.startNs !== BigInt(wanted.start[first]!) * NS_PER_TICK) return null;
      const musl = rows.some(row => MUSL.test(wanted.mappings.path[row]!));
      for (const row of rows) {
        const place = await this.#ask(file, wanted, row, musl);
        if (place !== null) return place;
      }
      return null;
    } finally {
      file.release();
    }
  }

  async #ask(
    file: SourceFile,
    wanted: WantedPublishers,
    row: number,
    musl: boolean,
  ): Promise<Uint8Array | null> {
    const library = await this.elf.identify(wanted, row);
    if (typeof library === 'string' || this.#silent.has(library.number)) return null;
    if (library.level === 'none' || library.notElf) return null;
    if (!library.isOpen && (await this.elf.open(library, wanted, [row])) !== null) return null;
    const answer = await this.reader.findThreads(file, library, {
      start: wanted.mappings.start[row]!,
      offset: wanted.mappings.offset[row]!,
      context: wanted.context[row]!,
      musl,
    });
    await this.reader.trim(library);
    if (answer !== 'absent') return answer;
    if (this.#silent.size >= MAX_SILENT) this.#silent.clear();
    this.#silent.add(library.number);
    return null;
  }
}
