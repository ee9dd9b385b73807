// SPDX-License-Identifier: Apache-2.0
// JSON in pieces: an answer can have millions of numbers, and one JSON.stringify would hold the event loop for as long.
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

const PER_CHUNK = 4096;
const ELEMENTS_PER_CHUNK = 256;
/** Enough for a write; small pieces are put together up to it. */
const CHUNK_CHARACTERS = 64 * 1024;

type Column = ArrayLike<unknown>;

function isColumn(value: unknown): value is Column {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

/** BigInts are written as the integers that they are; undefined members are left out. */
export function* jsonChunks(value: unknown): Generator<string> {
  if (typeof value === 'bigint') yield value.toString();
  else if (isColumn(value)) yield* columnChunks(value);
  else if (isIterable(value)) yield* iterableChunks(value);
  else if (typeof value === 'object' && value !== null) {
    let separator = '{';
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue;
      yield `${separator}${JSON.stringify(key)}:`;
      yield* jsonChunks(member);
      separator = ',';
    }
    yield separator === '{' ? '{}' : '}';
  } else yield JSON.stringify(value) ?? 'null';
}

function* columnChunks(column: Column): Generator<string> {
  yield '[';
  for (let at = 0; at < column.length; at += PER_CHUNK) {
    const end = Math.min(column.length, at + PER_CHUNK);
    if (at > 0) yield ',';
    const first = column[at];
    if (typeof first === 'object' && first !== null)
      for (let row = at; row < end; row++) {
        if (row > at) yield ',';
        yield* jsonChunks(column[row]);
      }
    else {
      const part = Array.prototype.slice.call(column, at, end) as unknown[];
      yield typeof first === 'bigint' ? part.join(',') : JSON.stringify(part).slice(1, -1);
    }
  }
  yield ']';
}

/** Elements are made while they are written; each is small. */
function* iterableChunks(elements: Iterable<unknown>): Generator<string> {
  let separator = '[';
  let part: unknown[] = [];
  for (const element of elements) {
    part.push(element);
    if (part.length < ELEMENTS_PER_CHUNK) continue;
    yield separator + JSON.stringify(part).slice(1, -1);
    separator = ',';
    part = [];
  }
  if (part.length > 0) yield separator + JSON.stringify(part).slice(1, -1);
  yield separator === '[' && part.length === 0 ? '[]' : ']';
}

/** Whole when it is small, else a stream that lets others work between two pieces. */
export function paced(chunks: Iterator<string>): string | Readable {
  let head = '';
  for (;;) {
    const { done, value } = chunks.next();
    if (done) return head;
    head += value;
    if (head.length > CHUNK_CHARACTERS) break;
  }
  return Readable.from(rest(head, chunks), { objectMode: false });
}

async function* rest(head: string, chunks: Iterator<string>): AsyncGenerator<Buffer> {
  yield Buffer.from(head);
  let part = '';
  for (;;) {
    const { done, value } = chunks.next();
    if (!done) part += value;
    if (part.length >= CHUNK_CHARACTERS || (done && part !== '')) {
      yield Buffer.from(part);
      part = '';
      await setImmediate();
    }
    if (done) return;
  }
}

/**
 * Sends what the compiler cannot know to be of the route's answer type: text that is made already. For `return` in a
 * handler.
 */
export function sendText(
  reply: { send: (payload: never) => unknown },
  payload: string | Readable | Buffer,
): never {
  reply.send(payload as never);
  return reply as never;
}
