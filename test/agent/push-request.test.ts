// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { requests } from '../../src/agent/delivery.js';
import { encodePushRequest } from '../../src/agent/outbox/push-request.js';
import { PushRequest } from './sink.js';

test('reads back by the public schema', () => {
  const series = [
    {
      labels: { service_name: 'süß', __name__: 'process_cpu', a: '' },
      id: 'id-1',
      pprof: new Uint8Array(300).fill(7),
    },
    { labels: {}, id: 'id-2', pprof: new Uint8Array(70_000).fill(1) },
  ];
  const decoded = PushRequest.toObject(PushRequest.decode(encodePushRequest(series)), { defaults: true });
  expect(decoded).toEqual({
    series: [
      {
        // Sorted by name.
        labels: [
          { name: '__name__', value: 'process_cpu' },
          { name: 'a', value: '' },
          { name: 'service_name', value: 'süß' },
        ],
        samples: [{ raw_profile: Buffer.alloc(300, 7), ID: 'id-1' }],
      },
      { labels: [], samples: [{ raw_profile: Buffer.alloc(70_000, 1), ID: 'id-2' }] },
    ],
  });
});

test('is one request, and more only when it is large', () => {
  const one = (id: string, bytes: number) => ({ labels: {}, id, pprof: new Uint8Array(bytes) });
  const ids = (max: number, ...sizes: number[]) =>
    [
      ...requests(
        sizes.map((size, i) => one(String(i), size)),
        max,
      ),
    ].map(part => part.map(({ id }) => id).join(''));
  expect(ids(100, 40, 40, 20)).toEqual(['012']);
  expect(ids(100, 40, 40, 40)).toEqual(['01', '2']);
  expect(ids(100, 500, 1)).toEqual(['0', '1']);
  expect(ids(100)).toEqual([]);
});
