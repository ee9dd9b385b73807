// SPDX-License-Identifier: Apache-2.0
import type { Client } from './client.js';
import { pull } from './pull.js';

interface Request {
  method?: string | undefined;
  url?: string | undefined;
}
interface Response {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: Buffer | string): unknown;
}

export type Middleware = (request: Request, response: Response, next: (error?: unknown) => void) => void;

/** Express, connect or node:http. Whoever reaches it can sample the process: mount it where only operators come. */
export function expressMiddleware(client: () => Client): Middleware {
  return (request, response, next) => {
    const [path, query] = (request.url ?? '').split('?', 2) as [string, string?];
    const kind = /^\/debug\/pprof\/(profile|heap)$/.exec(path)?.[1] as 'profile' | 'heap' | undefined;
    if (kind === undefined || request.method !== 'GET') return next();
    void pull(client(), kind, new URLSearchParams(query ?? '').get('seconds')).then(answer => {
      response.statusCode = answer.status;
      for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
      response.end(answer.body);
    }, next);
  };
}
