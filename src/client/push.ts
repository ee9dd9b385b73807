// SPDX-License-Identifier: Apache-2.0
// Sends what waits, oldest first, one at a time. Nothing here keeps a process alive: timers and sockets are unref'd.
import type { Agent, ClientRequest } from 'node:http';
import { encodePushRequest } from '../agent/outbox/push-request.js';
import { retryAfterMs } from '../agent/outbox/sender.js';
import { loadHttp } from './load.js';
import { untraced } from './opentelemetry.js';
import type { Settings } from './options.js';
import type { Queue, Waiting } from './queue.js';

export type PushResult = 'sent' | 'rejected' | 'retried';

export interface PushEvents {
  /** What became of one attempt; `reason` is '' when all went well. */
  result(result: PushResult, reason: string): void;
}

const REQUEST_MS = 10_000;
const MAX_ANSWER = 512;
/** Pauses after a failure: doubled each time, and half of each is chance, so that many services do not come at once. */
const [FIRST_MS, LONGEST_MS] = [500, 60_000];
/** The profile itself is at fault: it would get the same answer each time. */
const NEVER = new Set([400, 413, 415, 422]);

interface Answer {
  status: number;
  retryAfter: string | undefined;
  text: string;
}

export class Pusher {
  #agent: Agent | null = null;
  readonly #secure: boolean;
  readonly #url: URL;
  #failures = 0;
  #running: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #request: ClientRequest | null = null;
  #closing = false;
  #late = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: Settings,
    private readonly queue: Queue,
    private readonly events: PushEvents,
  ) {
    this.#url = new URL(settings.url);
    this.#url.pathname = `${this.#url.pathname.replace(/\/$/, '')}/push.v1.PusherService/Push`;
    this.#url.search = '';
    this.#secure = this.#url.protocol === 'https:';
  }

  /** Something waits. Does not cut a pause after a failure short. */
  poke(): void {
    this.#running ??= this.#run().then(
      () => {
        this.#running = null;
        // Something may have come between the last look and here.
        if (this.queue.length > 0 && !this.#closing) this.poke();
      },
      error => {
        this.#running = null;
        this.events.result('retried', String(error));
      },
    );
  }

  /** Sends what waits, without pauses, for at most `ms`. One attempt is made at a server that is down. */
  flush(ms: number): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush(ms));
    return this.#flushing;
  }

  async #flush(ms: number): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    // This timer holds the process: whoever stops the client waits for it.
    const timer = setTimeout(() => {
      this.#late = true;
      this.#request?.destroy(new Error('there was no time left'));
    }, ms);
    try {
      await this.#running;
      for (let one = this.queue.first(); one !== undefined && !this.#late; one = this.queue.first())
        if ((await this.#send(one)) !== null) break;
    } finally {
      clearTimeout(timer);
      this.#late = false;
      this.#closing = false;
      this.#agent?.destroy();
    }
  }

  async #run(): Promise<void> {
    for (let one = this.queue.first(); one !== undefined && !this.#closing; one = this.queue.first()) {
      const pauseMs = await this.#send(one);
      if (pauseMs !== null && !this.#closing) await this.#pause(pauseMs);
    }
  }

  /** Null when it is dealt with, else how long to wait before it is tried again. */
  async #send(one: Waiting): Promise<number | null> {
    let answer: Answer;
    try {
      const labels = { ...this.settings.labels, __name__: one.name };
      answer = await this.#post(encodePushRequest([{ labels, id: one.id, pprof: one.pprof }]));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.events.result('retried', code ?? message);
      return this.#backOff();
    }
    const { status, retryAfter, text } = answer;
    if (status >= 200 && status < 300) {
      this.#failures = 0;
      if (this.queue.done(one)) this.events.result('sent', '');
      return null;
    }
    const reason = `HTTP ${status} ${text.replace(/\s+/g, ' ').slice(0, 200)}`.trim();
    if (NEVER.has(status)) {
      this.#failures = 0;
      if (this.queue.done(one)) this.events.result('rejected', reason);
      return null;
    }
    this.events.result('retried', reason);
    const backOff = this.#backOff();
    return retryAfterMs(retryAfter) ?? backOff;
  }

  #backOff(): number {
    const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#failures++, 16));
    return full / 2 + Math.random() * (full / 2);
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      timer.unref();
      this.#wake = () => {
        this.#wake = null;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #post(body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { Agent, request: send } = loadHttp(this.#secure);
      this.#agent ??= new Agent({ keepAlive: true, maxSockets: 1 });
      const agent = this.#agent;
      const request = untraced(() =>
        send(this.#url, {
          method: 'POST',
          agent,
          headers: {
            ...this.settings.headers,
            'content-type': 'application/proto',
            'content-length': body.length,
            'user-agent': 'stackwell-client',
          },
        }),
      );
      this.#request = request;
      request.on('socket', socket => socket.unref());
      const timer = setTimeout(
        () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
        REQUEST_MS,
      );
      timer.unref();
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      request.on('error', fail);
      request.on('response', response => {
        let text = '';
        // Read to its end, or the connection cannot be used again; but only so much is kept.
        response.setEncoding('utf8').on('data', (chunk: string) => {
          if (text.length < MAX_ANSWER) text += chunk.slice(0, MAX_ANSWER - text.length);
        });
        response.on('error', fail);
        response.on('close', () => fail(Object.assign(new Error('cut off'), { code: 'ECONNRESET' })));
        response.on('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], text });
        });
      });
      request.end(body);
    });
  }
}
