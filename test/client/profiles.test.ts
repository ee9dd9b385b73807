// SPDX-License-Identifier: Apache-2.0
// Known amounts of CPU and memory, burned and held in named functions by programs of both module systems, come back
// from the server as they were.
import { symlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shareOut } from '../../src/client/turns.js';
import { root, start, temporaryFolder } from '../helpers/stackwell.js';
import { type Running, server } from '../server/fixtures.js';
import { CPU, has, INUSE, node, printed, program, programs, stored, sumOf, typesOf, WALL } from './child.js';

let running: Running;
beforeAll(async () => {
  running = await server();
});
afterAll(() => running.stop());

const near = (found: number, wanted: number, share: number) => {
  expect(found).toBeGreaterThan(wanted * (1 - share));
  expect(found).toBeLessThan(wanted * (1 + share));
};

describe.each(['esm.mjs', 'cjs.cjs'])('%s', file => {
  const service = file.split('.')[0]!;
  const query = `{service_name="${service}", deploy="v1", profiler="stackwell-client", host="${hostname()}"}`;
  // biome-ignore lint/suspicious/noExplicitAny: what the program printed
  let told: any;
  beforeAll(async () => {
    const { OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, ...env } = process.env;
    told = await printed(start(node, [join(programs, file), running.url], { env }));
  });

  it('has one client for import and require, which returns what the calls return', () => {
    expect(told.same).toBe(true);
    expect(told.names).toEqual(['burnHot', 'burnWarm']);
    expect(told.outside).toEqual({});
  });

  it('sends everything before stop() is done', () => {
    const { taken, sent, dropped, waiting, labelsRefused } = told.stats;
    expect(taken).toBeGreaterThan(3);
    expect({ sent, dropped, waiting, labelsRefused }).toEqual({
      sent: taken,
      dropped: { queue_full: 0, rejected: 0, failed: 0, stopped: 0 },
      waiting: { profiles: 0, bytes: 0 },
      labelsRefused: 0,
    });
  });

  it('CPU: of each function, as much as it burned', async () => {
    const cpu = await stored(running, CPU, query);
    // What it spent has V8's helper threads in it.
    near(sumOf(cpu, has('burnHot')) / 1e6, told.spent.burnHot, 0.15);
    near(sumOf(cpu, has('burnWarm')) / 1e6, told.spent.burnWarm, 0.15);
    expect(cpu.samples.find(has('burnHot'))!.frames.find(({ name }) => name === 'burnHot')!.file).toBe(
      join(programs, 'work.cjs'),
    );
  });

  it('labels: each function ran under those of its request, though they took turns', async () => {
    const cpu = await stored(running, CPU, query);
    for (const [burn, labels] of [
      ['burnHot', { route: '/hot', attempt: '1' }],
      ['burnWarm', { route: '/warm' }],
    ] as const) {
      const all = sumOf(cpu, has(burn));
      const own = sumOf(cpu, sample => has(burn)(sample) && isDeepStrictEqual(sample.labels, { ...labels }));
      expect(own / all).toBeGreaterThan(0.98);
    }
    // And the server selects by them.
    const hot = await running.json('/api/v1/top', { query: query.replace('}', ', route="/hot"}') });
    near(hot.sum / 1e6, told.spent.burnHot, 0.15);
  });

  it('one row for each stack and set of labels', async () => {
    const { samples } = await stored(running, CPU, query);
    const rows = samples.map(({ frames, labels }) => JSON.stringify([frames, labels]));
    expect(new Set(rows).size).toBe(rows.length);
  });

  it('wall: no less than CPU where it only computes', async () => {
    const wall = sumOf(await stored(running, WALL, query), has('burnHot')) / 1e6;
    expect(wall).toBeGreaterThan(told.spent.burnHot * 0.85);
  });

  it('heap: as much as is held', async () => {
    const memory = await stored(running, INUSE, query);
    // What lives is told anew in every window; the answer has their sum.
    const windows = await running.json('/api/v1/timeline', { query, type: INUSE, step: '10' });
    expect(windows.series[0].totals.length).toBeGreaterThan(0);
    const profiles = (await running.json('/api/v1/flamegraph', { query, type: INUSE })).profiles;
    near(sumOf(memory, has('hold')) / profiles, told.held, 0.12);
  });

  it('a function without a name has that of its file, and no line that the next deploy moves', async () => {
    const names = (await stored(running, CPU, query)).samples.flatMap(({ frames }) =>
      frames.map(({ name }) => name),
    );
    expect(names.filter(name => /L#\d/.test(name))).toEqual([]);
    expect(names.some(name => /^\(anonymous .*\.(cjs|mjs|js)\)$/.test(name))).toBe(true);
  });
});

describe('beside @pyroscope/nodejs', () => {
  it('has its types, and the same shares in them', async () => {
    const theirs = await printed(program('pyroscope.mjs', running.url));
    const types = await typesOf(running, '{service_name="theirs"}');
    expect(types).toHaveLength(5);
    expect(await typesOf(running, '{service_name="esm"}')).toEqual([...types, CPU].sort());
    // Theirs loses a window now and then (what ends while another is on its way), so shares and not amounts. Their names
    // of functions have the file in them: `./work.cjs:burnHot:23`.
    for (const type of ['wall:cpu:nanoseconds:wall:nanoseconds', WALL])
      for (const service of ['theirs', 'esm']) {
        const profile = await stored(running, type, `{service_name="${service}"}`);
        const through = (burn: RegExp) =>
          sumOf(profile, ({ frames }) => frames.some(({ name }) => burn.test(name)));
        const [hot, warm] = [through(/\bburnHot\b/), through(/\bburnWarm\b/)];
        near(hot / (hot + warm), theirs.spent.burnHot / (theirs.spent.burnHot + theirs.spent.burnWarm), 0.15);
      }
    const shared = await stored(running, 'wall:cpu:nanoseconds:wall:nanoseconds', '{service_name="esm"}');
    expect(sumOf(shared)).toBe(sumOf(await stored(running, CPU, '{service_name="esm"}')));
  });
});

describe('short turns', () => {
  it('have their CPU time, though most of it is only seen when they are over', async () => {
    const told = await printed(program('bursts.mjs', running.url));
    const cpu = await stored(running, CPU, '{service_name="bursts"}');
    const long = sumOf(cpu, has('burnLong')) / 1e6;
    const short = sumOf(cpu, has('burnShort')) / 1e6;
    // Turns of 3 ms have four fifths of theirs, or all on a busy machine; of 1.5 ms, the first sample of most comes after
    // their end. Without sharing out it is 10 to 20 % of both.
    near(long, told.burnLong, 0.35);
    near(short, told.burnShort, 0.85);
    near(long + short, told.burnLong + told.burnShort, 0.5);
    near(sumOf(cpu) / 1e6, told.all, 0.1);
    // A third and less on most machines; on idle ones many a sample comes when a turn has just ended.
    expect(sumOf(cpu, has('(program)')) / sumOf(cpu)).toBeLessThan(0.5);
    const labelled = await running.json('/api/v1/top', { query: '{service_name="bursts", route="/long"}' });
    expect(labelled.sum / 1e6 / long).toBeGreaterThan(0.95);
  });

  const tick = (at: number, cpu: number, idle = false) => ({ at, cpu, idle });
  it('get what idle ticks found, in parts of what each lacks, and the sum stays', () => {
    const ticks = [tick(40, 6, true), tick(10, 4), tick(20, 2, true), tick(30, 8), tick(50, 0, true)];
    const cpu = shareOut(ticks, 10);
    // 8 lacks 2, 4 lacks 6: all of the 8 that idle ticks found.
    expect([...cpu]).toEqual([0, 10, 0, 10, 0]);
    expect([...shareOut([tick(1, 4), tick(2, 3, true)], 10)]).toEqual([7, 0]);
    expect([...shareOut([tick(1, 9), tick(2, 3, true)], 10)]).toEqual([10, 2]);
  });

  it('but no stack that waits does, after its first tick', () => {
    const waits = Array.from({ length: 10 }, (_, at) => tick(100 + at, 0));
    const cpu = shareOut([tick(1, 4), tick(2, 6, true), ...waits, tick(200, 0, true)], 10);
    expect(cpu[0]).toBeCloseTo(4 + (6 * 6) / 16);
    expect(cpu[2]).toBeCloseTo((6 * 10) / 16);
    expect([...cpu.slice(3)]).toEqual(new Array(10).fill(0));
    expect(cpu.reduce((sum, one) => sum + one)).toBeCloseTo(10);
  });

  it('are left as they are where nothing is idle, or nothing was seen', () => {
    expect([...shareOut([], 10)]).toEqual([]);
    expect([...shareOut([tick(1, 4), tick(2, 9)], 10)]).toEqual([4, 9]);
    expect([...shareOut([tick(1, 4, true)], 10)]).toEqual([4]);
  });
});

describe('labels', () => {
  it('follow timers, promises, emitters and sockets, nest, and end with their call', async () => {
    const { seen } = await printed(program('labels.mjs', running.url));
    const set = { c: '3' };
    expect(seen).toEqual({
      before: {},
      wrapped: { a: '1' },
      nested: { a: '1', b: '2' },
      after: { a: '1' },
      set,
      timer: set,
      tick: set,
      emitted: set,
      response: set,
      outside: {},
      thrown: ['of the application', {}],
      stopped: {},
    });
  });
});

describe('where it cannot sample', () => {
  it('tells, samples what it can, leaves the other profiler alone, and the service runs on', async () => {
    const child = program('second.mjs', running.url);
    expect(await printed(child)).toEqual({
      answered: true,
      running: { cpu: false, wall: false, heap: true },
      lastError: expect.stringMatching(/^SW_CLIENT_PROFILER: .*already started/),
      theirs: true,
    });
    expect(child.stderr).toContain('[SW_CLIENT_PROFILER]');
  });
});

describe('OpenTelemetry', () => {
  it('labels samples by the span that is active, and by none that is not sampled', async () => {
    const told = await printed(program('traced.mjs', running.url));
    const cpu = await stored(running, CPU, '{service_name="traced"}');
    for (const [burn, span] of [
      ['burnHot', told.outer],
      ['burnWarm', told.inner],
    ] as const) {
      const all = sumOf(cpu, has(burn));
      const own = sumOf(
        cpu,
        sample =>
          has(burn)(sample) &&
          sample.labels.trace_id === span.traceId &&
          sample.labels.span_id === span.spanId &&
          sample.labels.route === '/traced',
      );
      expect(all / 1e6).toBeGreaterThan(300);
      expect(own / all).toBeGreaterThan(0.95);
    }
    expect(told.after).toMatchObject({ route: '/traced', span_id: told.outer.spanId });
    expect(told.outside).toEqual({});
    expect(told.unsampled).toEqual({});
    expect(told.later).toEqual({});
    // Its own requests are no part of any trace.
    expect(told.pushes.length).toBeGreaterThan(0);
    expect(told.pushes.every(Boolean)).toBe(true);
    const found = await running.json('/api/v1/top', {
      query: `{service_name="traced", trace_id="${told.outer.traceId}"}`,
    });
    near(found.sum / 1e6, sumOf(cpu, sample => sample.labels.trace_id !== undefined) / 1e6, 0.001);
  });
});

describe('source maps', () => {
  it('name frames by their source, or are left alone', async () => {
    const folder = temporaryFolder();
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const outfile = join(folder, 'app.js');
    await build({
      entryPoints: [join(programs, 'minified.ts')],
      outfile,
      bundle: true,
      minify: true,
      sourcemap: true,
      platform: 'node',
      format: 'cjs',
      external: ['@datadog/pprof', 'pprof-format'],
      alias: { 'stackwell/client': join(root, 'build/client/index.js') },
    });
    for (const mapped of ['true', 'false'])
      expect((await start(node, [outfile, running.url, mapped]).finished).code).toBe(0);
    const source = join(programs, 'minified.ts');
    const mapped = await stored(running, CPU, '{service_name="mapped"}');
    const frames = mapped.samples.flatMap(sample => sample.frames);
    expect(frames.find(({ name }) => name === 'burnInTypeScript')!.file).toBe(source);
    near(sumOf(mapped, has('burnInTypeScript')) / 1e6, 520, 0.15);
    const plain = await stored(running, CPU, '{service_name="unmapped"}');
    const files = plain.samples.flatMap(sample => sample.frames.map(({ file }) => file));
    expect(files).toContain(outfile);
    expect(files).not.toContain(source);
    expect(plain.samples.some(has('burnInTypeScript'))).toBe(false);
  });
});
