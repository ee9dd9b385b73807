// SPDX-License-Identifier: Apache-2.0
// What rollups must do over every store: answers from them are those from what they were made of.
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { serverSchema } from '../../src/config/config.js';
import { InFlight } from '../../src/server/ingest/in-flight.js';
import { Ingest } from '../../src/server/ingest/ingest.js';
import { Writers } from '../../src/server/ingest/writers.js';
import { Metrics } from '../../src/server/metrics.js';
import { Discovery } from '../../src/server/query/discovery.js';
import { Query } from '../../src/server/query/query.js';
import { parseQuestion, type RawQuestion } from '../../src/server/query/question.js';
import { RollupWorker } from '../../src/server/rollup/worker.js';
import { LEVELS, type Store } from '../../src/store/store.js';
import { pprof } from '../server/fixtures.js';
import { ALL, collect, type StoreFactory } from './contract.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const log = { info() {}, warn() {}, error() {} };

/** One server's parts over a store. */
class Server {
  readonly metrics;
  readonly #writers = new Writers();
  readonly #ingest;
  readonly #query;
  readonly #discovery;

  constructor(
    readonly store: Store,
    readonly name = 'one',
  ) {
    const config = serverSchema.parse({});
    this.metrics = new Metrics({ store, inFlight: new InFlight(1), writers: this.#writers });
    this.#ingest = new Ingest(store, this.#writers, {}, 30 * 24 * HOUR, this.metrics);
    this.#query = new Query(store, config, this.metrics);
    this.#discovery = new Discovery(store, {});
  }

  async send(time: number, service: string, value: number, over: Record<string, string> = {}): Promise<void> {
    const body = await pprof({
      time,
      samples: [
        {
          stack: ['leaf', `middle-${service}`, 'root'],
          values: [value],
          labels: { pid: '7', phase: 'blocked' },
        },
        { stack: ['other', 'root'], values: [1], labels: { pid: over.host ?? '8' } },
      ],
    });
    await this.#push(body, { service_name: service, host: 'h1', ...over });
  }

  /** A sample of each. */
  async sendStacks(time: number, stacks: string[][], labels: Record<string, string>): Promise<void> {
    const body = await pprof({ time, samples: stacks.map(stack => ({ stack, values: [1] })) });
    await this.#push(body, { service_name: 'a', ...labels });
  }

  /** A sample of each request, which has a trace of its own, and a span of its own in it. */
  async sendRequests(time: number, count: number, host: string): Promise<void> {
    const samples = Array.from({ length: count }, (_, row) => ({
      stack: ['leaf', `handler-${row % 3}`, 'root'],
      values: [row + 1],
      labels: {
        pid: '7',
        span_name: `GET /${row % 2}`,
        trace_id: createHash('md5').update(`${time} ${row}`).digest('hex'),
        span_id: `${(time + row).toString(16).padStart(16, '0')}`,
      },
    }));
    await this.#push(await pprof({ time, samples }), { service_name: 'a', host });
  }

  async #push(pprof: Uint8Array, labels: Record<string, string>): Promise<void> {
    const push = { pprof, labels: Object.entries(labels), id: null, from: null, until: null };
    const { stored, refused } = await this.#ingest.add('', [push]);
    expect([stored, refused]).toEqual([1, []]);
  }

  worker(settleMs = 0): RollupWorker {
    return new RollupWorker(this.store, this.#writers, this.metrics, log, {
      holder: this.name,
      ages: { 0: 30 * DAY, 60: 30 * DAY, 600: 30 * DAY, 3600: 30 * DAY, 86400: 30 * DAY },
      settleMs,
    });
  }

  /** Sum by function, how many profiles there are in it, and how many were read. */
  async ask(raw: RawQuestion): Promise<{ sums: Record<string, number>; profiles: number; read: number }> {
    const before = await this.#read();
    const question = await parseQuestion(this.#discovery, { type: TYPE, ...raw }, '');
    const { merger, profiles, warnings } = await this.#query.merge(question);
    expect(warnings).toEqual([]);
    const { functions, total } = await merger.top();
    const sums = Object.fromEntries(functions.name.map((name, row) => [name, total[row]!]));
    return { sums, profiles, read: (await this.#read()) - before };
  }

  /** Sum, warnings and whether sample labels name requests. */
  async askOfRequests(raw: RawQuestion, sampleLabels = false) {
    const question = await parseQuestion(this.#discovery, { type: TYPE, ...raw }, '');
    const { merger, warnings } = await this.#query.merge({ ...question, sampleLabels });
    const { sum } = await merger.flamegraph();
    const spans = await merger.sumBy('span_id');
    return { sum, warnings, spans: spans.value.filter(value => value !== '').length };
  }

  async timeline(raw: RawQuestion, stepMs: number, groupBy: string[]) {
    return this.#query.timeline(
      await parseQuestion(this.#discovery, { type: TYPE, ...raw }, ''),
      stepMs,
      groupBy,
    );
  }

  async #read(): Promise<number> {
    const { values } = await this.metrics.readProfiles.get();
    return values[0]?.value ?? 0;
  }
}

export function rollupContract(name: string, factory: StoreFactory): void {
  describe(`${name}: rollups`, () => {
    let store: Store;
    afterEach(async () => {
      await store.close();
      await factory.destroy();
    });
    /** A full hour of a day that is over. */
    const start = Math.floor(Date.now() / DAY) * DAY - 2 * DAY + 5 * HOUR;
    const range = (from: number, until: number) => ({
      from: String(start + from),
      until: String(start + until),
    });

    const fill = async (server: Server) => {
      for (let minute = 0; minute < 60; minute += 3)
        for (const host of ['h1', 'h2', 'h3'])
          await server.send(start + minute * MINUTE + 10_000, 'a', minute + 1, { host });
      for (let minute = 0; minute < 60; minute += 10) await server.send(start + minute * MINUTE, 'b', 5);
    };

    it('answer as what they are made of does, at every level, from fewer profiles', async () => {
      store = await factory.create();
      const server = new Server(store);
      await fill(server);
      const questions: RawQuestion[] = [
        range(0, HOUR),
        range(-HOUR, 2 * HOUR),
        range(12.5 * MINUTE, 47.2 * MINUTE),
        { ...range(0, HOUR), query: '{service_name="a"}' },
        { ...range(0, HOUR), query: '{host="h2"}' },
        { ...range(0, HOUR), query: '{service_name=~".+", host!="h2"}' },
        { ...range(0, HOUR), query: '{phase="blocked"}' },
        { ...range(0, HOUR), query: '{pid="h3"}' },
        { ...range(0, HOUR), query: '{pid="7", service_name="b"}' },
      ];
      const before = [];
      for (const question of questions) before.push(await server.ask(question));
      expect(before[0]).toMatchObject({ profiles: 66, read: 66 });
      const timeline = await server.timeline(range(0, HOUR), 600_000, ['service_name']);

      const made = await server.worker().round(Date.now());
      expect(made).toBeGreaterThan(20);
      expect(await store.rollups.stale({ from: 0, until: Date.now() }, 10)).toEqual([]);
      for (const [row, question] of questions.entries()) {
        const after = await server.ask(question);
        expect({ ...after, read: 0 }, question.query).toEqual({ ...before[row], read: 0 });
        expect(after.read, question.query).toBeLessThan(before[row]!.read);
      }
      // All hosts in one: two services, an hour.
      expect((await server.ask(range(0, HOUR))).read).toBe(2);
      expect((await server.ask({ ...range(0, HOUR), query: '{host="h2"}' })).read).toBe(1);
      const rolled = await server.timeline(range(0, HOUR), 600_000, ['service_name']);
      const sorted = (series: typeof rolled.series) =>
        series
          .map(({ labels, times, totals }) => ({ labels, times, totals }))
          .sort((x, y) => (x.labels.service_name! < y.labels.service_name! ? -1 : 1));
      expect(sorted(rolled.series)).toEqual(sorted(timeline.series));
      // Nothing is done twice.
      expect(await server.worker().round(Date.now())).toBe(0);
    });

    it('do not tell requests apart, and questions about one do not take them', async () => {
      store = await factory.create();
      const server = new Server(store);
      for (let window = 0; window < 12; window++)
        await server.sendRequests(start + window * 10_000, 50, window % 2 === 0 ? 'h1' : 'h2');
      const trace = createHash('md5')
        .update(`${start + 30_000} 7`)
        .digest('hex');
      const whole = range(0, HOUR);
      const asked: RawQuestion[] = [
        { ...whole, query: `{trace_id="${trace}"}` },
        { ...whole, query: `{service_name="a", span_id=~".*${(start + 30_007).toString(16)}"}` },
        { ...whole, query: `{trace_id!="${trace}", host="h2"}` },
        { ...whole, query: '{span_name="GET /1", host=~"h.*"}' },
        whole,
      ];
      const before = [];
      for (const question of asked) before.push(await server.askOfRequests(question));
      expect(before.map(({ sum }) => sum)).toEqual([8n, 8n, 6n * 1275n - 8n, 12n * 650n, 12n * 1275n]);
      expect((await server.askOfRequests(whole, true)).spans).toBe(600);

      await server.worker().round(Date.now());
      for (const [row, question] of asked.entries()) {
        const { sum, warnings } = await server.askOfRequests(question);
        expect({ sum, warnings }, question.query).toEqual({ sum: before[row]!.sum, warnings: [] });
      }
      // What was kept with each sample is told to be gone from most of them.
      const labelled = await server.askOfRequests(whole, true);
      expect(labelled.sum).toBe(before[4]!.sum);
      expect(labelled.warnings).toEqual([
        expect.stringContaining('rollups do not keep trace_id and span_id'),
      ]);
      expect(labelled.spans).toBe(0);
      for (const level of LEVELS) {
        const rollups = await collect(store, { ...ALL, from: start, until: start + DAY, level });
        // Three handlers times two span names, of two hosts.
        for (const { rows } of rollups) expect(rows.length).toBeLessThan(120);
      }

      // Past the retention of profiles as they came, the answer says how much it does not know of.
      const kept = { 60: 400 * DAY, 600: 400 * DAY, 3600: 400 * DAY, 86400: 400 * DAY };
      await store.expire({ maxAge: { 0: DAY, ...kept }, maxBytes: 0 }, Date.now());
      const late = await server.askOfRequests(asked[0]!);
      expect(late.sum).toBe(0n);
      expect(late.warnings).toEqual([expect.stringContaining('the answer is from the 0 %')]);
      expect((await server.askOfRequests(whole)).sum).toBe(before[4]!.sum);
      expect((await server.timeline(asked[0]!, 600_000, [])).warnings).toEqual(late.warnings);
    });

    it('answer days from one each, and the rest of a range from hours', async () => {
      store = await factory.create();
      const server = new Server(store);
      const first = start - 5 * HOUR - 4 * DAY;
      for (let day = 0; day < 4; day++)
        for (const hour of [3, 15]) await server.send(first + day * DAY + hour * HOUR, 'a', day + 1);
      const days = { from: String(first), until: String(first + 4 * DAY) };
      const odd = { from: String(first + 12 * HOUR), until: String(first + 3 * DAY + 10 * HOUR) };
      const before = [await server.ask(days), await server.ask(odd)];
      expect(before.map(({ profiles }) => profiles)).toEqual([8, 6]);
      await server.worker().round(Date.now());
      expect(await server.ask(days)).toEqual({ ...before[0], read: 4 });
      // An hour of the first day, two days, an hour of the last.
      expect(await server.ask(odd)).toEqual({ ...before[1], read: 4 });
    });

    it('count what comes late, as soon as it is acknowledged', async () => {
      store = await factory.create();
      const server = new Server(store);
      await fill(server);
      await server.worker().round(Date.now());
      const before = await server.ask(range(0, HOUR));
      await server.send(start + 30 * MINUTE, 'a', 1000);
      const late = await server.ask(range(0, HOUR));
      expect(late.profiles).toBe(before.profiles + 1);
      expect(late.sums.leaf).toBe(before.sums.leaf! + 1000);
      expect(await server.worker().round(Date.now())).toBe(LEVELS.length);
      const after = await server.ask(range(0, HOUR));
      expect(after).toMatchObject({ sums: late.sums, profiles: late.profiles, read: 2 });
    });

    it('are made once by several servers, while profiles come in', { timeout: 120_000 }, async () => {
      store = await factory.create();
      const servers = [new Server(store, 'one'), new Server(store, 'two'), new Server(store, 'three')];
      let sent = 0;
      let running = true;
      const send = async () => {
        const time = start + ((sent * 7) % 5) * MINUTE + sent;
        await servers[sent % 3]!.send(time, sent % 2 === 0 ? 'a' : 'b', 10, { host: `h${sent % 5}` });
        sent++;
      };
      while (sent < 20) await send();
      const sender = (async () => {
        while (running) await send();
      })();
      for (let round = 0; round < 3; round++)
        await Promise.all(servers.map(server => server.worker().round(Date.now())));
      running = false;
      await sender;
      expect(sent).toBeGreaterThan(20);
      const answer = await servers[1]!.ask(range(0, HOUR));
      expect([answer.profiles, answer.sums.root]).toEqual([sent, sent * 11]);
      while ((await store.rollups.stale({ from: 0, until: Date.now() }, 10)).length > 0)
        await servers[2]!.worker().round(Date.now());
      const rolled = await servers[0]!.ask(range(0, HOUR));
      expect(rolled).toEqual({ sums: answer.sums, profiles: sent, read: 2 });
    });

    it('bring symbols together, for profiles that come next', async () => {
      store = await factory.create();
      const server = new Server(store);
      // Each of these has stacks of its own, in a segment of its own.
      const now = Date.now() - 2 * MINUTE;
      const functions = Array.from({ length: 40 }, (_, row) => `f${row}`);
      // A fixture's function is where it stands among all: this one is in each, so that they are the same in all.
      const every = [...functions, 'root'];
      for (const [row, name] of functions.entries())
        await server.sendStacks(now + row, [every, [name, 'root']], { host: `h${row}` });
      const named = async (host: string) => {
        const matchers = [{ name: 'host', op: '=' as const, value: host }];
        return (await collect(store, { ...ALL, matchers }))[0]!.segments.length;
      };
      const all = [every, ...functions.map(name => [name, 'root'])];
      await server.sendStacks(now, all, { host: 'before' });
      expect(await named('before')).toBe(40);
      await server.worker().round(Date.now());
      await server.sendStacks(now, all, { host: 'after' });
      // Symbols are shared by what arrives on the same day: around midnight there is nothing to find.
      const sameDay = new Date(now).getUTCDate() === new Date().getUTCDate();
      expect(await named('after')).toBeLessThanOrEqual(sameDay ? 17 : 40);
      const question = {
        from: String(now - MINUTE),
        until: String(now + MINUTE),
        query: '{host="after"}',
      };
      expect((await server.ask(question)).sums).toMatchObject({ f0: 2, f39: 2, root: 41 });
    });

    it('stay when what they are made of is past its retention, with their symbols', async () => {
      store = await factory.create();
      const server = new Server(store);
      await fill(server);
      const before = await server.ask(range(0, HOUR));
      await server.worker().round(Date.now());
      const { profiles } = await store.expire(
        { maxAge: { 0: 0, 60: 0 }, maxBytes: 0 },
        Date.now() + 26 * HOUR,
      );
      expect(profiles).toBeGreaterThan(66);
      expect(await collect(store, ALL)).toEqual([]);
      const after = await server.ask(range(0, HOUR));
      expect(after).toEqual({ ...before, read: 2 });
    });

    it('are waited with until their time is over', async () => {
      store = await factory.create();
      const server = new Server(store);
      const minute = Math.floor(Date.now() / MINUTE) * MINUTE - 2 * MINUTE;
      await server.send(minute, 'a', 1);
      expect(await server.worker(5 * MINUTE).round(Date.now())).toBe(0);
      expect(await server.worker(30_000).round(Date.now())).toBeGreaterThan(0);
    });
  });
}
