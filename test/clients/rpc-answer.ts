// SPDX-License-Identifier: Apache-2.0
// The message in an answer, whichever of the three protocols it came in.
import { gunzipSync } from 'node:zlib';
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Answer, RecordedRequest } from './recording.js';

function isGrpc({ headers }: RecordedRequest): boolean {
  return headers['content-type']!.startsWith('application/grpc');
}

/** Payloads of envelopes: of messages, and of gRPC-Web's trailers. */
function envelopes(body: Buffer): { trailers: boolean; bytes: Buffer }[] {
  const found: { trailers: boolean; bytes: Buffer }[] = [];
  for (let at = 0; at < body.length; ) {
    const flags = body[at]!;
    const length = body.readUInt32BE(at + 1);
    const bytes = body.subarray(at + 5, at + 5 + length);
    found.push({ trailers: (flags & 128) !== 0, bytes: (flags & 1) !== 0 ? gunzipSync(bytes) : bytes });
    at += 5 + length;
  }
  return found;
}

/** The name of an error, as Connect has it or as gRPC counts it; '' when there is none. */
export function errorOf(request: RecordedRequest, answer: Answer): string {
  if (!isGrpc(request))
    return answer.status === 200 ? '' : (JSON.parse(answer.body.toString()) as { code: string }).code;
  const trailers = envelopes(answer.body)
    .filter(one => one.trailers)
    .map(({ bytes }) => bytes.toString())
    .join('');
  const status =
    answer.trailers['grpc-status'] ??
    answer.headers['grpc-status'] ??
    /grpc-status: *(\d+)/i.exec(trailers)?.[1];
  return status === '0' ? '' : `grpc-status ${status}`;
}

export function messageOf<Desc extends DescMessage>(
  schema: Desc,
  request: RecordedRequest,
  answer: Answer,
): MessageShape<Desc> {
  const error = errorOf(request, answer);
  if (error !== '') throw new Error(`${request.path}: ${error} ${answer.body.toString()}`);
  if (isGrpc(request)) return fromBinary(schema, envelopes(answer.body).find(one => !one.trailers)!.bytes);
  const { body, headers } = answer;
  return fromBinary(schema, headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
}
