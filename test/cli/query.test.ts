// SPDX-License-Identifier: Apache-2.0
// `stackwell query` before a server of this process.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stackwell } from '../helpers/stackwell.js';
import { pprof, type Running, server } from '../server/fixtures.js';

let running: Running;
beforeAll(async () => {
  running = await server();
  const comments = ['complete 3', 'incomplete.unmapped 1', 'frames 8', 'named 8'];
  await running.ingest(
    await pprof({
      samples: [{ stack: ['leaf', 'main'], values: [4e9] }],
      comments: comments.map(text => `stackwell.${text}`),
    }),
    { name: 'app' },
  );
});
afterAll(() => running.stop());

const query = (...args: string[]) => stackwell('query', '--server', running.url, ...args);

test('the table is the answer; how much of it is whole and named is said beside it', async () => {
  const { code, stdout, stderr } = await query();
  expect(code).toBe(0);
  expect(stdout.split('\n').map(line => line.split(/ +/).slice(0, 6).join(' ').trim())).toEqual([
    'SELF TOTAL FUNCTION MODULE',
    expect.stringMatching(/^4\.00s 100\.0% 4\.00s 100\.0% leaf/),
    expect.stringMatching(/^0\.00s 0\.0% 4\.00s 100\.0% main/),
    '',
  ]);
  expect(stderr).toBe('75.0 % of samples reach the root; 25.0 % unmapped\n100 % of frames named\n');
});

test('as JSON it is all in the answer', async () => {
  const { stdout, stderr } = await query('--json');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout).stats).toMatchObject({ complete: 3, incomplete: { unmapped: 1 }, named: 8 });
});
