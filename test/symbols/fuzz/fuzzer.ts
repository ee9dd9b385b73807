// SPDX-License-Identifier: Apache-2.0
// Damaged files through the real child, as the agent asks about files: open, names, unwind table.
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Opener } from '../../../src/symbolizer/opener.js';
import { Reader } from '../../../src/symbolizer/reader.js';
import { FileTable, type Kind, type SourceFile } from '../../../src/symbolizer/source-file.js';
import { BINARY } from '../fixtures.js';
import { mutate, Random, type Region, regionsOf } from './mutation.js';

const CORPUS = fileURLToPath(new URL('./corpus/', import.meta.url));
const MiB = 2 ** 20;
/** What the agent gives the child. */
const MEMORY = 512 * MiB;
const ADDRESSES = 12;
/** A file that nobody damaged is asked about as often as this. */
const CHECK_EVERY = 50;

export interface Report {
  inputs: number;
  seconds: number;
  /** How often each of these was the result. */
  outcomes: Record<string, number>;
  /** The input that took longest, all questions together. */
  slowest: { input: number; seed: string; ms: number };
  /** Children that ended, and had to be started again. */
  restarts: number;
  /** Of any child: resident (pages of files included) and private. */
  peakResidentMiB: number;
  peakDataMiB: number;
  /** What must not be. */
  failures: string[];
}

interface Seed {
  name: string;
  kind: Kind;
  content: Buffer;
  regions: Region[];
  /** A file on disk with this content. */
  path: string;
  descriptor: number;
  addresses: number[];
}

/** Places in segments that hold code, or in what a map speaks of. */
function addressesOf(name: string, content: Buffer): number[] {
  const random = new Random(1);
  const spread = (start: number, size: number): number[] =>
    Array.from({ length: ADDRESSES }, () => start + random.below(size));
  if (name === 'perf-map') return spread(0x7f3a_0000_0000, 200 * 0x140);
  if (name === 'jitdump') {
    const start = Number(content.readBigUInt64LE(40 + 16));
    return spread(start, 64);
  }
  const programs = Number(content.readBigUInt64LE(0x20));
  for (let at = programs; at < programs + content.readUInt16LE(0x38) * 56; at += 56)
    if (content.readUInt32LE(at) === 1 && (content.readUInt32LE(at + 4) & 1) !== 0)
      return spread(Number(content.readBigUInt64LE(at + 8)), Number(content.readBigUInt64LE(at + 32)));
  return spread(0x1000, 0x1000);
}

const kindOf = (name: string): Kind =>
  name === 'perf-map' ? 'perf-map' : name === 'jitdump' ? 'jit-dump' : 'elf';

export class Fuzzer {
  readonly #files = new FileTable({ files: 64, bytes: 2 ** 34 });
  readonly #reader = new Reader(this.#files, {
    path: BINARY,
    memoryBytes: MEMORY,
    residentBytes: 2 * MEMORY,
    descriptors: 256,
    timeoutMs: 2000,
    coldTimeoutMs: 10_000,
  });
  readonly #opener = new Opener(2000);
  readonly #seeds: Seed[];
  #healthy: { file: SourceFile; names: string; table: string } | null = null;
  readonly report: Report = {
    inputs: 0,
    seconds: 0,
    outcomes: {},
    slowest: { input: 0, seed: '', ms: 0 },
    restarts: 0,
    peakResidentMiB: 0,
    peakDataMiB: 0,
    failures: [],
  };

  /** `folder` is for files that are damaged. */
  constructor(folder: string) {
    this.#seeds = readdirSync(CORPUS)
      .sort()
      .map(entry => {
        const name = entry.replace(/\.gz$/, '');
        const content = gunzipSync(readFileSync(join(CORPUS, entry)));
        const path = join(folder, name);
        writeFileSync(path, content);
        const descriptor = openSync(path, 'r+');
        const addresses = addressesOf(name, content);
        return {
          name,
          kind: kindOf(name),
          content,
          regions: regionsOf(content, addresses),
          path,
          descriptor,
          addresses,
        };
      });
  }

  /** Inputs from number `first` on, until there are `inputs` or the time is over. */
  async run(first: number, inputs: number, milliseconds: number): Promise<Report> {
    const before = performance.now();
    for (let input = first; input < first + inputs; input++) {
      if (performance.now() - before > milliseconds || this.report.failures.length > 10) break;
      await this.#one(input);
      if (input % CHECK_EVERY === 0) await this.#checkHealthy(input);
    }
    this.report.seconds = Math.round((performance.now() - before) / 100) / 10;
    this.report.restarts = this.#reader.restarts;
    return this.report;
  }

  async close(): Promise<void> {
    await this.#reader.close();
    for (const seed of this.#seeds) closeSync(seed.descriptor);
  }

  #count(outcome: string): void {
    this.report.outcomes[outcome] = (this.report.outcomes[outcome] ?? 0) + 1;
  }

  async #one(input: number): Promise<void> {
    const random = new Random(input);
    const seed = random.of(this.#seeds);
    const mutation = mutate(random, seed.content, seed.regions);
    for (const { at, bytes } of mutation.writes) writeSync(seed.descriptor, bytes, 0, bytes.length, at);
    if (mutation.cut !== null) ftruncateSync(seed.descriptor, mutation.cut);
    try {
      const before = performance.now();
      const restarts = this.#reader.restarts;
      await this.#ask(seed);
      if (this.#reader.restarts > restarts) this.#count(`ended the child: ${seed.name}`);
      let ms = Math.round(performance.now() - before);
      if (ms >= 2000) {
        // The machine may have been busy with something else: it has to be slow again.
        const again = performance.now();
        await this.#ask(seed);
        ms = Math.min(ms, Math.round(performance.now() - again));
      }
      if (ms > this.report.slowest.ms) this.report.slowest = { input, seed: seed.name, ms };
      if (ms >= 2000) this.report.failures.push(`input ${input} (${seed.name}) took ${ms} ms`);
    } catch (error) {
      this.report.failures.push(`input ${input} (${seed.name}): ${(error as Error).stack}`);
    }
    this.report.inputs++;
    this.#watchMemory(input);
    if (mutation.cut === null)
      for (const { at, bytes } of mutation.writes)
        writeSync(seed.descriptor, seed.content, at, Math.min(bytes.length, seed.content.length - at), at);
    else writeSync(seed.descriptor, seed.content, 0, seed.content.length, 0);
    ftruncateSync(seed.descriptor, seed.content.length);
  }

  async #open(seed: Seed): Promise<SourceFile> {
    const opened = await this.#opener.inRoot('/', seed.path);
    if (opened === null) throw new Error(`${seed.path} cannot be opened`);
    // Never the same file twice.
    const file = this.#files.use(`${seed.path}:${this.report.inputs}`, seed.kind);
    file.opened.push({ id: file.number, file: opened, role: 'self' });
    return file;
  }

  async #ask(seed: Seed): Promise<void> {
    const file = await this.#open(seed);
    if (seed.kind === 'elf') {
      const described = await this.#reader.describe(file);
      if (described === null || described === 'not-elf') {
        this.#count(described === null ? 'refused' : 'not an ELF file');
        await this.#reader.forget(file);
        return;
      }
      if (described.debugLink !== '') {
        // Either of the two may be the damaged one.
        const other = await this.#opener.inRoot(
          '/',
          this.#seeds.find(({ name }) => name === 'detached')!.path,
        );
        const attached = other && (await this.#reader.attach(file, other, 'debug'));
        this.#count(attached === null ? 'debug file refused' : 'debug file attached');
      }
    }
    const answer = await this.#reader.lookup(file, seed.addresses);
    if (answer === null) this.#count('no answer');
    else if (answer.counts.length !== seed.addresses.length) throw new Error('an answer of another size');
    else this.#count(answer.counts.some(count => count > 0) ? 'names' : 'no names');
    if (seed.kind === 'elf') {
      // Null as well for what is no table: it does not reach the kernel.
      const table = file.level === 'none' ? null : await this.#reader.unwindTable(file);
      this.#count(table === null ? 'no table' : 'table');
    }
    this.#count(`read with ${file.level}`);
    await this.#reader.forget(file);
  }

  /** Its answers stay the same, in every child. */
  async #checkHealthy(input: number): Promise<void> {
    const seed = this.#seeds.find(({ name }) => name === 'dwarf')!;
    const file = this.#healthy?.file ?? (await this.#open(seed));
    const answer = await this.#reader.lookup(file, seed.addresses);
    const table = await this.#reader.unwindTable(file);
    const names = JSON.stringify(answer);
    const blocks = table === null ? '' : Buffer.from(table).toString('base64');
    this.#healthy ??= { file, names, table: blocks };
    if (names !== this.#healthy.names || blocks !== this.#healthy.table || file.level !== 'lines')
      this.report.failures.push(`after input ${input} a good file is read in another way`);
  }

  #watchMemory(input: number): void {
    const pid = this.#reader.pid;
    if (pid === null) return;
    let status: string;
    try {
      status = readFileSync(`/proc/${pid}/status`, 'utf8');
    } catch {
      return; // It just ended.
    }
    const of = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
    const [resident, data] = [of('VmHWM'), of('VmData')];
    this.report.peakResidentMiB = Math.max(this.report.peakResidentMiB, Math.round(resident));
    this.report.peakDataMiB = Math.max(this.report.peakDataMiB, Math.round(data));
    // Private memory has a hard limit; mapped files come on top.
    if (data > MEMORY / MiB) this.report.failures.push(`after input ${input} it has ${data} MiB of its own`);
  }
}
