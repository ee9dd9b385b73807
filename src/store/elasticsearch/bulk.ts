// SPDX-License-Identifier: Apache-2.0
// Bulk requests. Each item is judged by itself: what can pass is sent again, what is there already counts as there.
import type { StackwellError } from '../../errors.js';
import { Backoff, type Cluster, refusal, storeError } from './client.js';

/** Of one request, as sent. */
const MAX_BYTES = 8 * 1024 * 1024;

export interface Item {
  index: string;
  id: string;
  /** `create` leaves alone what is there, `index` replaces it. */
  op: 'create' | 'index' | 'delete';
  /** JSON; '' for `delete`. */
  document: string;
}

/** `present`: for `create`, it was there; for `delete`, it was not. */
export type ItemResult = 'done' | 'present' | StackwellError;

/**
 * Resolves to one result an item, when each is on disk or refused. Never rejects: what patience did not get through is
 * SW_STORE_UNAVAILABLE.
 */
export async function bulk(cluster: Cluster, items: Item[], patienceMs: number): Promise<ItemResult[]> {
  const results: ItemResult[] = new Array(items.length);
  const backoff = new Backoff(patienceMs);
  let open = items.map((_, row) => row);
  while (open.length > 0) {
    const again: number[] = [];
    for (const rows of requests(items, open)) {
      const answers = await send(
        cluster,
        rows.map(row => items[row]!),
      );
      answers.forEach((answer, at) => {
        const row = rows[at]!;
        results[row] = answer;
        if (typeof answer === 'object' && answer.code === 'SW_STORE_UNAVAILABLE') again.push(row);
      });
    }
    open = again;
    if (open.length > 0 && !(await backoff.pause())) break;
  }
  return results;
}

function* requests(items: Item[], open: number[]): Generator<number[]> {
  let rows: number[] = [];
  let bytes = 0;
  for (const row of open) {
    const size = items[row]!.document.length;
    if (rows.length > 0 && bytes + size > MAX_BYTES) {
      yield rows;
      rows = [];
      bytes = 0;
    }
    rows.push(row);
    bytes += size;
  }
  yield rows;
}

async function send(cluster: Cluster, items: Item[]): Promise<ItemResult[]> {
  const operations: string[] = [];
  for (const { index, id, op, document } of items) {
    operations.push(JSON.stringify({ [op]: { _index: index, _id: id } }));
    if (op !== 'delete') operations.push(document);
  }
  try {
    const answer = await cluster.client.bulk({
      operations,
      filter_path: ['items.*.status', 'items.*.error.type', 'items.*.error.reason'],
    });
    return answer.items.map((item, row) => {
      const { status, error } = Object.values(item)[0]!;
      const { op } = items[row]!;
      if ((op === 'create' && status === 409) || (op === 'delete' && status === 404)) return 'present';
      if (status < 300) return 'done';
      return refusal(status, error?.type ?? 'error', error?.reason ?? '');
    });
  } catch (error) {
    const known = storeError(error);
    return items.map(() => known);
  }
}
