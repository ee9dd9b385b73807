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

function burn(ms: number): number {
  const end = performance.now() + ms;
  let x = 0;
  while (performance.now() < end) x += Math.sqrt(x + 1);
  return x;
}

describe('@pyroscope/nodejs', () => {
  it('pushes, and the server has the numbers that it sent', { timeout: 60_000 }, async () => {
    // What goes over the wire is recorded, and summed by the decoder on its own.
    const sent: { url: string; body: Uint8Array }[] = [];
    const original = globalThis.fetch;
    globalThis.fetch = (async (url: string, init: RequestInit) => {
      if (String(url).includes('/ingest')) sent.push({ url: String(url), body: init.body as Uint8Array });
      return original(url, init);
    }) as typeof fetch;
    try {
      Pyroscope.init({
        serverAddress: running.url,
        appName: 'nodeapp',
        tags: { region: 'eu' },
        flushIntervalMs: 60_000,
        wall: { collectCpuTime: true, samplingDurationMs: 60_000 },
      });
      Pyroscope.startWallProfiling();
      burn(700);
      await Pyroscope.stopWallProfiling();
    } finally {
      globalThis.fetch = original;
    }
    expect(sent.length).toBeGreaterThan(0);
    const sums = new Map<string, bigint>();
    for (const { body } of sent) {
      const { sampleTypes, samples, strings } = await decode(body);
      sampleTypes.forEach(({ type, unit }, column) => {
        const key = `${strings[type]}:${strings[unit]}`;
        for (let at = column; at < samples.values.length; at += sampleTypes.length)
          sums.set(key, (sums.get(key) ?? 0n) + samples.values[at]!);
      });
    }
    expect([...sums.values()].some(sum => sum > 0n)).toBe(true);
    const query =
      '{service_name="nodeapp", region="eu", process_runtime_name="nodejs", pyroscope_spy="nodespy"}';
    const { types } = await running.json('/api/v1/types', { query });
    const stored = new Map<string, bigint>();
    for (const { id, name, sampleType, sampleUnit } of types) {
      expect(name).toBe('wall');
      stored.set(
        `${sampleType}:${sampleUnit}`,
        BigInt((await running.json('/api/v1/top', { query, type: id })).sum),
      );
    }
    expect(stored).toEqual(sums);
    const wall = types.find(({ sampleType }: { sampleType: string }) => sampleType === 'wall');
    const top = await running.json('/api/v1/top', { query, type: wall.id });
    expect(top.functions.name.some((name: string) => name.includes('burn'))).toBe(true);
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
