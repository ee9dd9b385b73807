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

/** Headers and sections of an ELF file; else the whole. */
export function regionsOf(content: Buffer): Region[] {
  const whole = { name: 'anywhere', start: 0, size: content.length };
  if (content.readUInt32BE(0) !== 0x7f454c46) return [whole];
  const regions = [whole, { name: 'file header', start: 16, size: 48 }];
  const programs = { start: Number(content.readBigUInt64LE(0x20)), size: content.readUInt16LE(0x38) * 56 };
  regions.push({ name: 'program headers', ...programs });
  const [start, count] = [Number(content.readBigUInt64LE(0x28)), content.readUInt16LE(0x3c)];
  if (count === 0) return regions;
  regions.push({ name: 'section headers', start, size: count * 64 });
  const names = Number(content.readBigUInt64LE(start + content.readUInt16LE(0x3e) * 64 + 24));
  for (let header = start; header < start + count * 64; header += 64) {
    const name = names + content.readUInt32LE(header);
    const [offset, size] = [24, 32].map(at => Number(content.readBigUInt64LE(header + at)));
    const inFile = content.readUInt32LE(header + 4) !== 8 && size! > 0;
    const text = content.toString('latin1', name, content.indexOf(0, name));
    if (inFile && text !== '.text') regions.push({ name: text, start: offset!, size: size! });
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
