// SPDX-License-Identifier: Apache-2.0
// Pull mode: what `go tool pprof` and scrapers ask for, whatever framework it is asked through.
import type { Client } from './client.js';

export interface Pulled {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

const MOST_SECONDS = 60;
const plain = (status: number, body: string, more: Record<string, string> = {}): Pulled => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...more },
  body,
});

/** `kind` is the last part of the path: profile or heap. Never rejects. */
export async function pull(client: Client, kind: 'profile' | 'heap', asked: unknown): Promise<Pulled> {
  const seconds = asked === undefined || asked === null || asked === '' ? 10 : Number(asked);
  if (!(seconds > 0 && seconds <= MOST_SECONDS))
    return plain(400, `seconds must be over 0 and at most ${MOST_SECONDS}\n`);
  try {
    const body = kind === 'heap' ? await client.pullHeap() : await client.pullTime(seconds);
    if (body === null)
      return plain(503, 'another profile is being taken, or sampling ended\n', {
        'retry-after': String(Math.ceil(seconds)),
      });
    return {
      status: 200,
      headers: {
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${kind}.pb.gz"`,
      },
      body,
    };
  } catch {
    return plain(501, 'this process cannot be sampled; stats() of stackwell/client says why\n');
  }
}
