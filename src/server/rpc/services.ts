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

function querier(summary: string): MountedService['methods'][string] {
  return { summary, description: 'Connect, gRPC, gRPC-Web; see docs/api.md.', tags: ['pyroscope'] };
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
  {
    name: 'querier.v1.QuerierService',
    methods: {
      ProfileTypes: querier('Types of profiles in a range'),
      LabelNames: querier('Names of labels in a range'),
      LabelValues: querier('Values of a label in a range'),
      Series: querier('Sets of labels in a range'),
      SelectMergeStacktraces: querier('A merged profile: flame graph, tree, dot or pprof'),
      SelectMergeSpanProfile: querier('A flame graph of spans'),
      SelectMergeProfile: querier('A merged profile as pprof'),
      SelectSeries: querier('Sums or averages over time'),
      SelectHeatmap: querier('How large the profiles of each step are'),
      Diff: querier('Two selections in one call tree'),
      GetProfileStats: querier('Since when there are profiles, and until when'),
      AnalyzeQuery: querier('What a query will cost: nothing is known'),
    },
    load: async () => (await import('../querier/service.js')).registerQuerier,
  },
  {
    name: 'version.v1.Version',
    methods: { Version: querier('Version of the services that are asked') },
    load: async () => (await import('../querier/service.js')).registerVersion,
  },
];
