// SPDX-License-Identifier: Apache-2.0
// Tenants, and what is deleted on request.
import { afterEach, expect, it } from 'vitest';
import { failure, pprof, type Running, server } from './fixtures.js';

let running: Running;
afterEach(() => running.stop());

const remove = (parameters: Record<string, string>, headers = {}) =>
  fetch(`${running.url}/api/v1/profiles?${new URLSearchParams(parameters)}`, { method: 'DELETE', headers });

const send = async (name: string, value: number, headers = {}) => {
  const body = await pprof({ samples: [{ stack: ['leaf', 'root'], values: [value] }] });
  expect((await running.ingest(body, { name }, headers)).status).toBe(200);
};

it('deletes a service, which may be there again at once, and everything', async () => {
  running = await server();
  await send('a', 1);
  await send('b', 2);
  for (const parameters of [{}, { service_name: 'a', everything: 'true' }, { everything: 'false' }] as Record<
    string,
    string
  >[])
    expect(await failure(await remove(parameters))).toEqual({ status: 400, code: 'SW_REQUEST_INVALID' });
  expect(await (await remove({ service_name: 'a' })).json()).toEqual({ profiles: 1, segments: 1 });
  expect((await running.json('/api/v1/top')).sum).toBe(2);
  await send('a', 4);
  const top = await running.json('/api/v1/top', { query: '{service_name="a"}' });
  expect([top.sum, [...top.functions.name].sort(), top.warnings]).toEqual([4, ['leaf', 'root'], []]);
  expect(await (await remove({ everything: 'true' })).json()).toEqual({ profiles: 2, segments: 2 });
  expect((await running.json('/api/v1/top')).profiles).toBe(0);
});

it('keeps tenants apart in everything that is sent, asked and deleted', async () => {
  running = await server({ tenants: true });
  const of = (tenant: string) => ({ 'x-scope-orgid': tenant });
  await send('a', 1, of('red'));
  await send('a', 2, of('blue'));
  const push = await fetch(`${running.url}/push.v1.PusherService/Push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...of('blue') },
    body: JSON.stringify({
      series: [
        {
          labels: [
            { name: 'service_name', value: 'b' },
            { name: '__name__', value: 'process_cpu' },
          ],
          samples: [
            {
              rawProfile: Buffer.from(await pprof({ samples: [{ stack: ['x'], values: [4] }] })).toString(
                'base64',
              ),
            },
          ],
        },
      ],
    }),
  });
  expect(push.status).toBe(200);
  const sum = async (tenant: string, path = '/api/v1/flamegraph') => {
    const answer = await fetch(`${running.url}${path}`, { headers: of(tenant) });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { sum: number }).sum;
  };
  expect([await sum('red'), await sum('blue'), await sum('green')]).toEqual([1, 6, 0]);
  const values = await fetch(`${running.url}/api/v1/labels/service_name/values`, { headers: of('red') });
  expect(((await values.json()) as { values: string[] }).values).toEqual(['a']);
  for (const header of [undefined, '', '../x', 'a|b', 'x'.repeat(200)]) {
    const headers: Record<string, string> = header === undefined ? {} : of(header);
    for (const path of ['/api/v1/flamegraph', '/api/v1/types', '/api/v1/debuginfo'])
      expect(await failure(await fetch(running.url + path, { headers }))).toEqual({
        status: 401,
        code: 'SW_TENANT_UNKNOWN',
      });
    expect((await remove({ everything: 'true' }, headers)).status).toBe(401);
  }
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json'])
    expect((await fetch(running.url + path)).status).toBe(200);
  expect(await (await remove({ everything: 'true' }, of('blue'))).json()).toMatchObject({ profiles: 2 });
  expect([await sum('red'), await sum('blue')]).toEqual([1, 0]);
});
