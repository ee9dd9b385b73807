// SPDX-License-Identifier: Apache-2.0
// Samples that say which request they are of, as clients push them (docs/trace-link.md).
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Pyroscope from '@pyroscope/nodejs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, SymbolWriter } from '#native/profile';
import { program } from '../programs/build.js';
import { pprof, type Running, server } from './fixtures.js';

const NOW = Math.floor(Date.now() / 60_000) * 60_000 - 120_000;
const id = (text: string, bytes: number) =>
  createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, 2 * bytes);
const [T1, T2] = [id('t1', 16), id('t2', 16)];
const [S1, S2, S3] = [id('s1', 8), id('s2', 8), id('s3', 8)];

describe('questions about one trace', () => {
  let running: Running;
  beforeAll(async () => {
    running = await server();
    const samples = [
      {
        stack: ['parse', 'handle', 'main'],
        values: [1],
        labels: { trace_id: T1, span_id: S1, span_name: 'GET /a' },
      },
      {
        stack: ['render', 'handle', 'main'],
        values: [2],
        labels: { trace_id: T1, span_id: S2, span_name: 'GET /a' },
      },
      {
        stack: ['parse', 'handle', 'main'],
        values: [4],
        labels: { trace_id: T2, span_id: S3, span_name: 'GET /b', profile_id: S3 },
      },
      { stack: ['collect', 'main'], values: [8] },
    ];
    const pushed = await running.ingest(await pprof({ samples, time: NOW }), {
      name: 'api',
      from: String(NOW / 1000),
      until: String(NOW / 1000 + 10),
    });
    expect(pushed.status).toBe(200);
  });
  afterAll(() => running.stop());

  const range = { from: String(NOW - 60_000), until: String(NOW + 60_000) };

  it.each([
    [`{trace_id="${T1}"}`, 3],
    [`{trace_id="${T2}"}`, 4],
    [`{service_name="api", trace_id=~"${T1}|${T2}"}`, 7],
    [`{trace_id="${T1}", span_id="${S2}"}`, 2],
    [`{span_id=~"${S1.slice(0, 8)}.*|${S3}"}`, 5],
    ['{span_name="GET /a"}', 3],
    [`{profile_id="${S3}"}`, 4],
    ['{trace_id=""}', 8],
    [`{trace_id!="${T1}"}`, 12],
    [`{trace_id="${id('t3', 16)}"}`, 0],
  ])('%s', async (query, sum) => {
    const flamegraph = await running.json('/api/v1/flamegraph', { query, ...range });
    expect(flamegraph).toMatchObject({ sum, warnings: [] });
    const top = await running.json('/api/v1/top', { query, ...range });
    expect(top.sum).toBe(sum);
    const answer = await running.get('/api/v1/pprof', { query, ...range, sample_labels: 'true' });
    const { samples, labels, strings } = await decode(new Uint8Array(await answer.arrayBuffer()));
    expect([...samples.values].reduce((all, value) => all + value, 0n)).toBe(BigInt(sum));
    const traces = new Set(
      [...labels.key].flatMap((key, row) =>
        strings[key] === 'trace_id' ? [strings[labels.str[row]!]!] : [],
      ),
    );
    for (const trace of [T1, T2])
      if (query.includes(`trace_id="${trace}"`)) expect([...traces]).toEqual([trace]);
    const timeline = await running.json('/api/v1/timeline', { query, ...range, step: '10' });
    const totals = timeline.series.flatMap((one: { totals: number[] }) => one.totals);
    expect(totals.reduce((all: number, total: number) => all + total, 0)).toBe(sum);
  });

  it('compares two of them', async () => {
    const diff = await running.json('/api/v1/diff', {
      ...range,
      left_query: `{trace_id="${T1}"}`,
      left_from: range.from,
      left_until: range.until,
      right_query: `{trace_id="${T2}"}`,
      right_from: range.from,
      right_until: range.until,
    });
    expect([diff.left.sum, diff.right.sum]).toEqual([3, 4]);
  });

  it('lists them', async () => {
    const { sampleNames } = await running.json('/api/v1/labels', range);
    expect(sampleNames).toEqual(expect.arrayContaining(['trace_id', 'span_id', 'span_name', 'profile_id']));
    const { values } = await running.json('/api/v1/labels/trace_id/values', range);
    expect(values).toEqual([T1, T2].sort());
  });
});

describe('@pyroscope/nodejs', () => {
  it('wraps a request with its trace, and the trace can be asked for', { timeout: 60_000 }, async () => {
    const running = await server();
    try {
      Pyroscope.init({
        serverAddress: running.url,
        appName: 'wrapped',
        wall: { collectCpuTime: true, samplingDurationMs: 1500 },
        flushIntervalMs: 1500,
      });
      Pyroscope.start();
      const burn = (ms: number) => {
        const end = performance.now() + ms;
        while (performance.now() < end) createHash('sha256').update(randomBytes(64)).digest();
      };
      const until = performance.now() + 4000;
      while (performance.now() < until) {
        Pyroscope.wrapWithLabels({ trace_id: T1, span_id: S1 }, () => burn(30));
        Pyroscope.wrapWithLabels({ trace_id: T2, span_id: S3 }, () => burn(10));
        burn(10);
        await sleep(1);
      }
      await Pyroscope.stop();
      const type = 'wall:cpu:nanoseconds:wall:nanoseconds';
      const sumOf = async (query: string) =>
        (await running.json('/api/v1/flamegraph', { type, query, from: 'now-5m', until: 'now' })).sum;
      const all = await sumOf('{service_name="wrapped"}');
      expect(all).toBeGreaterThan(5e8);
      const [one, two] = [await sumOf(`{trace_id="${T1}"}`), await sumOf(`{span_id="${S3}"}`)];
      expect(one / two).toBeGreaterThan(2);
      expect(one / two).toBeLessThan(4.5);
      expect((one + two) / all).toBeGreaterThan(0.5);
      expect((one + two) / all).toBeLessThan(0.95);
    } finally {
      await running.stop();
    }
  });
});

describe("Grafana's client for Go", () => {
  it('pushes spans and traces, and each can be asked for', { timeout: 180_000 }, async () => {
    const running = await server();
    try {
      // The server is in this process, and has to answer meanwhile.
      const { stdout } = await promisify(execFile)(program('spans'), [running.url]);
      const spans = stdout
        .trim()
        .split('\n')
        .map(line => line.split(' ', 2));
      expect(spans.length).toBe(8);
      const type = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
      const ask = (query: string) =>
        running.json('/api/v1/flamegraph', { type, query, from: 'now-5m', until: 'now' });
      const sums: number[] = [];
      for (const [trace, span] of spans) {
        const [ofTrace, ofSpan] = [await ask(`{trace_id="${trace}"}`), await ask(`{span_id="${span}"}`)];
        expect(ofTrace.sum).toBe(ofSpan.sum);
        if (ofSpan.sum > 0) expect(ofSpan.functions.name).toContain('main.burn');
        sums.push(ofSpan.sum);
      }
      const all = sums.reduce((sum, one) => sum + one, 0);
      expect(all).toBeGreaterThan(5e8);
      // By turns a long one and a short one.
      expect((await ask('{span_name=~"GET .*"}')).sum).toBe(all);
      const long = (await ask('{span_name="GET /long"}')).sum;
      expect(long).toBe(sums.filter((_, row) => row % 2 === 0).reduce((sum, one) => sum + one, 0));
      expect(long / all).toBeGreaterThan(0.65);
      expect(long / all).toBeLessThan(0.85);
      expect((await ask('{service_name="spans"}')).sum).toBeGreaterThan(all);
    } finally {
      await running.stop();
    }
  });
});

describe('a trace for each request', () => {
  it('costs as much as its id, and no memory that grows', { timeout: 120_000 }, async () => {
    const writer = new SymbolWriter({ segmentPrefix: '20260601-0123456789abcdef-', maxStacks: 10_000 });
    const REQUESTS = 1000;
    let segments = 0;
    let largest = 0;
    for (let window = 0; window < 100; window++) {
      const samples = Array.from({ length: REQUESTS }, (_, row) => ({
        stack: [`leaf${row % 20}`, `handler${row % 5}`, 'main'],
        values: [1],
        labels: { trace_id: randomBytes(16).toString('hex'), span_id: randomBytes(8).toString('hex') },
      }));
      const { segment, profiles, ticket } = await writer.add(await pprof({ samples }));
      writer.commit(ticket);
      expect(profiles[0]!.rowCount).toBe(REQUESTS);
      expect(profiles[0]!.facets.trace_id!.length).toBe(4);
      expect(profiles[0]!.facetsOmitted.trace_id).toBe(REQUESTS - 4);
      if (window > 0) segments += segment!.bytes.length;
      if (window >= 30) largest = Math.max(largest, writer.size.bytes);
    }
    // 24 bytes of ids that nothing can make smaller.
    expect(segments / 99 / REQUESTS).toBeLessThan(40);
    // 100,000 of them have come by; what is known of them is bounded.
    expect(largest).toBeLessThan(1.5e6);
    expect(writer.size.stacks).toBe(20);
  });
});
