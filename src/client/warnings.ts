// SPDX-License-Identifier: Apache-2.0
// Tells of what goes wrong, once in a while for each kind: a server that is down for a day is a few lines.
import { type ErrorCode, StackwellError } from '../errors.js';
import type { Logger } from './options.js';

const QUIET_MS = 10 * 60_000;

export class Warnings {
  readonly #told = new Map<string, number>();

  constructor(private readonly logger: Logger | null) {}

  /** The text, whether it was told or not. */
  warn(code: ErrorCode, details: Record<string, unknown>, kind = ''): string {
    const { message, fix } = new StackwellError(code, details);
    const text = `${code}: ${message}`;
    const key = `${code} ${kind}`;
    const now = performance.now();
    const last = this.#told.get(key);
    if (last !== undefined && now - last < QUIET_MS) return text;
    this.#told.set(key, now);
    try {
      if (this.logger === null) process.emitWarning(`${message}. ${fix}`, { type: 'StackwellWarning', code });
      else this.logger.warn(`${text}. ${fix}`);
    } catch {
      // A logger that throws is not the application's concern now.
    }
    return text;
  }
}
