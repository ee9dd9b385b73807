// SPDX-License-Identifier: Apache-2.0
// Asks debuginfod servers for debug information that nobody sent. A question waits for it for a moment only: what
// takes longer is there for the next one.
import { setTimeout as sleep } from 'node:timers/promises';
import { durationMs, type ServerConfig } from '../../config/config.js';
import { asStackwellError } from '../../errors.js';
import { BoundedMap } from '../../profile/bounded-map.js';
import type { Log } from '../context.js';
import { BUILD_ID, type DebugInfo } from './debug-info.js';

const AT_ONCE = 2;
/** Builds that wait; more are asked for when they are wanted again. */
const MAX_WAITING = 256;
/** Builds of which it is remembered that nobody had them. */
const MAX_REFUSED = 16_384;
/** How long a question waits. */
const GRACE_MS = 2000;

export type FetchResult = 'stored' | 'not_found' | 'refused' | 'failed' | 'dropped';

export class Debuginfod {
  readonly #urls: string[];
  readonly #timeoutMs: number;
  readonly #retryAfterMs: number;
  /** Build id → when it may be asked for again. */
  readonly #refused = new BoundedMap<string, number>(MAX_REFUSED);
  readonly #wanted = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    config: ServerConfig['debuginfod'],
    private readonly info: DebugInfo,
    private readonly log: Log,
    private readonly count: (result: FetchResult) => void,
  ) {
    this.#urls = config.urls.map(url => url.replace(/\/+$/, ''));
    this.#timeoutMs = durationMs(config.timeout);
    this.#retryAfterMs = durationMs(config.retryAfter);
  }

  /** Fetches what is not known with lines. Resolves to warnings when it is all there, or after a moment. */
  async want(buildIds: string[]): Promise<string[]> {
    const fetches: Promise<void>[] = [];
    for (const buildId of buildIds) {
      if (!BUILD_ID.test(buildId) || this.info.hasDwarf(buildId)) continue;
      if ((this.#refused.get(buildId) ?? 0) > Date.now()) continue;
      let wanted = this.#wanted.get(buildId);
      if (wanted === undefined) {
        if (this.#wanted.size >= MAX_WAITING) {
          this.count('dropped');
          continue;
        }
        wanted = this.#fetch(buildId).finally(() => this.#wanted.delete(buildId));
        this.#wanted.set(buildId, wanted);
      }
      fetches.push(wanted);
    }
    if (fetches.length === 0) return [];
    let left = fetches.length;
    for (const fetched of fetches) void fetched.then(() => left--);
    const over = new AbortController();
    await Promise.race([
      Promise.all(fetches),
      sleep(GRACE_MS, null, { signal: over.signal }).catch(() => {}),
    ]);
    over.abort();
    return left === 0
      ? []
      : [`debug information of ${left} files is being fetched; ask again for their names`];
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#wanted.values());
  }

  /** Never rejects. */
  async #fetch(buildId: string): Promise<void> {
    if (this.#running >= AT_ONCE) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#running++;
    try {
      // A debug file has more than what is left in the executable.
      for (const what of ['debuginfo', 'executable'])
        for (const url of this.#urls)
          if (!this.#stop.signal.aborted && (await this.#ask(url, buildId, what))) return;
    } finally {
      // Also when it is there: should it be without lines, or go, it is not asked for at once.
      this.#refused.set(buildId, Date.now() + this.#retryAfterMs);
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** True when it is there now. */
  async #ask(url: string, buildId: string, what: string): Promise<boolean> {
    const address = `${url}/buildid/${buildId}/${what}`;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      const answer = await fetch(address, { signal });
      if (!answer.ok || answer.body === null) {
        await answer.body?.cancel();
        this.count(answer.status === 404 ? 'not_found' : 'failed');
        if (answer.status !== 404) this.log.warn({ address, status: answer.status }, 'debuginfod failed');
        return false;
      }
      const { supplementId } = await this.info.add(buildId, answer.body, 'debuginfod');
      this.count('stored');
      if (supplementId !== '' && what === 'debuginfo') void this.want([supplementId]);
      return true;
    } catch (error) {
      const known = asStackwellError(error);
      const refused = known.code.startsWith('SW_DEBUGINFO');
      this.count(refused ? 'refused' : 'failed');
      if (!this.#stop.signal.aborted)
        this.log.warn({ address, code: known.code }, `debuginfod: ${known.message}`);
      return false;
    }
  }
}
