// SPDX-License-Identifier: Apache-2.0
// Sends what is in the outbox, oldest first, one request at a time.
import { Client } from './http.js';
import type { Outbox } from './outbox.js';

export const PUSH_RESULTS = ['ok', 'rejected', 'retried', 'unreachable'] as const;
export type PushResult = (typeof PUSH_RESULTS)[number];

export interface SenderOptions {
  /** Base address of the server. */
  server: URL;
  outbox: Outbox;
  onResult?: (result: PushResult, detail: { status?: number; reason?: string; retryMs?: number }) => void;
  /** First and longest pause after a failure, milliseconds; doubled each time, with jitter. */
  backoff?: { first: number; longest: number };
  requestTimeoutMs?: number;
}

/** The body itself is at fault: it would get the same answer each time. */
const NEVER = new Set([400, 413, 415, 422]);
const MAX_RETRY_AFTER_MS = 10 * 60_000;

/** Milliseconds of a Retry-After header (seconds or an HTTP date); null when there is none to follow. */
export function retryAfterMs(header: string | string[] | undefined, now = Date.now()): number | null {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined) return null;
  const wait = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(wait) ? null : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, wait));
}

export class Sender {
  private readonly client: Client;
  private readonly backoff: { first: number; longest: number };
  private failures = 0;
  private stopped = false;
  private wake: (() => void) | null = null;
  private poked = false;
  private running: Promise<void> | null = null;
  private readonly abort = new AbortController();

  constructor(private readonly options: SenderOptions) {
    const url = new URL(options.server.href);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/push.v1.PusherService/Push`;
    this.client = new Client(url, options.requestTimeoutMs ?? 30_000);
    this.backoff = options.backoff ?? { first: 500, longest: 30_000 };
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Something was added. Does not cut a pause after a failure short. */
  poke(): void {
    this.poked = true;
    if (this.failures === 0) this.wake?.();
  }

  /** Sends what is there for at most `timeoutMs`, and stops. What is left stays on disk. */
  async close(timeoutMs: number): Promise<void> {
    this.stopped = true;
    const cut = setTimeout(() => this.abort.abort(), timeoutMs);
    this.wake?.();
    await this.running;
    clearTimeout(cut);
    this.client.close();
  }

  private async run(): Promise<void> {
    for (;;) {
      this.poked = false;
      const entry = await this.options.outbox.take();
      if (entry === null) {
        if (this.stopped) return;
        if (!this.poked) await this.pause(null);
        continue;
      }
      const pauseMs = await this.send(entry);
      // On the way out one attempt is made: a server that is down keeps nobody waiting.
      if (pauseMs === null) continue;
      if (this.stopped) return;
      await this.pause(pauseMs);
    }
  }

  /** Null when the entry is dealt with, else how long to wait before it is tried again. */
  private async send(entry: { name: string; body: Buffer }): Promise<number | null> {
    const { outbox, onResult } = this.options;
    try {
      const { status, headers, text } = await this.client.post(
        entry.body,
        { 'content-type': 'application/proto', 'content-encoding': 'gzip' },
        this.abort.signal,
      );
      if (status >= 200 && status < 300) {
        this.failures = 0;
        await outbox.done(entry.name);
        onResult?.('ok', { status });
        return null;
      }
      if (NEVER.has(status)) {
        this.failures = 0;
        await outbox.reject(entry.name);
        onResult?.('rejected', { status, reason: text });
        return null;
      }
      outbox.release(entry.name);
      const retryMs = retryAfterMs(headers['retry-after']) ?? this.nextPause();
      this.failures++;
      onResult?.('retried', { status, reason: text, retryMs });
      return retryMs;
    } catch (error) {
      outbox.release(entry.name);
      const retryMs = this.nextPause();
      this.failures++;
      const { code, message } = error as NodeJS.ErrnoException;
      onResult?.('unreachable', { reason: code ?? message, retryMs });
      return retryMs;
    }
  }

  /** Doubled with each failure; half of it is chance, so that many agents do not come back at once. */
  private nextPause(): number {
    const { first, longest } = this.backoff;
    const full = Math.min(longest, first * 2 ** Math.min(this.failures, 20));
    return full / 2 + Math.random() * (full / 2);
  }

  private pause(milliseconds: number | null): Promise<void> {
    return new Promise(resolve => {
      const timer = milliseconds === null ? null : setTimeout(() => this.wake?.(), milliseconds);
      this.wake = () => {
        this.wake = null;
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }
}
