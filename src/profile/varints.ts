// SPDX-License-Identifier: Apache-2.0

const LOW = 2 ** 28;
const utf8 = new TextEncoder();

/** Base-128 numbers and bytes after each other, in a buffer that grows. */
export class Varints {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = 1024) {
    this.#buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** An integer; a negative one as the 64-bit number that protobuf takes it for. */
  number(value: number): void {
    this.#reserve(10);
    if (value < 0) {
      this.#big(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    // Shifts are of 32 bits: what is above them is taken off by division first.
    let rest = value;
    while (rest >= LOW) {
      this.#buffer[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  bigint(value: bigint): void {
    this.#reserve(10);
    this.#big(BigInt.asUintN(64, value));
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Its length in UTF-8, then the text. */
  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.number(length);
    this.#reserve(length);
    utf8.encodeInto(text, this.#buffer.subarray(this.#length));
    this.#length += length;
  }

  /** What was written; its memory is the caller's. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #big(value: bigint): void {
    let rest = value;
    while (rest > 127n) {
      this.#buffer[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#buffer[this.#length++] = Number(rest);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + more));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
