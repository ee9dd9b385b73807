// SPDX-License-Identifier: Apache-2.0
// Something else samples already.
import { time } from '@datadog/pprof';
import * as client from 'stackwell/client';
import { burnHot } from './work.cjs';

time.start({});
client.init({ serverUrl: process.argv[2], serviceName: 'second' });
client.start();
const answered = client.wrapWithLabels({ a: 1 }, () => burnHot(50) > 0);
const { running, lastError } = client.stats();
await client.stop({ timeoutMs: 100 });
console.log(JSON.stringify({ answered, running, lastError, theirs: time.isStarted() }));
