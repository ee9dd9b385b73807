// SPDX-License-Identifier: Apache-2.0
// /pyroscope/render, /pyroscope/render-diff, /pyroscope/label-values and what clients ask before them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure, type Running, server } from './fixtures.js';
import { CPU, FIRST, fill, NOW, paths, SECOND, WALL } from './querier-data.js';

let running: Running;
beforeAll(async () => {
  running = await server();
  await fill(running);
});
afterAll(() => running.stop());

const RANGE = { from: String(FIRST - 60_000), until: String(NOW) };

describe('/pyroscope/render', () => {
  const render = (query: string, more: Record<string, string> = {}) =>
    running.json('/pyroscope/render', { query, ...RANGE, ...more });

  it('has the flame graph and the timeline of a selection', async () => {
    const answer = await render(`${CPU}{service_name="api"}`);
    expect(answer).toMatchObject({
      version: 1,
      metadata: { format: 'single', spyName: '', sampleRate: 1_000_000_000, units: 'samples', name: 'cpu' },
      groups: null,
      heatmap: null,
    });
    const { names, levels, numTicks, maxSelf } = answer.flamebearer;
    expect([numTicks, maxSelf]).toEqual([15, 8]);
    expect(paths({ names, levels })).toEqual({
      total: [15, 0],
      'total;main': [15, 0],
      'total;main;handle': [15, 4],
      'total;main;handle;parse': [3, 3],
      'total;main;handle;render': [8, 8],
    });
    const { startTime, samples, durationDelta, watermarks } = answer.timeline;
    expect([startTime, durationDelta, watermarks]).toEqual([(FIRST - 60_000) / 1000, 15, null]);
    expect(samples).toHaveLength(300 / 15);
    const at = (time: number) => samples[(time / 1000 - startTime) / durationDelta];
    expect([at(FIRST), at(SECOND)]).toEqual([7, 8]);
    expect(samples.reduce((sum: number, one: number) => sum + one, 0)).toBe(15);
  });

  it('groups the timeline by a label', async () => {
    const { groups, timeline } = await render(`${CPU}{}`, { groupBy: 'service_name' });
    const sum = ({ samples }: { samples: number[] }) => samples.reduce((all, one) => all + one, 0);
    expect([sum(groups.api), sum(groups.db), sum(timeline)]).toEqual([15, 48, 63]);
    const none = await render(`${CPU}{}`, { groupBy: 'none', aggregation: 'avg' });
    expect(sum(none.timeline)).toBe(Math.trunc(23 / 2) + 20);
    expect(Object.keys(none.groups)).toEqual(['*']);
  });

  it('takes the type as a name or as a matcher, and private labels', async () => {
    const total = async (query: string) => (await render(query)).flamebearer.numTicks;
    expect(await total(WALL)).toBe(64);
    expect(await total(`{__name__="${CPU}", __service_name__="db"}`)).toBe(48);
    expect(await total(`${CPU}{__type__="wall"}`)).toBe(0);
    expect((await render(`${CPU}{}`, { 'max-nodes': '4' })).flamebearer.names).toContain('other');
    expect((await render(`${CPU}{}`, { maxNodes: '4' })).flamebearer.names).toContain('other');
  });

  it('draws with dot', async () => {
    const text = async (query: string) =>
      (await running.get('/pyroscope/render', { query, ...RANGE, format: 'dot' })).text();
    expect(await text(`${CPU}{service_name="api"}`)).toMatch(/^digraph [\s\S]*handle\\n4 ns/);
    expect(await text(`${CPU}{service_name="none"}`)).toBe('');
  });

  it('says what is wrong', async () => {
    const cases: [Record<string, string>, string][] = [
      [{}, 'SW_REQUEST_INVALID'],
      [{ query: '{service_name="api"}' }, 'SW_QUERY_INVALID'],
      [{ query: 'cpu{}' }, 'SW_REQUEST_INVALID'],
      [{ query: `${CPU}{` }, 'SW_QUERY_INVALID'],
      [{ query: CPU, from: 'yesterday' }, 'SW_TIME_INVALID'],
      [{ query: CPU, from: 'now', until: 'now-1h' }, 'SW_TIME_INVALID'],
      [{ query: CPU, maxNodes: '99999999' }, 'SW_REQUEST_INVALID'],
      [{ query: CPU, maxNodes: '-1' }, 'SW_REQUEST_INVALID'],
      [{ query: CPU, format: 'dot', maxNodes: '-1' }, 'SW_REQUEST_INVALID'],
    ];
    for (const [parameters, code] of cases)
      expect([parameters, await failure(await running.get('/pyroscope/render', parameters))]).toEqual([
        parameters,
        { status: 400, code },
      ]);
  });
});

describe('/pyroscope/render-diff', () => {
  it('has both sides', async () => {
    const answer = await running.json('/pyroscope/render-diff', {
      ...{ leftQuery: `${CPU}{deploy="v1"}`, leftFrom: RANGE.from, leftUntil: RANGE.until },
      ...{ rightQuery: `${CPU}{deploy="v2"}`, rightFrom: RANGE.from, rightUntil: RANGE.until },
    });
    expect(answer).toMatchObject({
      metadata: { format: 'double' },
      leftTicks: 7,
      rightTicks: 8,
      timeline: null,
    });
    const { names, levels } = answer.flamebearer;
    expect(paths({ names, levels }, 7)).toMatchObject({
      'total;main;handle': [7, 4, 8, 0],
      'total;main;handle;render': [0, 0, 8, 8],
    });
  });

  it('refuses two types', async () => {
    const answer = await running.get('/pyroscope/render-diff', { leftQuery: CPU, rightQuery: WALL });
    expect(await failure(answer)).toEqual({ status: 400, code: 'SW_REQUEST_INVALID' });
  });
});

it('lists types and values', async () => {
  const values = (parameters: Record<string, string>) => running.json('/pyroscope/label-values', parameters);
  expect(await values({ label: '__name__' })).toEqual([CPU, WALL]);
  expect(await values({ label: 'service_name' })).toEqual(['api', 'db', 'web']);
  expect(await values({ label: 'service_name', query: '{__unit__="nanoseconds", host=~"h.*"}' })).toEqual([
    'api',
    'db',
  ]);
  expect(await values({ label: '__type__' })).toEqual(['cpu', 'wall']);
  expect(await failure(await running.get('/pyroscope/label-values'))).toMatchObject({ status: 400 });
});

it('says that it is there, and what', async () => {
  expect(await (await running.get('/ready')).text()).toBe('ready');
  expect(await running.json('/api/v1/status/buildinfo')).toMatchObject({
    status: 'success',
    data: { application: 'Stackwell', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
  });
  const answer = await fetch(`${running.url}/version.v1.Version/Version`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(await answer.json()).toEqual({ QuerierAPI: '1' });
});

it('gives flamebearer from /api/v1/flamegraph, too', async () => {
  const answer = await running.json('/api/v1/flamegraph', {
    query: '{service_name="api"}',
    format: 'flamebearer',
  });
  expect(answer).toMatchObject({ version: 1, flamebearer: { numTicks: 15 }, timeline: null });
});
