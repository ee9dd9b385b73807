// SPDX-License-Identifier: Apache-2.0
// Assembles the HTTP API: one plugin for each noun.
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance } from 'fastify';
import { jsonSchemaTransform, validatorCompiler } from 'fastify-type-provider-zod';
import { debuginfoRoutes } from './api/debuginfo.js';
import { deletionRoutes } from './api/deletion.js';
import { deploysRoutes } from './api/deploys.js';
import { diffRoutes } from './api/diff.js';
import { discoveryRoutes } from './api/discovery.js';
import { flamegraphRoutes } from './api/flamegraph.js';
import { ingestRoutes } from './api/ingest.js';
import { operationsRoutes } from './api/operations.js';
import { otlpRoutes } from './api/otlp.js';
import { pprofRoutes } from './api/pprof.js';
import { pyroscopeRoutes } from './api/pyroscope.js';
import { pyroscopeStatusRoutes } from './api/pyroscope-status.js';
import { timelineRoutes } from './api/timeline.js';
import { topRoutes } from './api/top.js';
import type { Context } from './context.js';
import { errorBody, prepareErrorReply, requestError } from './errors.js';
import { guard } from './guard.js';
import { answerClientError, Listener } from './listener.js';
import { notFound } from './not-found.js';
import { pageRoutes } from './page.js';
import { rpcRoutes } from './rpc/routes.js';
import { tenants } from './tenant.js';

export async function buildApp(context: Context, { remote }: { remote: boolean }): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    serverFactory: handler => new Listener(handler),
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    // Longer than the head of a request may be: what a parameter may be is said by its schema.
    routerOptions: { maxParamLength: 64 * 1024 },
    // Nothing but what takes profiles or debug files has a body, and that reads it by itself.
    bodyLimit: 1024,
  });
  app.setValidatorCompiler(validatorCompiler);
  // Answers are typed by the compiler; checking millions of numbers against a schema would only cost time.
  app.setSerializerCompiler(() => data => JSON.stringify(data));
  app.setErrorHandler((thrown, request, reply) => {
    const error = requestError(thrown);
    prepareErrorReply(error, request, reply, context);
    void reply.type('application/json; charset=utf-8').send(JSON.stringify(errorBody(error)));
  });
  app.addHook('onSend', async (request, reply) => {
    // Fastify's own errors set it; HTTP/2 knows no such header.
    if (request.raw.httpVersionMajor === 2) reply.removeHeader('connection');
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
  });
  notFound(app);
  tenants(app, context.config.tenants);
  guard(app, { hosts: context.config.hosts, remote });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Stackwell',
        description:
          'Continuous profiling: takes pprof in, answers with flame graphs, tables, series and pprof.',
        version: '1',
      },
      tags: [
        { name: 'ingest', description: 'sending profiles' },
        { name: 'discovery', description: 'what there is' },
        { name: 'questions', description: 'merged profiles' },
        { name: 'comparing', description: 'deploys, and what changed with them' },
        { name: 'pyroscope', description: "the API of Pyroscope's clients" },
        { name: 'debuginfo', description: 'names for what is stored already' },
        { name: 'operations', description: 'running the server' },
      ],
    },
    transform: jsonSchemaTransform,
  });
  // Each in a scope of its own: what one sets up (parsers, hooks, errors) does not reach the others.
  const nouns = [
    ingestRoutes,
    rpcRoutes,
    otlpRoutes,
    discoveryRoutes,
    flamegraphRoutes,
    diffRoutes,
    deploysRoutes,
    topRoutes,
    timelineRoutes,
    pprofRoutes,
    debuginfoRoutes,
    deletionRoutes,
    operationsRoutes,
    pyroscopeRoutes,
    pyroscopeStatusRoutes,
  ];
  for (const noun of nouns)
    await app.register((scope, _, done) => {
      noun(scope, context);
      done();
    });
  if (!pageRoutes(app)) context.log.warn({}, 'the page is not built: / is empty until script/build has run');
  return app;
}
