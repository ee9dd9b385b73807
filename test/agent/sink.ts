// SPDX-License-Identifier: Apache-2.0
// A server that takes pushes and keeps what was in them.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import { type Decoded, decodePprof } from '../helpers/pprof.js';

/** The public schema of the request, as far as it is used. */
const SCHEMA = `
syntax = "proto3";
package push.v1;
message LabelPair { string name = 1; string value = 2; }
message PushRequest { repeated RawProfileSeries series = 1; }
message RawProfileSeries { repeated LabelPair labels = 1; repeated RawSample samples = 2; }
message RawSample { bytes raw_profile = 1; string ID = 2; }
`;
export const PushRequest = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('push.v1.PushRequest');

export interface Received {
  labels: Record<string, string>;
  id: string;
  profile: Decoded;
  /** performance.now() of its arrival. */
  at: number;
}

interface Message {
  series: { labels: { name: string; value: string }[]; samples: { raw_profile: Uint8Array; ID: string }[] }[];
}

export async function startSink(): Promise<{ url: string; received: Received[]; close(): void }> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const message = PushRequest.toObject(
      PushRequest.decode(gunzipSync(Buffer.concat(chunks))),
    ) as unknown as Message;
    for (const { labels, samples } of message.series)
      for (const sample of samples)
        received.push({
          labels: Object.fromEntries(labels.map(({ name, value }) => [name, value])),
          id: sample.ID,
          profile: decodePprof(sample.raw_profile),
          at: performance.now(),
        });
    response.writeHead(200).end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
