// SPDX-License-Identifier: Apache-2.0
// One POST at a time over one kept connection. Node's own client and not undici, whose modules take 13 MB of an agent
// that should be small.
import http from 'node:http';
import https from 'node:https';

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** The first 4 KiB. */
  text: string;
}

const MAX_ANSWER_BYTES = 4096;

export class Client {
  private readonly secure: boolean;
  private readonly agent: http.Agent;

  constructor(
    private readonly url: URL,
    private readonly timeoutMs: number,
  ) {
    this.secure = url.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = this.secure ? new https.Agent(options) : new http.Agent(options);
  }

  /** Rejects when there is no whole answer within the time, or when the signal says so. */
  post(body: Buffer, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = (this.secure ? https : http).request(this.url, {
        method: 'POST',
        agent: this.agent,
        headers: { ...headers, 'content-length': body.length },
        signal,
      });
      const timer = setTimeout(
        () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
        this.timeoutMs,
      );
      const settle = <T>(done: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          done(value);
        };
      };
      const fail = settle(reject);
      request.on('error', fail);
      request.on('response', response => {
        let text = '';
        // Read to its end, or the connection cannot be used again; but only so much is kept.
        response.setEncoding('utf8').on('data', (chunk: string) => {
          if (text.length < MAX_ANSWER_BYTES) text += chunk.slice(0, MAX_ANSWER_BYTES - text.length);
        });
        response.on('error', fail);
        // Without an end before it, the connection was lost in the middle.
        response.on('close', () => fail(Object.assign(new Error('cut off'), { code: 'ECONNRESET' })));
        response.on(
          'end',
          settle(() => resolve({ status: response.statusCode ?? 0, headers: response.headers, text })),
        );
      });
      request.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
