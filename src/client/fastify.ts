// SPDX-License-Identifier: Apache-2.0
// Labels requests by method and route. The route as it was written (`/users/:id`) and not the address: there are as
// many values as there are routes, whatever is asked for.
import type { Client } from './client.js';
import { type Labels, mergeLabels, NO_LABELS } from './labels.js';
import { pull } from './pull.js';

/** The parts of Fastify that are used: its types are not needed where it is not. */
interface Request {
  method: string;
  routeOptions?: { url?: string | undefined } | undefined;
  query?: unknown;
}
interface Reply {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(body: unknown): unknown;
}
interface App {
  // biome-ignore lint/suspicious/noExplicitAny: whatever version of Fastify it is, with whatever types
  addHook(name: any, hook: any): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  get(path: string, handler: any): unknown;
}

export interface FastifyOptions {
  /** Also answers GET /debug/pprof/profile and /debug/pprof/heap. */
  pull?: boolean | undefined;
}

export type FastifyPlugin = (app: App, options: FastifyOptions, done: (error?: Error) => void) => void;

/** Made of a client that may come later: requests are asked for theirs when they arrive. */
export function fastifyPlugin(current: () => Client | null, pulled: () => Client): FastifyPlugin {
  const known = new Map<string, Labels>();
  const labelsOf = ({ method, routeOptions }: Request): Labels => {
    const route = routeOptions?.url ?? 'unmatched';
    const key = `${method} ${route}`;
    let labels = known.get(key);
    if (labels === undefined) {
      labels = mergeLabels(NO_LABELS, { route, method }, () => {});
      known.set(key, labels);
    }
    return labels;
  };
  const plugin: FastifyPlugin = (app, options, done) => {
    app.addHook('onRequest', (request: Request, _reply: Reply, next: () => void) => {
      const client = current();
      if (client === null) return next();
      const labels = labelsOf(request);
      const outer = client.labels();
      client.runWith(outer === NO_LABELS ? labels : Object.freeze({ ...outer, ...labels }), next);
    });
    // A body is read in callbacks of the connection, before Node.js 24 without the labels of the request.
    app.addHook('preValidation', (request: Request, _reply: Reply, next: () => void) => {
      const client = current();
      if (client === null || client.labels().route !== undefined) return next();
      client.run(labelsOf(request), next);
    });
    if (options?.pull === true)
      for (const kind of ['profile', 'heap'] as const)
        app.get(`/debug/pprof/${kind}`, async (request: Request, reply: Reply) => {
          const { status, headers, body } = await pull(
            pulled(),
            kind,
            (request.query as { seconds?: unknown } | undefined)?.seconds,
          );
          reply.code(status);
          reply.headers(headers);
          return body;
        });
    done();
  };
  // What fastify-plugin does: hooks hold for the routes beside the plugin, not only for those inside of it.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'stackwell',
  });
}
