// SPDX-License-Identifier: Apache-2.0
// opentelemetry.proto.collector.profiles.v1development.ProfilesService: what the OpenTelemetry Collector and the eBPF
// profiler send over gRPC. Loaded with the first call.
import { toBinary } from '@bufbuild/protobuf';
import { ProfilesService } from '../gen/opentelemetry/proto/collector/profiles/v1development/profiles_service_pb.js';
import { UnreadExportProfilesServiceRequestSchema as Unread } from '../gen/stackwell/otlp/v1/request_pb.js';
import { reservationOf, tenantOf } from '../rpc/handlers.js';
import type { Register } from '../rpc/services.js';
import { exportOtlp } from './otlp.js';

export const registerProfilesService: Register = (router, context) => {
  // The message is as large as its sender likes, and decoding it here would hold the event loop: its parts stay bytes.
  router.rpc({ ...ProfilesService.method.export, input: Unread }, async (request, call) => {
    const bytes = toBinary(Unread, request);
    return exportOtlp(context, tenantOf(call), bytes, reservationOf(call));
  });
};
