// SPDX-License-Identifier: Apache-2.0
// querier.v1.QuerierService: what Grafana's data source, Profiles Drilldown and profilecli ask. Loaded with the first call.
import { QuerierService } from '../gen/querier/v1/querier_pb.js';
import { Version } from '../gen/version/v1/version_pb.js';
import type { Register } from '../rpc/services.js';
import { diffMethods } from './diff.js';
import { discoveryMethods } from './discovery.js';
import { heatmapMethods } from './heatmap.js';
import { seriesMethods } from './series.js';
import { stacktraceMethods } from './stacktraces.js';
import { statsMethods } from './stats.js';

export const registerQuerier: Register = (router, context) => {
  router.service(QuerierService, {
    ...discoveryMethods(context),
    ...stacktraceMethods(context),
    ...seriesMethods(context),
    ...heatmapMethods(context),
    ...diffMethods(context),
    ...statsMethods(context),
  });
};

export const registerVersion: Register = router => {
  router.service(Version, { version: () => ({ QuerierAPI: 1n }) });
};
