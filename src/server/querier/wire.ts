// SPDX-License-Identifier: Apache-2.0
// Answers whose bytes are made without an object for each number. Where JSON is asked for, they are decoded again.
import { setImmediate } from 'node:timers/promises';
import { create, type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { StackwellError } from '../../errors.js';
import type { Flamebearer, FlamebearerDiff } from '../../profile/formats/flamebearer.js';
import { Varints } from '../../profile/varints.js';
import { convertInThread, INLINE_BYTES } from '../conversion.js';
import { answerInJson } from '../rpc/handlers.js';

const VARINT = 0;
const LENGTH_DELIMITED = 2;
/** Numbers that are written before others get a turn. */
const PER_TURN = 64 * 1024;
/** A name takes as long as so many numbers. */
const PER_NAME = 8;

/** More than this, as protobuf, is not made JSON of. */
const JSON_BYTES = 16 * 1024 * 1024;

function takesJson({ requestHeader }: HandlerContext): boolean {
  return /\bjson\b/i.test(requestHeader.get('content-type') ?? '');
}

/** A message inside another one, in the field `no`. */
export function field(no: number, bytes: Uint8Array): Uint8Array {
  const out = new Varints(bytes.length + 16);
  out.number((no << 3) | LENGTH_DELIMITED);
  out.number(bytes.length);
  out.bytes(bytes);
  return out.finish();
}

/**
 * The message that `bytes` encodes. To a caller that takes protobuf they go as they are: as one field that is not known,
 * whose data is everything after the first tag. @throws SW_REQUEST_INVALID when it is too much for JSON
 */
export async function encoded<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  call: HandlerContext,
): Promise<MessageShape<Desc>> {
  if (takesJson(call)) {
    if (bytes.length <= INLINE_BYTES) return fromBinary(schema, bytes);
    answerInJson(call, await inJson(schema, bytes));
    return create(schema);
  }
  const message = create(schema);
  if (bytes.length === 0) return message;
  const tag = bytes[0]!;
  // Fields from 16 on have longer tags; no message here begins with one.
  if (tag >= 128) return fromBinary(schema, bytes);
  message.$unknown = [{ no: tag >>> 3, wireType: tag & 7, data: bytes.subarray(1) }];
  return message;
}

async function inJson({ typeName }: DescMessage, bytes: Uint8Array): Promise<Uint8Array> {
  const converted =
    bytes.length > JSON_BYTES
      ? null
      : await convertInThread({ name: 'querier-to-json', type: typeName, bytes });
  if (converted === null || 'reason' in converted)
    throw new StackwellError('SW_REQUEST_INVALID', {
      reason: `the answer has ${bytes.length} bytes, which is too much for JSON; ask in protobuf`,
    });
  return converted.bytes;
}

/** querier.v1.FlameGraph, or FlameGraphDiff. */
export async function flameGraphBytes(graph: Flamebearer | FlamebearerDiff): Promise<Uint8Array> {
  const out = new Varints(1 << 16);
  const number = (no: number, value: bigint) => {
    if (value === 0n) return;
    out.number((no << 3) | VARINT);
    out.bigint(value);
  };
  let written = 0;
  for (const name of graph.names) {
    out.number((1 << 3) | LENGTH_DELIMITED);
    out.text(name);
    written += PER_NAME;
    if (written % PER_TURN === 0) await setImmediate();
  }
  for (const values of graph.levels) {
    const packed = new Varints(values.length * 4);
    for (const value of values) {
      packed.number(value);
      if (++written % PER_TURN === 0) await setImmediate();
    }
    out.bytes(field(2, field(1, packed.finish())));
  }
  number(3, graph.total);
  number(4, BigInt(graph.maxSelf));
  if ('leftTicks' in graph) {
    number(5, graph.leftTicks);
    number(6, graph.rightTicks);
  }
  return out.finish();
}
