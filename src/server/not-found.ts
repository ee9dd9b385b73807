// SPDX-License-Identifier: Apache-2.0
// What no route takes: nothing is there, or not with this method. Told before a body is read.
import type { FastifyInstance } from 'fastify';
import { StackwellError } from '../errors.js';

interface Known {
  path: RegExp;
  methods: Set<string>;
}

/** To be called before routes are added: it watches them. */
export function notFound(app: FastifyInstance): void {
  const known = new Map<string, Known>();
  app.addHook('onRoute', ({ url, method }) => {
    const route = known.get(url) ?? { path: patternOf(url), methods: new Set() };
    known.set(url, route);
    for (const one of [method].flat()) route.methods.add(one);
  });
  app.setNotFoundHandler(() => {});
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const path = request.url.split('?', 1)[0]!;
    const methods = new Set(
      [...known.values()].filter(one => one.path.test(path)).flatMap(one => [...one.methods]),
    );
    if (methods.size === 0) throw new StackwellError('SW_NOT_FOUND', { path });
    reply.header('allow', [...methods].sort().join(', '));
    throw new StackwellError('SW_METHOD_NOT_ALLOWED', { path, method: request.method });
  });
}

/** Of a route: its parameters are any one part of a path. */
function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map(part => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}
