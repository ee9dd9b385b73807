// SPDX-License-Identifier: Apache-2.0
// Requests to a cluster: tried again where that can help, failures in the words of the error table.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientOptions, errors } from '@elastic/elasticsearch';
import { StackwellError } from '../../errors.js';

/** The client speaks to servers of its own major version, and to the next one in its compatibility mode. */
const MAJORS = [8, 9];
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;

export interface Connection {
  urls: string[];
  username: string;
  password: string;
  apiKey: string;
  /** Path of PEM certificates; '' = those of the system. */
  caFile: string;
  /** Milliseconds until a request without an answer has failed. */
  timeout: number;
}

export class Cluster {
  readonly client: Client;

  constructor(private readonly connection: Connection) {
    const { urls, username, password, apiKey, caFile, timeout } = connection;
    const options: ClientOptions = { nodes: urls, maxRetries: 0, requestTimeout: timeout };
    if (apiKey !== '') options.auth = { apiKey };
    else if (username !== '') options.auth = { username, password };
    if (caFile !== '') {
      try {
        options.tls = { ca: readFileSync(caFile) };
      } catch (error) {
        throw new StackwellError('SW_CONFIG_INVALID', {
          reason: `server.elasticsearch.caFile: ${(error as Error).message}`,
        });
      }
    }
    this.client = new Client(options);
  }

  /** @throws SW_ELASTICSEARCH_VERSION, and as `run` */
  async check(): Promise<void> {
    const { version } = await this.run(client => client.info(), 0);
    if (!MAJORS.includes(Number.parseInt(version.number, 10)))
      throw new StackwellError('SW_ELASTICSEARCH_VERSION', { found: version.number });
  }

  /**
   * Tries until it works, the failure is not one that passes, or `patienceMs` are over; a request that can be answered
   * by another node goes there next. @throws SW_STORE_UNAVAILABLE, SW_ELASTICSEARCH_AUTH, SW_DISK_FULL, SW_INTERNAL
   */
  async run<T>(request: (client: Client) => Promise<T>, patienceMs = 10_000): Promise<T> {
    const backoff = new Backoff(patienceMs);
    for (;;) {
      try {
        return await request(this.client);
      } catch (error) {
        const known = storeError(error);
        if (known.code !== 'SW_STORE_UNAVAILABLE' || !(await backoff.pause())) throw known;
      }
    }
  }

  /** As `run`, and null for 404. */
  async find<T>(request: (client: Client) => Promise<T>, patienceMs?: number): Promise<T | null> {
    return this.run(async client => {
      try {
        return await request(client);
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw error;
      }
    }, patienceMs);
  }

  get urls(): string {
    return this.connection.urls.map(url => new URL(url).host).join(', ');
  }
}

/** Pauses that double, each cut by chance, so that many who wait do not come back at once. */
export class Backoff {
  readonly #until: number;
  #pause = FIRST_PAUSE_MS;

  constructor(patienceMs: number) {
    this.#until = performance.now() + patienceMs;
  }

  /** False, at once, when patience is over. */
  async pause(): Promise<boolean> {
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(LONGEST_PAUSE_MS, this.#pause * 2);
    if (performance.now() + pause > this.#until) return false;
    await sleep(pause);
    return true;
  }
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof errors.ResponseError ? error.statusCode : undefined;
}

/** Whether the same may work later. */
export function passes(status: number): boolean {
  return status === 429 || status === 408 || status === 502 || status === 503 || status === 504;
}

/** Of what a request, or an item of one, was refused with. */
export function refusal(status: number, type: string, reason: string): StackwellError {
  if (reason.includes('flood-stage') || reason.includes('disk usage exceeded'))
    return new StackwellError('SW_DISK_FULL', { path: `Elasticsearch (${reason})` });
  if (status === 401 || status === 403)
    return new StackwellError('SW_ELASTICSEARCH_AUTH', { reason: `${status} ${type}` });
  // A point in time is on the nodes that were asked for it, and gone with one of them.
  const isGone =
    status === 404 &&
    (type === 'search_context_missing_exception' || type === 'search_phase_execution_exception');
  if (passes(status) || status >= 500 || isGone)
    return new StackwellError('SW_STORE_UNAVAILABLE', { reason: `Elasticsearch: ${status} ${type}` });
  return new StackwellError('SW_INTERNAL', { reason: `Elasticsearch: ${status} ${type}: ${reason}` });
}

export function storeError(error: unknown): StackwellError {
  if (error instanceof StackwellError) return error;
  if (error instanceof errors.ResponseError) {
    const body = error.body as { error?: { type?: string; reason?: string } | string } | undefined;
    const told = typeof body?.error === 'object' ? body.error : {};
    return refusal(error.statusCode ?? 500, told.type ?? 'error', told.reason ?? error.message);
  }
  if (error instanceof errors.ElasticsearchClientError)
    return new StackwellError(
      'SW_STORE_UNAVAILABLE',
      { reason: `Elasticsearch: ${error.message || error.name}` },
      error,
    );
  const { code = '', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  if (code === 'ENOSPC') return new StackwellError('SW_DISK_FULL', { path: message }, error);
  if (code.startsWith('SW_QUERY')) return new StackwellError('SW_QUERY_INVALID', { reason: message }, error);
  return new StackwellError('SW_INTERNAL', { reason: message }, error);
}
