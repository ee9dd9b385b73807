// SPDX-License-Identifier: Apache-2.0
// The messages between agent and symbolizer child; the other half is symbolizers/src/server.rs. Little-endian, as all
// machines that this runs on. Described in docs/symbols.md.

/** First bytes that the child writes: the sandbox is closed. Its low half is the version of the format. */
export const HELLO = 0x5357_0001;

export const QUESTION = {
  openElf: 1,
  openKernel: 2,
  openPerfMap: 3,
  attachDebug: 4,
  attachSupplement: 5,
  lookup: 6,
  close: 7,
  unwind: 8,
  openJava: 9,
  lookupJava: 10,
  openJitDump: 11,
  openV8: 12,
  findThreads: 13,
} as const;

export const STATUS = { ok: 0, notItsOwn: 1, damaged: 2, noFile: 3, notElf: 4 } as const;

/** Bytes in front of every question and every answer. */
export const QUESTION_HEADER = 16;
export const ANSWER_HEADER = 20;

/** An answer past this is none of ours. */
export const MAX_ANSWER = 256 * 1024 * 1024;

/** Addresses in one question: bounds the time it takes and the size of its answer. */
export const MAX_ADDRESSES = 1024;

export function encodeQuestion(sequence: number, kind: number, file: number, rest: Uint32Array): Uint8Array {
  const words = new Uint32Array(4 + rest.length);
  words[0] = 12 + rest.byteLength;
  words[1] = sequence;
  words[2] = kind;
  words[3] = file;
  words.set(rest, 4);
  return new Uint8Array(words.buffer);
}

/** `addresses` below 2^53; kernel addresses are given with `base` 0xffff0000_00000000 taken off. */
export function encodeAddresses(lines: boolean, addresses: number[], kernel: boolean): Uint32Array {
  const words = new Uint32Array(1 + addresses.length * 2);
  words[0] = lines ? 1 : 0;
  let at = 1;
  for (const address of addresses) {
    words[at++] = address % 2 ** 32;
    words[at++] = Math.floor(address / 2 ** 32) + (kernel ? KERNEL_BASE : 0);
  }
  return words;
}

/** The rows of `locations`, frames of a Java virtual machine: space, address, extra of each. */
export function encodeFrames(
  locations: { space: Uint8Array; address: BigUint64Array; extra: BigUint64Array },
  rows: number[],
): Uint32Array {
  const words = new Uint32Array(rows.length * 5);
  const numbers = new DataView(words.buffer);
  rows.forEach((row, i) => {
    words[i * 5] = locations.space[row]!;
    numbers.setBigUint64(i * 20 + 4, locations.address[row]!, true);
    numbers.setBigUint64(i * 20 + 12, locations.extra[row]!, true);
  });
  return words;
}

/** Functions of a V8, each in a word: SharedFunctionInfo, and from bit 48 on which one it was. */
export function encodeFunctions(functions: bigint[]): Uint32Array {
  const words = new Uint32Array(1 + functions.length * 2);
  words[0] = 1;
  const numbers = new DataView(words.buffer);
  functions.forEach((word, i) => {
    numbers.setBigUint64(4 + i * 8, word, true);
  });
  return words;
}

/** High half of the lowest kernel address: what is left of an address above it is exact in a double. */
export const KERNEL_BASE = 0xffff_0000;

export interface FileDescription {
  /** Hex. */
  buildId: string;
  hasDwarf: boolean;
  hasSymtab: boolean;
  hasDynsym: boolean;
  /** Its code is in it: it is not a debug file. */
  hasCode: boolean;
  /** File name in `.gnu_debuglink`, '' if there is none. */
  debugLink: string;
  /** Path in `.gnu_debugaltlink`, '' if there is none, and the build id of what it names. */
  supplement: string;
  supplementId: string;
}

export function decodeDescription(payload: Uint8Array): FileDescription {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const flags = bytes.readUInt32LE(0);
  let at = 8; // The checksum is checked by the child.
  const next = (encoding: 'hex' | 'utf8'): string => {
    const length = bytes.readUInt32LE(at);
    at += 4 + length;
    return bytes.toString(encoding, at - length, at);
  };
  return {
    hasDwarf: (flags & 1) !== 0,
    hasSymtab: (flags & 2) !== 0,
    hasDynsym: (flags & 4) !== 0,
    hasCode: (flags & 8) !== 0,
    buildId: next('hex'),
    debugLink: next('utf8'),
    supplement: next('utf8'),
    supplementId: next('hex'),
  };
}

export interface LookupAnswer {
  /** Frames of each address asked for; 0 = no name. */
  counts: Uint32Array;
  name: Uint32Array;
  systemName: Uint32Array;
  file: Uint32Array;
  line: Uint32Array;
  startLine: Uint32Array;
  strings: string[];
}

/** `payload` is 4-byte aligned in its buffer, which the caller leaves alone from now on. */
export function decodeLookup(payload: Uint8Array): LookupAnswer {
  const [rows, frames, strings] = new Uint32Array(payload.buffer, payload.byteOffset, 4) as unknown as [
    number,
    number,
    number,
  ];
  let at = payload.byteOffset + 16;
  const column = (length: number): Uint32Array => {
    const words = new Uint32Array(payload.buffer, at, length);
    at += length * 4;
    return words;
  };
  const answer = {
    counts: column(rows),
    name: column(frames),
    systemName: column(frames),
    file: column(frames),
    line: column(frames),
    startLine: column(frames),
  };
  const ends = column(strings);
  const text = Buffer.from(payload.buffer, at, payload.byteOffset + payload.byteLength - at);
  const list: string[] = new Array(strings);
  for (let i = 0, start = 0; i < strings; i++) {
    list[i] = text.toString('utf8', start, ends[i]);
    start = ends[i]!;
  }
  return { ...answer, strings: list };
}
