// SPDX-License-Identifier: Apache-2.0
// The page: static files of the web build at /.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';

/** The same from src/server and from dist/server. */
const ROOT = fileURLToPath(new URL('../../build/web/', import.meta.url));
/** Nothing from elsewhere, nothing inline: what a profile contains can never become code. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
/** Names that change with their content. */
const HASHED = /[.-][A-Z0-9]{8,}\.\w+$/i;

/** Resolves to false when there is no build. */
export async function pageRoutes(app: FastifyInstance): Promise<boolean> {
  if (!existsSync(`${ROOT}index.html`)) return false;
  const { default: fastifyStatic } = await import('@fastify/static');
  await app.register(fastifyStatic, {
    root: ROOT,
    cacheControl: false,
    schemaHide: true,
    setHeaders(reply, path) {
      reply.header('cache-control', HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache');
      if (path.endsWith('.html')) reply.header('content-security-policy', POLICY);
    },
  });
  return true;
}
