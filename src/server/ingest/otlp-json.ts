// SPDX-License-Identifier: Apache-2.0
// OTLP's JSON as the protobuf that it stands for.
import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { StackwellError } from '../../errors.js';
import { type Converted, convertInThread, INLINE_BYTES } from '../conversion.js';
import { ExportProfilesServiceRequestSchema as Request } from '../gen/opentelemetry/proto/collector/profiles/v1development/profiles_service_pb.js';

const MAX_BYTES = 16 * 1024 * 1024;

/** @throws SW_OTLP_INVALID, SW_PPROF_LIMIT, SW_SERVER_BUSY */
export async function otlpFromJson(json: Uint8Array): Promise<Uint8Array> {
  if (json.length > MAX_BYTES) throw tooLarge(json.length);
  const converted =
    json.length <= INLINE_BYTES
      ? convert(json)
      : await convertInThread({ name: 'otlp-from-json', type: Request.typeName, bytes: json });
  if (converted === null) throw tooLarge(json.length);
  if ('reason' in converted) throw new StackwellError('SW_OTLP_INVALID', { reason: converted.reason });
  return converted.bytes;
}

function tooLarge(value: number): StackwellError {
  return new StackwellError('SW_PPROF_LIMIT', { limit: 'bytes of JSON', value, max: MAX_BYTES });
}

export function convert(json: Uint8Array): Converted {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(json);
    const parsed = JSON.parse(text, asProtobufJson) as JsonValue;
    return { bytes: toBinary(Request, fromJson(Request, parsed, { ignoreUnknownFields: true })) };
  } catch (error) {
    return { reason: `the JSON cannot be read: ${(error as Error).message.slice(0, 500)}` };
  }
}

/** Ids are hex in OTLP's JSON, where protobuf's has base64. */
function asProtobufJson(key: string, value: unknown): unknown {
  if (!/^(?:traceId|spanId|profileId|trace_id|span_id|profile_id)$/.test(key)) return value;
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{2})*$/i.test(value)) throw new Error(`${key} is not hex`);
  return Buffer.from(value, 'hex').toString('base64');
}
