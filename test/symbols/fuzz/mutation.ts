// SPDX-License-Identifier: Apache-2.0
// Damages a file in a few places, the same for the same number.

/** A stretch of a file that is damaged on its own account. */
export interface Region {
  name: string;
  start: number;
  size: number;
}

/** What was where a mutation wrote. */
export interface Write {
  at: number;
  bytes: Buffer;
}

export interface Mutation {
  writes: Write[];
  /** Bytes that are left; null: all. */
  cut: number | null;
}

/** xorshift32, seeded so that numbers next to each other do the different. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
    for (let i = 0; i < 4; i++) this.below(2);
  }

  below(most: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return Math.floor((this.#state / 2 ** 32) * most);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/**
 * Tables within Go's .gopclntab, and what they say of the functions that are asked about (file offsets; `text` is that
 * of .text): they are a small part of it.
 */
function goRegions(content: Buffer, tables: Region, text: number, addresses: number[]): Region[] {
  const word = (index: number): number => Number(content.readBigUInt64LE(tables.start + 8 + 8 * index));
  const [names, units, files, steps, functions] = [3, 4, 5, 6, 7].map(index => tables.start + word(index));
  const bounds = [names!, units!, files!, steps!, functions!, tables.start + tables.size];
  const regions = ['names', 'units', 'files', 'steps', 'functions'].map((name, i) => ({
    name: `.gopclntab ${name}`,
    start: bounds[i]!,
    size: bounds[i + 1]! - bounds[i]!,
  }));
  regions.push({ name: '.gopclntab header', start: tables.start, size: 72 });
  for (const address of addresses) {
    // Entries: where a function begins in the text, and where its record is.
    let entry = functions!;
    while (content.readUInt32LE(entry + 8) <= address - text) entry += 8;
    const record = functions! + content.readUInt32LE(entry + 4);
    regions.push({ name: 'function', start: record, size: 80 });
    regions.push({ name: 'stack depth', start: steps! + content.readUInt32LE(record + 16), size: 24 });
  }
  return regions;
}

/** Headers and sections of an ELF file; else the whole. */
export function regionsOf(content: Buffer, addresses: number[]): Region[] {
  const whole = { name: 'anywhere', start: 0, size: content.length };
  if (content.readUInt32BE(0) !== 0x7f454c46) return [whole];
  const regions = [whole, { name: 'file header', start: 16, size: 48 }];
  const programs = { start: Number(content.readBigUInt64LE(0x20)), size: content.readUInt16LE(0x38) * 56 };
  regions.push({ name: 'program headers', ...programs });
  const [start, count] = [Number(content.readBigUInt64LE(0x28)), content.readUInt16LE(0x3c)];
  if (count === 0) return regions;
  regions.push({ name: 'section headers', start, size: count * 64 });
  let text = 0;
  const names = Number(content.readBigUInt64LE(start + content.readUInt16LE(0x3e) * 64 + 24));
  for (let header = start; header < start + count * 64; header += 64) {
    const name = names + content.readUInt32LE(header);
    const [offset, size] = [24, 32].map(at => Number(content.readBigUInt64LE(header + at)));
    const inFile = content.readUInt32LE(header + 4) !== 8 && size! > 0;
    const section = {
      name: content.toString('latin1', name, content.indexOf(0, name)),
      start: offset!,
      size: size!,
    };
    if (section.name === '.text') text = section.start;
    else if (inFile) regions.push(section);
    if (section.name === '.gopclntab') regions.push(...goRegions(content, section, text, addresses));
  }
  return regions;
}

/** Numbers at which something overflows, is empty or is full. */
const TRYING = [
  0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
];

function replacement(random: Random, content: Buffer, at: number): Buffer {
  const bytes = Buffer.from(content.subarray(at, at + random.of([1, 1, 1, 2, 4, 4, 8])));
  switch (random.below(7)) {
    case 0:
      return bytes.fill(random.of([0, 0xff]));
    case 1: {
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      return bytes;
    }
    case 2: {
      const number = Buffer.alloc(8);
      number.writeUInt32LE(random.of(TRYING));
      return number.subarray(0, bytes.length);
    }
    case 3: {
      const byte = random.below(bytes.length);
      bytes[byte] = (bytes[byte]! + random.of([1, 255, 16, 240])) & 0xff;
      return bytes;
    }
    case 4: {
      // Something of another place: numbers that mean something, where they do not belong.
      const from = random.below(Math.max(1, content.length - 64));
      return Buffer.from(content.subarray(from, from + Math.min(1 + random.below(64), content.length - at)));
    }
    default: {
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
      return bytes;
    }
  }
}

/** One to eight writes into one region, sometimes others; sometimes the file is cut. */
export function mutate(random: Random, content: Buffer, regions: Region[]): Mutation {
  const region = random.of(regions);
  const writes: Write[] = [];
  for (let times = 1 + random.below(8); times > 0; times--) {
    const { start, size } = random.below(8) === 0 ? random.of(regions) : region;
    // Where tables begin there is more to damage.
    const at = start + random.below(random.below(3) === 0 ? Math.min(size, 64) : size);
    writes.push({ at, bytes: replacement(random, content, at) });
  }
  return { writes, cut: random.below(25) === 0 ? random.below(content.length) : null };
}
