// SPDX-License-Identifier: Apache-2.0
// There are no users yet, so who may ask is decided by where the server listens; a browser must not become the way
// around that for any page that it happens to show.
import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { StackwellError } from '../errors.js';

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** `name:port`, `[::1]:port` → name. */
function hostName(header: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(header);
  return (bracketed?.[1] ?? header.replace(/:\d*$/, '')).toLowerCase();
}

/**
 * Refuses names that only a rebound DNS entry can have led here (a page of evil.example that has itself resolved to
 * 127.0.0.1), and writes that a foreign page makes.
 */
export function guard(app: FastifyInstance, { hosts, remote }: { hosts: string[]; remote: boolean }): void {
  const known = new Set(hosts.map(host => host.toLowerCase()));
  app.addHook('onRequest', async request => {
    // HTTP/2's name for it.
    const authority = request.headers[':authority'] ?? request.headers.host ?? '';
    const host = hostName(String(authority));
    // An address cannot be rebound; beyond loopback the names under which a server is known are not ours to list.
    if (!remote && host !== '' && !isLoopback(host) && isIP(host) === 0 && !known.has(host))
      throw new StackwellError('SW_HOST_UNKNOWN', { host });
    const site = request.headers['sec-fetch-site'];
    if (
      request.method !== 'GET' &&
      request.method !== 'HEAD' &&
      (site === 'cross-site' || site === 'same-site')
    )
      throw new StackwellError('SW_CROSS_SITE', {});
  });
}
