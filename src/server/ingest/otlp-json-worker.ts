// SPDX-License-Identifier: Apache-2.0
// Reads OTLP's JSON; a module, and a thread that converts what it is started with.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { ExportProfilesServiceRequestSchema as Request } from '../gen/opentelemetry/proto/collector/profiles/v1development/profiles_service_pb.js';
import type { Converted } from './otlp-json.js';

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

if (!isMainThread && workerData instanceof Uint8Array) parentPort!.postMessage(convert(workerData));
