// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { StackwellError } from '../../errors.js';

/** `address:port`, with IPv6 in brackets. Throws SW_CONFIG_INVALID. */
export function parseListen(listen: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new StackwellError('SW_CONFIG_INVALID', { reason: `${listen} is not address:port` });
  return { host: match[1] ?? match[2]!, port };
}

/** Serves /metrics and nothing else. Throws SW_PORT_TAKEN. */
export async function serveMetrics(
  listen: string,
  registry: () => Registry | null,
): Promise<{ url: string; close(): Promise<void> }> {
  const { host, port } = parseListen(listen);
  const server: Server = createServer((request, response) => {
    const metrics = registry();
    if (request.method !== 'GET' || request.url !== '/metrics' || metrics === null) {
      response.writeHead(metrics === null ? 503 : 404).end();
      return;
    }
    metrics.metrics().then(
      text => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      error => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', error =>
      reject(new StackwellError('SW_PORT_TAKEN', { address: listen, reason: error.message }, error)),
    );
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}/metrics`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
