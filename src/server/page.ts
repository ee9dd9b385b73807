// SPDX-License-Identifier: Apache-2.0
// The page: the files of the web build at /. They are few and small, so they are read once and served from memory; a
// request can only name one of them, and so no path of the file system.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
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

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

/** Names that change with their content, as bundlers write them: app-5XJ2K7QZ.js. */
const HASHED = /[.-][A-Z0-9]{8}\.\w+$/;

/** Paths below the root, with slashes. */
function files(root: string): string[] {
  try {
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => relative(root, join(entry.parentPath, entry.name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** False when there is no build. */
export function pageRoutes(app: FastifyInstance, root = ROOT): boolean {
  const names = files(root);
  for (const name of names) {
    const bytes = readFileSync(join(root, name));
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    const headers: Record<string, string> = {
      'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
      'cache-control': HASHED.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
      etag,
      ...(name.endsWith('.html') ? { 'content-security-policy': POLICY } : {}),
    };
    const urls = name === 'index.html' ? ['/', '/index.html'] : [`/${name}`];
    for (const url of urls)
      app.get(url, { schema: { hide: true } }, (request, reply) => {
        reply.headers(headers);
        if (request.headers['if-none-match'] === etag) return reply.code(304).send();
        return reply.send(bytes);
      });
  }
  return names.includes('index.html');
}
