// SPDX-License-Identifier: Apache-2.0
// Programs that others wrote: the Node.js client of Pyroscope sends, `go tool pprof` reads.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Pyroscope from '@pyroscope/nodejs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '#native/profile';
import { eventually } from '../helpers/stackwell.js';
import { pprof, type Running, server } from './fixtures.js';

const run = promisify(execFile);

let running: Running;
let home: string;
beforeAll(async () => {
  running = await server();
  home = mkdtempSync(join(tmpdir(), 'stackwell-pprof-'));
});
afterAll(async () => {
  await running.stop();
  rmSync(home, { recursive: true });
});

const goPprof = async (...args: string[]) =>
  (
    await run('go', ['tool', 'pprof', ...args], {
      env: { ...process.env, PPROF_TMPDIR: home, PPROF_BINARY_PATH: home },
      maxBuffer: 64 * 1024 * 1024,
    })
  ).stdout;

/** Uses this much CPU time; resolves to how much it was, and how long it took. */
function burn(ms: number): { cpu: number; wall: number } {
  const [start, before] = [performance.now(), process.cpuUsage()];
  for (let x = 0; ; ) {
    for (let i = 0; i < 1e6; i++) x += Math.sqrt(x + i);
    const { user, system } = process.cpuUsage(before);
    if (user + system > ms * 1000) return { cpu: (user + system) / 1000, wall: performance.now() - start };
  }
}

describe('@pyroscope/nodejs', () => {
  type Sent = { url: string; body: Uint8Array }[];

  /** What goes over the wire meanwhile. */
  async function recorded(work: (sent: Sent) => Promise<void>): Promise<Sent> {
    const sent: Sent = [];
    const original = globalThis.fetch;
    globalThis.fetch = (async (url: string, init: RequestInit) => {
      const answer = await original(url, init);
      if (String(url).includes('/ingest')) sent.push({ url: String(url), body: init.body as Uint8Array });
      return answer;
    }) as typeof fetch;
    try {
      await work(sent);
    } finally {
      globalThis.fetch = original;
    }
    expect(sent.length).toBeGreaterThan(0);
    return sent;
  }

  /** By sample type, from the decoder on its own. */
  async function sums(sent: Sent): Promise<Map<string, bigint>> {
    const found = new Map<string, bigint>();
    for (const { body } of sent) {
      const { sampleTypes, samples, strings } = await decode(body);
      sampleTypes.forEach(({ type, unit }, column) => {
        const key = `${strings[type]}:${strings[unit]}`;
        for (let at = column; at < samples.values.length; at += sampleTypes.length)
          found.set(key, (found.get(key) ?? 0n) + samples.values[at]!);
      });
    }
    expect([...found.values()].some(sum => sum > 0n)).toBe(true);
    return found;
  }

  /** The same, from the server. */
  async function stored(query: string, called: string): Promise<Map<string, bigint>> {
    const { types } = await running.json('/api/v1/types', { query });
    const found = new Map<string, bigint>();
    for (const { id, name, sampleType, sampleUnit } of types) {
      expect(name).toBe(called);
      const { sum } = await running.json('/api/v1/top', { query, type: id });
      found.set(`${sampleType}:${sampleUnit}`, BigInt(sum));
    }
    return found;
  }

  const settings = (appName: string) => ({
    ...{ serverAddress: running.url, appName, tags: { region: 'eu' }, flushIntervalMs: 60_000 },
    ...{
      wall: { collectCpuTime: true, samplingDurationMs: 60_000 },
      heap: { samplingIntervalBytes: 1024, stackDepth: 64 },
    },
  });
  const selector = (appName: string) =>
    `{service_name="${appName}", region="eu", process_runtime_name="nodejs", pyroscope_spy="nodespy"}`;

  it('pushes wall and CPU time, and the server has the numbers that it sent', {
    timeout: 60_000,
  }, async () => {
    let used = { cpu: 0, wall: 0 };
    const sent = await recorded(async () => {
      Pyroscope.init(settings('nodeapp'));
      Pyroscope.startWallProfiling();
      used = burn(1000);
      await Pyroscope.stopWallProfiling();
    });
    const query = selector('nodeapp');
    expect(await stored(query, 'wall')).toEqual(await sums(sent));
    const { types } = await running.json('/api/v1/types', { query });
    const burnt = async (sampleType: string) => {
      const type = types.find((one: { sampleType: string }) => one.sampleType === sampleType).id;
      const { functions, total } = await running.json('/api/v1/top', { query, type });
      return total[functions.name.findIndex((name: string) => name.includes('burn'))];
    };
    // The process has other threads, and a sampler of 100 Hz on a busy machine comes late.
    for (const type of ['cpu', 'wall'] as const) {
      const share = (await burnt(type)) / (used[type] * 1e6);
      expect(share, type).toBeGreaterThan(0.7);
      expect(share, type).toBeLessThan(1.2);
    }
  });

  it('pushes the heap, and the server has the numbers that it sent', { timeout: 60_000 }, async () => {
    const kept: object[] = [];
    const sent = await recorded(async sent => {
      Pyroscope.init({ ...settings('nodeheap'), flushIntervalMs: 1000 });
      Pyroscope.startHeapProfiling();
      for (let i = 0; i < 20_000; i++) kept.push({ i, text: `${i}` });
      await eventually('a flush', 20, () => sent.length > 0 || null);
      await Pyroscope.stopHeapProfiling();
    });
    const found = await stored(selector('nodeheap'), 'memory');
    expect(found).toEqual(await sums(sent));
    // Objects of at least three words, of which one in a thousand bytes is looked at.

    expect(Number(found.get('inuse_space:bytes'))).toBeGreaterThan(20_000 * 24);
    expect(kept).toHaveLength(20_000);
  });
});

describe('go tool pprof', () => {
  const SERVICE = '{service_name="go"}';
  beforeAll(async () => {
    for (let window = 0; window < 3; window++) {
      const samples = Array.from({ length: 60 }, (_, at) => ({
        stack: [`leaf${at % 7}`, `middle${at % 5}`, `middle${at % 3}`, 'main'],
        values: [1, (at + 1) * 10_000_000],
        labels: { pid: String(at % 4) },
      }));
      const types: [string, string][] = [
        ['samples', 'count'],
        ['cpu', 'nanoseconds'],
      ];
      const body = await pprof({ samples, types, time: Date.now() - 60_000 + window * 10_000 });
      expect((await running.ingest(body, { name: 'go' })).status).toBe(200);
    }
  });

  it('-top agrees with /api/v1/top in every function, self and total', async () => {
    const url = `${running.url}/api/v1/pprof?query=${encodeURIComponent(SERVICE)}`;
    const text = await goPprof('-top', '-nodecount=1000', '-nodefraction=0', '-unit=ns', url);
    const theirs = new Map(
      text
        .split('\n')
        .map(line => /^\s*(\d+)(?:ns)?\s+\S+%\s+\S+%\s+(\d+)(?:ns)?\s+\S+%\s+(.+)$/.exec(line))
        .filter(match => match !== null)
        .map(match => [match[3]!.trim(), [Number(match[1]), Number(match[2])]]),
    );
    const top = await running.json('/api/v1/top', { query: SERVICE });
    const ours = new Map(
      top.functions.name.map((name: string, row: number) => [name, [top.self[row], top.total[row]]]),
    );
    expect(theirs.size).toBeGreaterThan(10);
    expect(theirs).toEqual(ours);
  });

  it('-raw has the samples of what was sent, summed by stack and, if asked for, by label', async () => {
    const expected = (byPid: boolean) => {
      const sums = new Map<string, number>();
      for (let at = 0; at < 60; at++) {
        const stack = [`leaf${at % 7}`, `middle${at % 5}`, `middle${at % 3}`, 'main'].join(';');
        const key = byPid ? `${stack} ${at % 4}` : stack;
        sums.set(key, (sums.get(key) ?? 0) + 3 * (at + 1) * 10_000_000);
      }
      return sums;
    };
    for (const byPid of [false, true]) {
      const answer = await running.get('/api/v1/pprof', { query: SERVICE, sample_labels: String(byPid) });
      expect(answer.headers.get('content-disposition')).toMatch(
        /^attachment; filename="stackwell-go-process_cpu-.*\.pb\.gz"$/,
      );
      const file = join(home, 'raw.pb.gz');
      writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
      const raw = await goPprof('-raw', file);
      const names = new Map(
        [...raw.matchAll(/^\s+(\d+): 0x[0-9a-f]+ M=\d+ (\S+)/gm)].map(match => [match[1]!, match[2]!]),
      );
      const sums = new Map<string, number>();
      const lines = raw.slice(raw.indexOf('Samples:'), raw.indexOf('Locations')).split('\n');
      lines.forEach((line, row) => {
        const match = /^\s+(\d+): ([\d ]+?)\s*$/.exec(line);
        if (match === null) return;
        const stack = match[2]!
          .trim()
          .split(/\s+/)
          .map(id => names.get(id))
          .join(';');
        const pid = /pid:\[(\d+)\]/.exec(lines[row + 1] ?? '')?.[1];
        sums.set(byPid ? `${stack} ${pid}` : stack, Number(match[1]));
      });
      expect(sums).toEqual(expected(byPid));
    }
  });

  it('reads when it was taken, for how long, and the period', async () => {
    const answer = await running.get('/api/v1/pprof', { query: SERVICE });
    const { timeNanos, durationNanos, period, strings, periodType } = await decode(
      new Uint8Array(await answer.arrayBuffer()),
    );
    expect(durationNanos).toBeGreaterThanOrEqual(30_000_000_000n - 1_000_000_000n);
    expect(Number(timeNanos / 1_000_000n)).toBeLessThan(Date.now() - 50_000);
    expect([period, strings[periodType!.type], strings[periodType!.unit]]).toEqual([
      10_000_000n,
      'cpu',
      'nanoseconds',
    ]);
  });
});
