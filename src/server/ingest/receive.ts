// SPDX-License-Identifier: Apache-2.0
// Bodies of everything that takes profiles: read by readBody whatever their type, released when the answer is out.
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Context } from '../context.js';
import { readBody } from './body.js';
import type { Reservation } from './in-flight.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Memory that the body of this request holds; null where bodies are not received. */
    reservation: Reservation | null;
  }
}

/** In the scope of `app`, `request.body` is the bytes as they were before Content-Encoding. */
export function receiveBytes(app: FastifyInstance, { config, inFlight }: Context): void {
  app.decorateRequest('reservation', null);
  app.addHook('onRequest', async (request, reply) => {
    const reservation = inFlight.open();
    request.reservation = reservation;
    // Also when the client goes away before the answer.
    reply.raw.once('close', () => reservation.release());
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) =>
    readBody(request.headers, payload, config.limits, request.reservation!),
  );
}
