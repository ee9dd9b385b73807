// SPDX-License-Identifier: Apache-2.0
// Names for the locations of a drain: from the cache, else from the child.
import { existsSync } from 'node:fs';
import type { WantedPublishers, WantedRuntimes, WantedTables } from '#native/bpf';
import type { Reason } from '../../../profile/types.js';
import { SymbolsBuilder } from '../../../symbolizer/builder.js';
import { LocationCache } from '../../../symbolizer/cache.js';
import { ChildDied, symbolizerPath } from '../../../symbolizer/child.js';
import { closeDescriptor, Opener } from '../../../symbolizer/opener.js';
import { KERNEL_BASE, type LookupAnswer, MAX_ADDRESSES } from '../../../symbolizer/protocol.js';
import { Reader } from '../../../symbolizer/reader.js';
import { FileTable, type SourceFile } from '../../../symbolizer/source-file.js';
import { blocksOf } from '../../../symbolizer/unwind-table.js';
import type { SymbolInput, SymbolSource, Symbols, UnwindTable } from '../symbols.js';
import { ElfFiles } from './elf-files.js';
import { COMPILED, INTERPRETED, JavaMachines } from './java.js';
import { openJitDump } from './jit-dumps.js';
import { Kernel } from './kernel.js';
import { openPerfMap } from './perf-maps.js';
import { ThreadContexts } from './thread-contexts.js';
import { codeOf, JAVASCRIPT, V8Processes } from './v8.js';
import { openVdso } from './vdso.js';

export interface SymbolizerOptions {
  /** The program; default build/stackwell-symbolizer of the checkout. */
  path?: string;
  /** Private memory of the child, bytes (default 512 MB). */
  memoryBytes?: number;
  /** Resident memory of the child that files are closed to keep (default 32 MB); one file may need more. */
  residentBytes?: number;
  /** Files open at once (default 256), and bytes mapped by them (default 16 GB; they are the page cache's). */
  maxFiles?: number;
  maxMappedBytes?: number;
  /** Bigger files are not read (default 4 GB). */
  maxFileBytes?: number;
  /** Answers kept (default 200,000). */
  cachedLocations?: number;
  /** Milliseconds that one question may take (default 2,000), and the first ones about a file (default 10,000). */
  timeoutMs?: number;
  coldTimeoutMs?: number;
  /** Milliseconds after which a batch is answered as far as it is (default 20,000). */
  batchMs?: number;
}

const MiB = 1024 * 1024;
const SPACE = { kernel: 0, file: 1, jit: 2, unmapped: 3, vdso: 4 } as const;
/** Batches that wait; more are answered with `symbolizer_busy`. */
const MAX_WAITING = 4;
/** Longest time on the event loop without a pause. */
const SLICE_MS = 8;

/** Rows that are not in the cache, by file. */
interface Group {
  rows: number[];
  addresses: number[];
  mappings: Set<number>;
}

export class Symbolizer implements SymbolSource {
  readonly #table: FileTable;
  readonly #reader: Reader;
  readonly #elf: ElfFiles;
  readonly #opener: Opener;
  readonly #kernel: Kernel;
  readonly #java: JavaMachines;
  readonly #v8: V8Processes;
  readonly #threads: ThreadContexts;
  readonly #cache: LocationCache;
  readonly #batchMs: number;
  /** What a process had last of its JIT compiler. */
  readonly #jitFiles = new Map<string, SourceFile>();
  #vdso: SourceFile | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #sliceStart = 0;

  private constructor(options: SymbolizerOptions) {
    const maxFiles = options.maxFiles ?? 256;
    this.#table = new FileTable({ files: maxFiles, bytes: options.maxMappedBytes ?? 16 * 1024 * MiB });
    const timeoutMs = options.timeoutMs ?? 2000;
    this.#reader = new Reader(this.#table, {
      path: options.path ?? symbolizerPath(),
      memoryBytes: options.memoryBytes ?? 512 * MiB,
      residentBytes: options.residentBytes ?? 32 * MiB,
      // A file, its debug file and a supplement, each once in the table and once in blazesym's cache; and some.
      descriptors: maxFiles * 6 + 64,
      timeoutMs,
      coldTimeoutMs: options.coldTimeoutMs ?? 10_000,
    });
    this.#opener = new Opener(timeoutMs);
    const elfOptions = { maxFileBytes: options.maxFileBytes ?? 4096 * MiB };
    this.#elf = new ElfFiles(this.#table, this.#reader, this.#opener, elfOptions);
    this.#kernel = new Kernel(this.#table, this.#reader);
    this.#cache = new LocationCache(options.cachedLocations ?? 200_000);
    this.#java = new JavaMachines(this.#table, this.#reader, this.#elf, this.#cache);
    this.#v8 = new V8Processes(this.#table, this.#reader, this.#elf, this.#cache);
    this.#threads = new ThreadContexts(this.#table, this.#reader, this.#elf);
    this.#batchMs = options.batchMs ?? 20_000;
  }

  /** Starts the child. Rejects with SW_SYMBOLIZER when it is not there or cannot close its sandbox. */
  static async start(options: SymbolizerOptions = {}): Promise<Symbolizer> {
    const symbolizer = new Symbolizer(options);
    await symbolizer.#reader.running();
    return symbolizer;
  }

  /** Batches are answered one after another. Never rejects for what a file contains: such locations get a reason. */
  async symbolize(input: SymbolInput): Promise<Symbols> {
    if (this.#waiting >= MAX_WAITING) {
      const builder = new SymbolsBuilder(input.locations.space.length, input.mappings.buildId);
      for (let row = 0; row < input.locations.space.length; row++) builder.fail(row, 'symbolizer_busy');
      return builder.build();
    }
    this.#waiting++;
    const answer = this.#last.then(() => this.#symbolize(input));
    this.#last = answer.catch(() => {});
    try {
      return await answer;
    } finally {
      this.#waiting--;
    }
  }

  async unwindTable(wanted: WantedTables, row: number): Promise<UnwindTable> {
    const answer = this.#last.then(() => this.#unwindTable(wanted, row));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async describeRuntime(wanted: WantedRuntimes, row: number): Promise<Uint8Array | null> {
    const answer = this.#last.then(() => this.#java.describe(wanted, row));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async findThreads(wanted: WantedPublishers, rows: number[]): Promise<Uint8Array | null> {
    const answer = this.#last.then(() => this.#threads.find(wanted, rows));
    this.#last = answer.catch(() => {});
    return answer;
  }

  stats(): { restarts: number; cachedLocations: number; residentBytes: number; pid: number | null } {
    const { restarts, residentBytes, pid } = this.#reader;
    return { restarts, residentBytes, pid, cachedLocations: this.#cache.size };
  }

  /** Ends the child and closes all files. A batch that is under way is answered without the names it still lacks. */
  async close(): Promise<void> {
    await this.#reader.close();
    await this.#last;
    this.#table.releaseAll();
  }

  async #symbolize(input: SymbolInput): Promise<Symbols> {
    const { locations } = input;
    const builder = new SymbolsBuilder(locations.space.length, input.mappings.buildId);
    const deadline = performance.now() + this.#batchMs;
    this.#sliceStart = performance.now();
    this.#kernel.age(Date.now());

    const files = await this.#identify(input, builder);
    const groups = new Map<SourceFile, Group>();
    const kernel: Group = { rows: [], addresses: [], mappings: new Set() };
    /** Frames of Java virtual machines, by process. */
    const java = new Map<number, number[]>();
    const words = new Uint32Array(locations.address.buffer, locations.address.byteOffset);
    const codeOf = await this.#nameJavaScript(input, builder, deadline);
    for (let row = 0; row < locations.space.length; row++) {
      if (row % 256 === 0) await this.#pause();
      const space = locations.space[row]!;
      const back = locations.exact[row] === 1 ? 0 : 1;
      if (space === SPACE.kernel) {
        const address = (words[row * 2 + 1]! - KERNEL_BASE) * 2 ** 32 + words[row * 2]! - back;
        if (address < 0) builder.fail(row, 'unmapped');
        else if (!this.#fromCache(builder, row, this.#kernel.numberOf(address), address, 'no_symbols'))
          add(kernel, row, address, -1);
        continue;
      }
      const process = locations.process[row]!;
      const generated = space === SPACE.jit && this.#java.has(input.processes.pid[process]!);
      if (space === INTERPRETED || space === COMPILED || generated) {
        const rows = java.get(process);
        if (rows === undefined) java.set(process, [row]);
        else rows.push(row);
        continue;
      }
      let address = words[row * 2 + 1]! * 2 ** 32 + words[row * 2]! - back;
      if (space === JAVASCRIPT) {
        if (!codeOf.has(row)) continue;
        address = codeOf.get(row)! - back;
      }
      const mapping = locations.mapping[row]!;
      const file = files.of(row);
      if (typeof file === 'string' || address < 0) {
        builder.fail(row, typeof file === 'string' ? file : 'unmapped');
        continue;
      }
      if (mapping >= 0 && builder.buildIds[mapping] === '') builder.buildIds[mapping] = file.buildId;
      if (this.#fromCache(builder, row, file.number, address, unnamed(file))) continue;
      let group = groups.get(file);
      if (group === undefined) {
        group = { rows: [], addresses: [], mappings: new Set() };
        groups.set(file, group);
      }
      add(group, row, address, mapping);
    }

    if (kernel.rows.length > 0) await this.#answerKernel(kernel, builder);
    for (const [process, rows] of java)
      await this.#java.answer(input, input.processes.pid[process]!, rows, builder, deadline);
    // Those that are open first: a file that is hard to read must not cost the others their names.
    const order = [...groups].sort(([a], [b]) => Number(b.warm) - Number(a.warm));
    for (const [file, group] of order) {
      if (performance.now() > deadline) fail(builder, group, 'symbolizer_busy');
      else await this.#answerFile(input, file, group, builder, deadline);
    }
    await this.#quietly(() => this.#reader.trim(null));
    return builder.build();
  }

  async #unwindTable(wanted: WantedTables, row: number): Promise<UnwindTable> {
    const none = (later: boolean): UnwindTable => ({ buildId: '', table: null, later });
    const file =
      wanted.mappings.path[row] === '[vdso]' ? await this.#openVdso() : await this.#elf.identify(wanted, row);
    // What is gone in this process may be there in another.
    if (typeof file === 'string') return none(file !== 'file_too_large');
    if (file.level === 'none' || file.notElf) return none(false);
    if (!file.isOpen) {
      const reason = await this.#elf.open(file, wanted, [row]);
      if (reason !== null) return none(reason === 'file_gone' || reason === 'process_gone');
    }
    const answer = await this.#reader.unwindTable(file);
    await this.#reader.trim(file);
    return { buildId: file.buildId, table: answer === null ? null : blocksOf(answer), later: false };
  }

  /** Names rows by V8's own structures. Of those that have no name there, the address of their code. */
  async #nameJavaScript(
    input: SymbolInput,
    builder: SymbolsBuilder,
    deadline: number,
  ): Promise<Map<number, number>> {
    const { space, process, extra } = input.locations;
    const byProcess = new Map<number, number[]>();
    for (let row = 0; row < space.length; row++) {
      if (space[row] !== JAVASCRIPT) continue;
      const rows = byProcess.get(process[row]!);
      if (rows === undefined) byProcess.set(process[row]!, [row]);
      else rows.push(row);
    }
    const codes = new Map<number, number>();
    for (const [one, rows] of byProcess) {
      const left = await this.#orBusy(() => this.#v8.answer(input, one, rows, builder, deadline));
      for (const row of left === 'symbolizer_busy' ? rows : left) codes.set(row, codeOf(extra[row]!));
    }
    return codes;
  }

  /** The file of every row that has one, or why it has none. */
  async #identify(
    input: SymbolInput,
    builder: SymbolsBuilder,
  ): Promise<{ of(row: number): SourceFile | Reason }> {
    const { locations, mappings } = input;
    const byMapping: (SourceFile | Reason | undefined)[] = new Array(mappings.path.length);
    const byProcess: (SourceFile | Reason | undefined)[] = new Array(input.processes.pid.length);
    let vdso: SourceFile | Reason = 'no_symbols';
    for (let row = 0; row < locations.space.length; row++) {
      if (row % 256 === 0) await this.#pause();
      const space = locations.space[row]!;
      const mapping = locations.mapping[row]!;
      const process = locations.process[row]!;
      if (space === SPACE.file && mapping >= 0) {
        byMapping[mapping] ??= await this.#orBusy(() => this.#elf.identify(input, mapping));
        const file = byMapping[mapping]!;
        if (typeof file !== 'string' && builder.buildIds[mapping] === '')
          builder.buildIds[mapping] = file.buildId;
      } else if ((space === SPACE.jit || space === JAVASCRIPT) && process >= 0) {
        byProcess[process] ??= await this.#orBusy(() => this.#jitFile(input, process));
      } else if (space === SPACE.vdso && vdso === 'no_symbols') {
        vdso = await this.#orBusy(() => this.#openVdso());
      }
    }
    return {
      of: row => {
        const space = locations.space[row]!;
        const mapping = locations.mapping[row]!;
        if (space === SPACE.file) return byMapping[mapping] ?? 'unmapped';
        if (space === SPACE.jit || space === JAVASCRIPT)
          return byProcess[locations.process[row]!] ?? 'jit_unknown';
        if (space !== SPACE.vdso) return 'unmapped';
        // The old vsyscall page, or a 32-bit process's vDSO, is another image.
        const other = mapping >= 0 && mappings.path[mapping] !== '[vdso]';
        const id = mapping >= 0 ? mappings.buildId[mapping]! : '';
        if (typeof vdso !== 'string' && (other || (id !== '' && vdso.buildId !== id))) return 'no_symbols';
        return vdso;
      },
    };
  }

  #fromCache(builder: SymbolsBuilder, row: number, number: number, address: number, none: Reason): boolean {
    const entry = this.#cache.find(number, address);
    if (entry < 0) return false;
    builder.copy(row, this.#cache.generation, entry, none);
    return true;
  }

  async #answerFile(
    input: SymbolInput,
    file: SourceFile,
    group: Group,
    builder: SymbolsBuilder,
    deadline: number,
  ): Promise<void> {
    const failed = await this.#orBusy(async () => {
      if (file.level === 'none') return 'file_damaged';
      if (file.notElf) return notElf(input, group);
      if (file.isOpen) return null;
      const reason = await this.#elf.open(file, input, group.mappings);
      return file.notElf ? notElf(input, group) : reason;
    });
    if (failed !== null) {
      fail(builder, group, failed);
      return;
    }
    await this.#quietly(() => this.#reader.trim(file));

    for (let from = 0; from < group.rows.length; from += MAX_ADDRESSES) {
      const part = slice(group, from);
      if (performance.now() > deadline) {
        fail(builder, part, 'symbolizer_busy');
        continue;
      }
      const answer = await this.#orBusy(() => this.#reader.lookup(file, part.addresses));
      if (answer === null || typeof answer === 'string')
        fail(builder, part, answer ?? (file.kind === 'elf' ? 'file_damaged' : 'jit_unknown'));
      else await this.#take(answer, part, () => file.number, builder, unnamed(file));
    }
  }

  async #answerKernel(group: Group, builder: SymbolsBuilder): Promise<void> {
    // What has no name now can have one in the next window: a BPF program that was just loaded.
    const numberOf = (address: number, frames: number): number =>
      frames === 0 && this.#kernel.isOutside(address) ? -1 : this.#kernel.numberOf(address);
    for (let from = 0; from < group.rows.length; from += MAX_ADDRESSES) {
      const part = slice(group, from);
      const ask = () => this.#orBusy(() => this.#kernel.lookup(part.addresses, Date.now()));
      let answer = await ask();
      // Its text is the kernel's: when the child ended here it was killed from outside.
      if (answer === 'symbolizer_busy') answer = await ask();
      if (answer === null || typeof answer === 'string') fail(builder, part, answer ?? 'no_symbols');
      else await this.#take(answer, part, numberOf, builder, 'no_symbols');
    }
  }

  /** Puts an answer into the cache (unless its number is negative) and the rows that asked for it. */
  async #take(
    answer: LookupAnswer,
    group: Group,
    numberOf: (address: number, frames: number) => number,
    builder: SymbolsBuilder,
    none: Reason,
  ): Promise<void> {
    const { counts } = answer;
    let frame = 0;
    for (let i = 0; i < group.rows.length; i++) {
      if (i % 256 === 0) await this.#pause();
      const address = group.addresses[i]!;
      const number = numberOf(address, counts[i]!);
      const end = frame + counts[i]!;
      if (number < 0) {
        builder.fail(group.rows[i]!, none);
        continue;
      }
      const entry = this.#cache.keep(number, address, answer, frame, end);
      frame = end;
      builder.copy(group.rows[i]!, this.#cache.generation, entry, none);
    }
  }

  async #jitFile(input: SymbolInput, process: number): Promise<SourceFile | Reason> {
    const pid = input.processes.pid[process]!;
    // A jitdump says more than a perf map: lines.
    const dump = await openJitDump(pid, this.#opener);
    const opened = dump ?? (await openPerfMap(pid, this.#opener));
    if (opened === null) return existsSync(`/proc/${pid}`) ? 'jit_unknown' : 'process_gone';
    // It grows while the process runs: another size or time is another file, and the one before is not needed again.
    const owner = `${pid}:${input.processes.startNs[process]}`;
    const file = this.#table.use(
      `j:${owner}:${opened.inode}:${opened.size}:${opened.modifiedNs}`,
      dump === null ? 'perf-map' : 'jit-dump',
    );
    const before = this.#jitFiles.get(owner);
    if (before !== undefined && before !== file) await this.#reader.forget(before);
    this.#jitFiles.delete(owner);
    this.#jitFiles.set(owner, file);
    for (const [key, old] of this.#jitFiles) if (!old.isOpen && old !== file) this.#jitFiles.delete(key);
    if (file.isOpen || file.level === 'none') closeDescriptor(opened.descriptor);
    else file.opened.push({ id: file.number, file: opened, role: 'self' });
    return file.level === 'none' ? 'jit_unknown' : file;
  }

  async #openVdso(): Promise<SourceFile | Reason> {
    if (this.#vdso?.isOpen === true) return this.#table.use(this.#vdso.key, 'elf');
    const opened = await openVdso();
    if (opened === null) return 'no_symbols';
    const file = this.#table.use('vdso', 'elf');
    file.opened.push({ id: file.number, file: opened, role: 'self' });
    const description = await this.#reader.describe(file);
    if (description === null || description === 'not-elf') {
      file.release();
      return 'no_symbols';
    }
    file.buildId = description.buildId;
    this.#vdso = file;
    return file;
  }

  /** What only fails when the child cannot be had. */
  async #orBusy<T>(work: () => Promise<T>): Promise<T | 'symbolizer_busy'> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ChildDied || (error as { code?: string }).code === 'SW_SYMBOLIZER')
        return 'symbolizer_busy';
      throw error;
    }
  }

  async #quietly(work: () => Promise<void>): Promise<void> {
    await this.#orBusy(work);
  }

  /** Lets others run when this has held the event loop for a while. */
  async #pause(): Promise<void> {
    if (performance.now() - this.#sliceStart < SLICE_MS) return;
    await new Promise<void>(resolve => setImmediate(resolve));
    this.#sliceStart = performance.now();
  }
}

/** `Symbolizer.start` for those who need no more than a SymbolSource. */
export function startSymbolizer(options: SymbolizerOptions = {}): Promise<SymbolSource> {
  return Symbolizer.start(options);
}

function add(group: Group, row: number, address: number, mapping: number): void {
  group.rows.push(row);
  group.addresses.push(address);
  if (mapping >= 0) group.mappings.add(mapping);
}

function slice(group: Group, from: number): Group {
  const end = from + MAX_ADDRESSES;
  return {
    rows: group.rows.slice(from, end),
    addresses: group.addresses.slice(from, end),
    mappings: group.mappings,
  };
}

function fail(builder: SymbolsBuilder, group: Group, reason: Reason): void {
  for (const row of group.rows) builder.fail(row, reason);
}

/** What an address is called that the file has no name for. */
function unnamed(file: SourceFile): Reason {
  return file.kind === 'elf' ? 'no_symbols' : 'jit_unknown';
}

/** Code in memory that has a name (memfd) was made at run time; anything else is a file without symbols. */
function notElf(input: SymbolInput, group: Group): Reason {
  for (const mapping of group.mappings)
    if (input.mappings.path[mapping]!.startsWith('/memfd:')) return 'jit_unknown';
  return 'no_symbols';
}
