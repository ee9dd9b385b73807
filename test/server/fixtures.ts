// SPDX-License-Identifier: Apache-2.0
// Profiles made by hand, and a server to send them to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '#native/profile';
import { type ServerConfig, serverSchema } from '../../src/config/config.js';
import type { Log } from '../../src/server/context.js';
import { type RunningServer, startServer } from '../../src/server/server.js';

export interface Sample {
  /** Function names, leaf first. */
  stack: string[];
  labels?: Record<string, string>;
  values: (bigint | number)[];
}

export interface Fixture {
  samples: Sample[];
  /** [type, unit]; cpu in nanoseconds when absent. */
  types?: [string, string][];
  /** [type, unit]; the last of `types` when absent. */
  period?: [string, string];
  /** Unix milliseconds; now when absent. */
  time?: number;
  /** Milliseconds. */
  duration?: number;
  comments?: string[];
}

/** Encoded pprof; gzipped unless told otherwise. */
export function pprof(fixture: Fixture, gzipLevel = 1): Promise<Uint8Array> {
  const { samples, types = [['cpu', 'nanoseconds']], comments = [], duration = 10_000 } = fixture;
  const strings: string[] = [''];
  const known = new Map([['', 0]]);
  const index = (text: string) => {
    if (!known.has(text)) known.set(text, strings.push(text) - 1);
    return known.get(text)!;
  };
  const names = [...new Set(samples.flatMap(({ stack }) => stack))];
  const rows = new Map(names.map((name, row) => [name, row]));
  const offsets = (lengths: number[]) => {
    let sum = 0;
    return Uint32Array.from([0, ...lengths.map(length => (sum += length))]);
  };
  const labels = samples.flatMap(sample => Object.entries(sample.labels ?? {}));
  const [periodType, periodUnit] = fixture.period ?? types.at(-1)!;
  return encode(
    {
      sampleTypes: types.map(([type, unit]) => ({ type: index(type), unit: index(unit) })),
      periodType: { type: index(periodType), unit: index(periodUnit) },
      period: 10_000_000n,
      timeNanos: BigInt(fixture.time ?? Date.now()) * 1_000_000n,
      durationNanos: BigInt(duration) * 1_000_000n,
      comments: Uint32Array.from(comments, index),
      defaultSampleType: 0,
      dropFrames: 0,
      keepFrames: 0,
      docUrl: 0,
      mappings: {
        start: new BigUint64Array([0n]),
        limit: new BigUint64Array([1n << 62n]),
        offset: new BigUint64Array(1),
        filename: Uint32Array.of(index('/usr/bin/app')),
        buildId: Uint32Array.of(index('abcdef')),
        flags: Uint8Array.of(0b1111),
      },
      functions: {
        name: Uint32Array.from(names, index),
        systemName: Uint32Array.from(names, index),
        filename: Uint32Array.from(names, name => index(`${name}.c`)),
        startLine: new BigInt64Array(names.length),
      },
      locations: {
        mapping: new Int32Array(names.length),
        address: BigUint64Array.from(names, (_, row) => BigInt(0x1000 + row)),
        isFolded: new Uint8Array(names.length),
        lineOffset: offsets(names.map(() => 1)),
      },
      lines: {
        function: Int32Array.from(names.keys()),
        line: BigInt64Array.from(names, (_, row) => BigInt(row + 1)),
        column: new BigInt64Array(names.length),
      },
      samples: {
        locationOffset: offsets(samples.map(({ stack }) => stack.length)),
        location: Uint32Array.from(samples.flatMap(({ stack }) => stack.map(name => rows.get(name)!))),
        values: BigInt64Array.from(samples.flatMap(({ values }) => values.map(BigInt))),
        labelOffset: offsets(samples.map(sample => Object.keys(sample.labels ?? {}).length)),
      },
      labels: {
        key: Uint32Array.from(labels, ([key]) => index(key)),
        str: Uint32Array.from(labels, ([, value]) => index(value)),
        num: new BigInt64Array(labels.length),
        numUnit: new Uint32Array(labels.length),
      },
      strings,
    },
    { gzipLevel },
  );
}

export interface Running extends RunningServer {
  folder: string;
  /** What the server logged, as `message`. */
  logged: string[];
  get(path: string, parameters?: Record<string, string>): Promise<Response>;
  /** The body of a 200; anything else fails the test. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json(path: string, parameters?: Record<string, string>): Promise<any>;
  /** POST /ingest. */
  ingest(
    body: Uint8Array | FormData,
    parameters: Record<string, string>,
    headers?: object,
  ): Promise<Response>;
  /** Closes the server and removes its data. */
  stop(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: any part of the configuration, nested
export async function server(over: Record<string, any> = {}): Promise<Running> {
  const folder = over.data ?? mkdtempSync(join(tmpdir(), 'stackwell-server-'));
  const config: ServerConfig = serverSchema.parse({ listen: '127.0.0.1:0', data: folder, ...over });
  const logged: string[] = [];
  const write = (_: object, message: string) => void logged.push(message);
  const log: Log = { info: write, warn: write, error: write };
  const running = await startServer(config, { log });
  const url = (path: string, parameters: Record<string, string>) =>
    `${running.url}${path}?${new URLSearchParams(parameters)}`;
  return {
    ...running,
    folder,
    logged,
    get: (path, parameters = {}) => fetch(url(path, parameters)),
    async json(path, parameters = {}) {
      const answer = await fetch(url(path, parameters));
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`);
      return JSON.parse(text);
    },
    ingest: (body, parameters, headers = {}) =>
      fetch(url('/ingest', { format: 'pprof', ...parameters }), {
        method: 'POST',
        body: body as BodyInit,
        headers: { ...headers },
      }),
    async stop() {
      await running.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Code of an error answer, with its status. */
export async function failure(answer: Response): Promise<{ status: number; code: string }> {
  const { code } = (await answer.json()) as { code: string };
  return { status: answer.status, code };
}
