// SPDX-License-Identifier: Apache-2.0
// Whose profiles a request is about. The header is the one that push clients and Grafana's data source know.
import type { FastifyInstance } from 'fastify';
import { StackwellError } from '../errors.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** '' where tenants are not used. */
    tenant: string;
  }
}

const HEADER = 'x-scope-orgid';
const TENANT = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/;
/** What belongs to no tenant: the service itself, its page and description. */
const COMMON =
  /^\/(?:healthz|readyz|ready|api\/v1\/status\/buildinfo|metrics|openapi\.json|assets\/.*)?(?:\?|$)/;

/** Sets `request.tenant`. Whoever sets the header (a proxy) is trusted. @throws SW_TENANT_UNKNOWN */
export function tenants(app: FastifyInstance, used: boolean): void {
  app.decorateRequest('tenant', '');
  if (!used) return;
  app.addHook('onRequest', async request => {
    if (COMMON.test(request.url)) return;
    const tenant = request.headers[HEADER];
    if (typeof tenant !== 'string' || !TENANT.test(tenant))
      throw new StackwellError('SW_TENANT_UNKNOWN', {
        reason: tenant === undefined ? 'the header is not there' : 'it is not a name',
      });
    request.tenant = tenant;
  });
}
