// SPDX-License-Identifier: Apache-2.0
// The description is whole, valid, and true: answers are checked against the schemas that it gives.
import { readFileSync } from 'node:fs';
import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pprof, type Running, server } from './fixtures.js';

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape
type Json = Record<string, any>;

let running: Running;
let document: Json;
beforeAll(async () => {
  running = await server();
  const samples = [{ stack: ['a', 'b'], values: [5], labels: { pid: '1' } }];
  await running.ingest(
    await pprof({ samples, comments: ['stackwell.lost.x 1', 'stackwell.clock cpu-clock'] }),
    {
      name: 'a{host=h}',
    },
  );
  document = await running.json('/openapi.json');
});
afterAll(() => running.stop());

const operations = () =>
  Object.entries(document.paths as Json).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]) => ({
      path,
      method,
      operation: operation as Json,
    })),
  );

describe('/openapi.json', () => {
  it('lists every endpoint that docs/api.md names', () => {
    const text = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
    const named = [
      ...text.matchAll(
        /`(?:GET |POST |PUT |DELETE )?(\/(?:api\/v1|ingest|pyroscope|push|querier\.v1|version\.v1|opentelemetry|v1development|metrics|healthz|ready|openapi)[^`?' ]*)/g,
      ),
    ]
      .map(match => match[1]!.replace(/:(\w+)/g, '{$1}'))
      .filter(path => !path.includes('http'));
    expect(new Set(named).size).toBeGreaterThan(11);
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining([...new Set(named)]));
    expect(Object.keys(document.paths).sort()).toEqual([...new Set(named)].sort());
  });

  it('is valid OpenAPI 3.1', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    const ajv = new Ajv({ strict: false, formats: { binary: true } });
    const tags = new Set((document.tags as Json[]).map(tag => tag.name));
    for (const { path, operation } of operations()) {
      expect(operation.summary).toBeTruthy();
      for (const tag of operation.tags) expect(tags).toContain(tag);
      const parameters = (operation.parameters ?? []) as Json[];
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1]);
      expect(parameters.filter(one => one.in === 'path').map(one => one.name)).toEqual(inPath);
      for (const parameter of parameters) {
        expect(['query', 'path']).toContain(parameter.in);
        if (parameter.in === 'path') expect(parameter.required).toBe(true);
        ajv.compile(parameter.schema);
      }
      for (const [status, response] of Object.entries(operation.responses as Json)) {
        expect(status).toMatch(/^(\d{3}|[45]XX|default)$/);
        expect(response.description).toBeTruthy();
        for (const media of Object.values((response.content ?? {}) as Json)) ajv.compile(media.schema);
      }
    }
  });

  it('describes the answers as they are', async () => {
    const ajv = new Ajv({ strict: false, formats: { binary: true } });
    const check = async (path: string, url: string, parameters: Record<string, string> = {}) => {
      const answer = await running.get(url, parameters);
      const status = answer.status === 200 ? '200' : `${String(answer.status)[0]}XX`;
      const schema = document.paths[path].get.responses[status].content['application/json'].schema;
      const validate = ajv.compile(schema);
      const body = await answer.json();
      expect([url, validate(body), validate.errors]).toEqual([url, true, null]);
      return body as Json;
    };
    for (const name of ['types', 'labels', 'timeline', 'flamegraph', 'top']) {
      const path = `/api/v1/${name}`;
      await check(path, path);
      await check(path, path, { query: '{service_name="none"}' });
      expect((await check(path, path, { query: '{' })).code).toBe('SW_QUERY_INVALID');
    }
    await check('/api/v1/top', '/api/v1/top', { group_by: 'host' });
    await check('/api/v1/diff', '/api/v1/diff');
    await check('/api/v1/diff', '/api/v1/diff', { statistics: 'false', normalization: 'none' });
    await check('/api/v1/deploys', '/api/v1/deploys');
    const none = await check('/api/v1/deploys/compare', '/api/v1/deploys/compare', { service: 'none' });
    expect(none.code).toBe('SW_DEPLOY_UNKNOWN');
    await check('/api/v1/diff', '/api/v1/diff', { left_query: '{service_name="none"}' });
    expect((await check('/api/v1/diff', '/api/v1/diff', { right_query: '{' })).code).toBe('SW_QUERY_INVALID');
    await check('/api/v1/labels/{name}/values', '/api/v1/labels/pid/values');
    const query = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}';
    await check('/pyroscope/render', '/pyroscope/render', { query, groupBy: 'host' });
    await check('/pyroscope/render-diff', '/pyroscope/render-diff', { leftQuery: query, rightQuery: query });
    expect((await check('/pyroscope/render', '/pyroscope/render', { query: '{' })).code).toBe(
      'SW_QUERY_INVALID',
    );
    await check('/pyroscope/label-values', '/pyroscope/label-values', { label: '__name__' });
    await check('/api/v1/status/buildinfo', '/api/v1/status/buildinfo');
    await check('/healthz', '/healthz');
    await check('/readyz', '/readyz');
  });
});

describe('/metrics', () => {
  it('is the text format of Prometheus, and counts what happened', async () => {
    await running.ingest(new Uint8Array([1, 2, 3]), { name: 'a' });
    const text = await (await running.get('/metrics')).text();
    for (const line of text.split('\n').filter(Boolean))
      expect(line).toMatch(
        /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? (-?[\d.e+-]+|NaN|[+-]Inf))$/,
      );
    const value = (name: string) =>
      Number(
        text
          .split('\n')
          .find(line => line.startsWith(`${name} `))
          ?.slice(name.length + 1),
      );
    expect(value('stackwell_ingest_profiles_total{result="stored"}')).toBe(1);
    expect(value('stackwell_ingest_profiles_total{result="refused"}')).toBe(1);
    expect(value('stackwell_store_objects{kind="profiles"}')).toBe(1);
    expect(value('stackwell_store_bytes')).toBeGreaterThan(4096);
    expect(value('stackwell_errors_total{code="SW_PPROF_INVALID"}')).toBe(1);
    expect(value('stackwell_ingest_seconds_count')).toBe(2);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });
});
