// SPDX-License-Identifier: Apache-2.0
// The services that are mounted: one entry each. Their code is loaded with the first call.
import type { ConnectRouter } from '@connectrpc/connect';
import type { Context } from '../context.js';

/** Adds a service to a router. What its methods throw becomes the error of the call (./errors.ts). */
export type Register = (router: ConnectRouter, context: Context) => void;

export interface MountedService {
  /** With its package: the first part of the path. */
  name: string;
  /** For /openapi.json. Methods that are not named here are not served. */
  methods: Record<string, { summary: string; description: string; tags: string[] }>;
  load(): Promise<Register>;
}

export const SERVICES: MountedService[] = [
  {
    name: 'push.v1.PusherService',
    methods: {
      Push: {
        summary: 'Store profiles (Connect, gRPC, gRPC-Web)',
        description:
          'push.v1.PushRequest as JSON or protobuf: series of labels and samples, each sample a pprof and an ID. ' +
          'Errors are those of the protocol; the SW_ code starts the message.',
        tags: ['ingest'],
      },
    },
    load: async () => (await import('../ingest/push-service.js')).registerPusher,
  },
  {
    name: 'opentelemetry.proto.collector.profiles.v1development.ProfilesService',
    methods: {
      Export: {
        summary: 'Store OTLP profiles (gRPC, gRPC-Web, Connect)',
        description:
          'ExportProfilesServiceRequest of opentelemetry-proto 1.10 and later, as protobuf. Over plain HTTP: /v1development/profiles.',
        tags: ['ingest'],
      },
    },
    load: async () => (await import('../ingest/otlp-service.js')).registerProfilesService,
  },
];
