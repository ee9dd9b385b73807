// SPDX-License-Identifier: Apache-2.0
// Requests of a client, written down as they came, and sent again: over HTTP/1.1 or HTTP/2 as the client did.
import { once } from 'node:events';
import { request as http1Request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Listener } from '../../src/server/listener.js';

export interface RecordedRequest {
  httpVersion: '1.1' | '2.0';
  method: string;
  path: string;
  headers: Record<string, string>;
  /** Base64. */
  body: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  trailers: Record<string, string>;
  body: Buffer;
}

const OF_CONNECTION = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'te']);

function strings(headers: IncomingHttpHeaders | IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name, value]) => !name.startsWith(':') && !OF_CONNECTION.has(name) && value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  );
}

async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function send(
  baseUrl: string,
  { httpVersion, method, path, headers, body }: RecordedRequest,
): Promise<Answer> {
  const bytes = Buffer.from(body, 'base64');
  if (httpVersion === '1.1') {
    const request = http1Request(new URL(path, baseUrl), { method, headers });
    request.end(bytes);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    const read1 = await read(answer);
    return {
      status: answer.statusCode!,
      headers: strings(answer.headers),
      trailers: strings(answer.trailers as IncomingHttpHeaders),
      body: read1,
    };
  }
  const session = connect(baseUrl);
  try {
    const stream = session.request(
      { ':method': method, ':path': path, te: 'trailers', ...headers },
      { endStream: bytes.length === 0 },
    );
    let trailers: Record<string, string> = {};
    stream.once('trailers', (given: IncomingHttpHeaders) => {
      trailers = strings(given);
    });
    if (bytes.length > 0) stream.end(bytes);
    const [given] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    const read2 = await read(stream);
    return { status: Number(given[':status']), headers: strings(given), trailers, body: read2 };
  } finally {
    session.close();
  }
}

/** A server in front of another one that writes down what it passes on. */
export class Recorder {
  readonly requests: RecordedRequest[] = [];
  readonly #listener: Listener;

  constructor(private readonly target: string) {
    this.#listener = new Listener((request, response) => void this.#pass(request, response));
  }

  async listen(): Promise<string> {
    this.#listener.listen(0, '127.0.0.1');
    await once(this.#listener, 'listening');
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#listener.close();
    this.#listener.closeAllConnections();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const recorded: RecordedRequest = {
      httpVersion: request.httpVersion === '2.0' ? '2.0' : '1.1',
      method: request.method!,
      path: request.url!,
      headers: strings(request.headers),
      body: (await read(request)).toString('base64'),
    };
    this.requests.push(recorded);
    const { status, headers, trailers, body } = await send(this.target, recorded);
    response.writeHead(
      status,
      Object.keys(trailers).length > 0 ? { ...headers, trailer: Object.keys(trailers).join(', ') } : headers,
    );
    response.write(body);
    response.addTrailers(trailers);
    response.end();
  }
}
