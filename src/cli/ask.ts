// SPDX-License-Identifier: Apache-2.0
// One request to a server's API.
import { StackwellError } from '../errors.js';

export interface Request {
  method?: 'GET' | 'PUT' | 'DELETE';
  /** Query string. */
  parameters?: Record<string, string>;
  body?: AsyncIterable<Uint8Array>;
  /** Milliseconds (default two minutes). */
  timeoutMs?: number;
}

/** fetch() says only that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

/** Below /api/v1. An error answer becomes the error that the server named. */
export async function ask(
  server: string,
  path: string,
  { method = 'GET', parameters = {}, body, timeoutMs = 120_000 }: Request = {},
): Promise<Buffer> {
  let url: URL;
  try {
    url = new URL(`/api/v1/${path}`, server);
  } catch {
    throw new StackwellError('SW_USAGE', { reason: `--server ${server} is not a URL` });
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  let status: number;
  let answered: Buffer;
  try {
    const sent = body === undefined ? {} : { body: ReadableStream.from(body), duplex: 'half' as const };
    const answer = await fetch(url, { method, signal: AbortSignal.timeout(timeoutMs), ...sent });
    status = answer.status;
    answered = Buffer.from(await answer.arrayBuffer());
  } catch (error) {
    throw new StackwellError('SW_SERVER_UNREACHABLE', { url: server, reason: reasonOf(error) }, error);
  }
  if (status < 300) return answered;
  let told: unknown = null;
  try {
    told = JSON.parse(answered.toString());
  } catch {
    // Not one of our answers: something else listens there.
  }
  throw (
    StackwellError.fromAnswer(told) ??
    new StackwellError('SW_SERVER_UNREACHABLE', { url: server, reason: `HTTP status ${status}` })
  );
}
