// SPDX-License-Identifier: Apache-2.0
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Outbox } from './outbox/outbox.js';
import { encodePushRequest, type PushSeries } from './outbox/push-request.js';

const compress = promisify(gzip);

/** Bytes of profiles in one request, before compression: half of what a server with default limits takes. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** The profiles of a window as request bodies: one, unless it is unusually large. */
export function* requests(
  series: readonly PushSeries[],
  maxBytes = MAX_REQUEST_BYTES,
): Generator<PushSeries[]> {
  let request: PushSeries[] = [];
  let bytes = 0;
  for (const one of series) {
    if (request.length > 0 && bytes + one.pprof.length > maxBytes) {
      yield request;
      request = [];
      bytes = 0;
    }
    request.push(one);
    bytes += one.pprof.length;
  }
  if (request.length > 0) yield request;
}

/** Puts a window into the outbox. Resolves to the number of requests that had to be dropped, which the outbox counts. */
export async function deliver(outbox: Outbox, series: readonly PushSeries[]): Promise<number> {
  let dropped = 0;
  for (const request of requests(series))
    if (!(await outbox.add(await compress(encodePushRequest(request), { level: 1 })))) dropped++;
  return dropped;
}
