// SPDX-License-Identifier: Apache-2.0
// A running `stackwell up` or `stackwell server`, and its API.
import { expect } from 'vitest';
import { bin, eventually, freePort, type Running, start } from './stackwell.js';

export const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
export const OFFCPU = 'process_offcpu:offcpu:nanoseconds:offcpu:nanoseconds';

export interface Top {
  sum: number;
  unit: string;
  functions: { name: string[]; file: string[]; module: string[]; reason: string[] };
  self: number[];
  total: number[];
  warnings?: string[];
}

export class Service {
  constructor(
    readonly process: Running,
    readonly url: string,
    /** Milliseconds from the start of the process to its address. */
    readonly readyMs: number,
  ) {}

  /** Any answer, with its status. Repeated parameters are not needed by this API. */
  async get(path: string, parameters: Record<string, string> = {}): Promise<Response> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return fetch(url, { signal: AbortSignal.timeout(30_000) });
  }

  /** The JSON of a 200 answer; throws with the body of any other. */
  async json<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
    const answer = await this.get(path, parameters);
    const body = await answer.text();
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${body}`);
    return JSON.parse(body) as T;
  }

  async labelValues(name: string, parameters: Record<string, string> = {}): Promise<string[]> {
    return (await this.json<{ values: string[] }>(`/api/v1/labels/${name}/values`, parameters)).values;
  }

  top(parameters: Record<string, string>): Promise<Top> {
    return this.json<Top>('/api/v1/top', parameters);
  }

  async pprof(parameters: Record<string, string>): Promise<Buffer> {
    const answer = await this.get('/api/v1/pprof', parameters);
    if (answer.status !== 200) throw new Error(`pprof: ${answer.status} ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  ingest(name: string, body: Uint8Array): Promise<Response> {
    const url = new URL('/ingest', this.url);
    url.searchParams.set('name', name);
    url.searchParams.set('format', 'pprof');
    return fetch(url, {
      method: 'POST',
      body: body as Uint8Array<ArrayBuffer>,
      signal: AbortSignal.timeout(30_000),
    });
  }

  async ready(): Promise<boolean> {
    try {
      return (await this.get('/readyz')).status === 200;
    } catch {
      return false;
    }
  }
}

/** An answer with this status whose body has the code, what happened, and what to do. */
export async function expectRefused(answer: Response, status: number, code: string): Promise<void> {
  const body = (await answer.json()) as { code: string; message: string; fix: string };
  expect({ status: answer.status, code: body.code }).toEqual({ status, code });
  expect(body.message).not.toBe('');
  expect(body.fix).not.toBe('');
}

async function started(process: Running, url: string, since: number): Promise<Service> {
  const service = new Service(process, url, 0);
  try {
    await eventually('/readyz', 30, async () => {
      if (!process.alive) throw new Error(`it ended: ${process.stderr}`);
      return (await service.ready()) || null;
    });
  } catch (error) {
    await process.stop('SIGKILL');
    throw error;
  }
  return new Service(process, url, performance.now() - since);
}

/** `stackwell up` on free ports; the caller stops `process`. */
export async function startUp(data: string, ...more: string[]): Promise<Service> {
  const [port, metrics] = [await freePort(), await freePort()];
  const since = performance.now();
  const listen = ['--listen', `127.0.0.1:${port}`, '--metrics-listen', `127.0.0.1:${metrics}`];
  return started(start(bin, ['up', '--data', data, ...listen, ...more]), `http://127.0.0.1:${port}`, since);
}

/** `stackwell server` on a free port; the caller stops `process`. */
export async function startServer(data: string, ...more: string[]): Promise<Service> {
  const port = await freePort();
  const since = performance.now();
  const command = ['server', '--data', data, '--listen', `127.0.0.1:${port}`, ...more];
  return started(start(bin, command), `http://127.0.0.1:${port}`, since);
}
