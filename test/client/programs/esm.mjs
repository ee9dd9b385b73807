// SPDX-License-Identifier: Apache-2.0
import client, * as named from 'stackwell/client';
import { work } from './work.cjs';

named.init({
  serverUrl: process.argv[2],
  serviceName: 'esm',
  deploy: 'v1',
  windowSeconds: 1,
  heapIntervalBytes: 65536,
});
named.start();
const result = await work(named);
console.log(JSON.stringify({ ...result, same: client.init === named.init }));
