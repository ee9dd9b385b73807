// SPDX-License-Identifier: Apache-2.0
// Takes what an OTLP exporter sends over gRPC, counts it, and answers that all is well.
import { createServer } from 'node:http2';

/** Listens on a free loopback port. `received` counts requests and bytes of messages as they were on the wire. */
export async function startOtlpSink() {
  const received = { requests: 0, bytes: 0 };
  const server = createServer();
  server.on('stream', stream => {
    stream.on('data', chunk => {
      received.bytes += chunk.length;
    });
    stream.on('error', () => {});
    stream.on('end', () => {
      received.requests++;
      if (stream.destroyed) return; // the exporter was stopped
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      // One message, not compressed, of no bytes: every field of the answer has its default.
      stream.end(Buffer.alloc(5));
    });
  });
  const sessions = new Set();
  server.on('session', session => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${server.address().port}`,
    received,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
