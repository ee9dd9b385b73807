// SPDX-License-Identifier: Apache-2.0
// One bounded GET. Node's own client, as in outbox/http.ts. Redirects are not followed: who may be asked is configured,
// not told by who was asked.
import http from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { StackwellError } from '../../errors.js';

const unzip = promisify(gunzip);

export interface Trust {
  /** PEM; null = the system's. */
  ca: string | null;
  /** '' = the address. */
  serverName: string;
  insecure: boolean;
}

export interface FetchOptions {
  headers: Record<string, string>;
  trust: Trust;
  timeoutMs: number;
  /** As sent. */
  maxBytes: number;
  /** After Content-Encoding. */
  maxDecodedBytes: number;
  signal: AbortSignal;
}

/**
 * The body of a 200.
 * @throws SW_SCRAPE_UNREACHABLE, SW_SCRAPE_TIMEOUT, SW_SCRAPE_STATUS, SW_SCRAPE_TOO_LARGE, SW_PPROF_LIMIT
 */
export async function fetchBytes(url: URL, options: FetchOptions): Promise<Buffer> {
  const { encoding, body } = await get(url, options);
  if (encoding === '' || encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new StackwellError('SW_SCRAPE_UNREACHABLE', {
      url: url.href,
      reason: `Content-Encoding ${encoding}`,
    });
  try {
    return await unzip(body, { maxOutputLength: options.maxDecodedBytes });
  } catch (error) {
    const max = options.maxDecodedBytes;
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? new StackwellError('SW_PPROF_LIMIT', { limit: 'bytes', value: `over ${max}`, max }, error)
      : new StackwellError('SW_SCRAPE_UNREACHABLE', { url: url.href, reason: 'damaged gzip' }, error);
  }
}

function get(url: URL, options: FetchOptions): Promise<{ encoding: string; body: Buffer }> {
  const { trust, timeoutMs, maxBytes, signal } = options;
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(url, {
      // One connection each: what a target holds open would be many by the number of targets.
      agent: false,
      headers: { ...options.headers, 'user-agent': 'stackwell-agent' },
      signal,
      ...(secure
        ? {
            rejectUnauthorized: !trust.insecure,
            ...(trust.ca === null ? {} : { ca: trust.ca }),
            ...(trust.serverName === '' ? {} : { servername: trust.serverName }),
          }
        : {}),
    });
    const timer = setTimeout(
      () => fail(new StackwellError('SW_SCRAPE_TIMEOUT', { url: url.href, timeout: timeoutMs })),
      timeoutMs,
    );
    const fail = (error: Error) => {
      clearTimeout(timer);
      const { code, message } = error as NodeJS.ErrnoException;
      reject(
        error instanceof StackwellError
          ? error
          : new StackwellError('SW_SCRAPE_UNREACHABLE', { url: url.href, reason: code ?? message }, error),
      );
      request.destroy();
    };
    request.on('error', fail);
    request.on('response', response => {
      const status = response.statusCode ?? 0;
      if (status !== 200) {
        fail(new StackwellError('SW_SCRAPE_STATUS', { url: url.href, status }));
        return;
      }
      const tooLarge = () =>
        fail(new StackwellError('SW_SCRAPE_TOO_LARGE', { url: url.href, max: maxBytes }));
      if (Number(response.headers['content-length'] ?? 0) > maxBytes) {
        tooLarge();
        return;
      }
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxBytes) tooLarge();
        else chunks.push(chunk);
      });
      response.on('error', fail);
      // Without an end before it, the connection was lost in the middle.
      response.on('close', () => fail(Object.assign(new Error('cut off'), { code: 'ECONNRESET' })));
      response.on('end', () => {
        clearTimeout(timer);
        const encoding = (response.headers['content-encoding'] ?? '').toLowerCase();
        resolve({ encoding, body: Buffer.concat(chunks, length) });
      });
    });
    request.end();
  });
}
