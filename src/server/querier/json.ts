// SPDX-License-Identifier: Apache-2.0
// Answers of querier.v1 as JSON. The rows of a flame graph, or of a pprof, are many objects while they become it.
import { createRegistry, fromBinary, toJsonString } from '@bufbuild/protobuf';
import type { Converted } from '../conversion.js';
import { file_google_v1_profile } from '../gen/google/v1/profile_pb.js';
import { file_querier_v1_querier } from '../gen/querier/v1/querier_pb.js';

const registry = createRegistry(file_querier_v1_querier, file_google_v1_profile);

/** Of the message whose type is called `typeName`. */
export function convert(bytes: Uint8Array, typeName: string): Converted {
  const schema = registry.getMessage(typeName)!;
  return { bytes: Buffer.from(toJsonString(schema, fromBinary(schema, bytes))) };
}
