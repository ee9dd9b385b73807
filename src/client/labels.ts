// SPDX-License-Identifier: Apache-2.0
// Which labels hold for the code that runs at this moment. Two ways to keep them right across callbacks and promises:
//
// - frames: with AsyncContextFrame (Node.js 24 and later, earlier with --experimental-async-context-frame) V8 carries
//   the labels along by itself, and the sampler reads them where V8 keeps them.
// - hooks: before that, AsyncLocalStorage carries them, and an async hook tells the sampler whenever a callback begins.
//   AsyncLocalStorage and the hook cost something at every promise, so both are set up with the first label.
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { cleanName } from '../agent/procfs/text.js';
import type { TimeSampler } from './sampler.js';

/** Names and values of labels, of samples here. */
export type LabelSet = Record<string, string | number>;
/** Checked, never changed after that: the sampler holds on to it. */
export type Labels = Readonly<Record<string, string>>;

export const NO_LABELS: Labels = Object.freeze({});
const MAX_LABELS = 16;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/;

/** `set` on top of `base`; what is no label is left out and told of, because a request must not fail over it. */
export function mergeLabels(base: Labels, set: LabelSet, refused: (count: number) => void): Labels {
  const labels: Record<string, string> = { ...base };
  let count = Object.keys(labels).length;
  let bad = 0;
  for (const [name, value] of Object.entries(set ?? {})) {
    const known = Object.hasOwn(labels, name);
    const usable = typeof value === 'string' || Number.isFinite(value);
    if (!usable || !LABEL_NAME.test(name) || name.startsWith('__') || (!known && count >= MAX_LABELS)) {
      bad++;
      continue;
    }
    if (!known) count++;
    labels[name] = cleanName(String(value));
  }
  if (bad > 0) refused(bad);
  return Object.freeze(labels);
}

export interface Contexts {
  readonly kind: 'frames' | 'hooks';
  current(): Labels;
  run<T>(labels: Labels, call: () => T): T;
  /** From here on in this call and whatever it starts. */
  enter(labels: Labels): void;
  /** The sampler begins anew and knows no labels. */
  started(): void;
  close(): void;
}

export function contexts(kind: Contexts['kind'], sampler: TimeSampler): Contexts {
  return kind === 'frames' ? new Frames(sampler) : new Hooks(sampler);
}

class Frames implements Contexts {
  readonly kind = 'frames';
  readonly #frame = new AsyncLocalStorage<object>();

  constructor(private readonly sampler: TimeSampler) {}

  current(): Labels {
    return this.sampler.started ? (this.sampler.time.getContext() ?? NO_LABELS) : NO_LABELS;
  }

  run<T>(labels: Labels, call: () => T): T {
    return this.sampler.started ? this.sampler.time.runWithContext(labels, call) : call();
  }

  enter(labels: Labels): void {
    if (!this.sampler.started) return;
    // The sampler writes into the frame that is there, which the caller's caller may share: this makes one of its own.
    this.#frame.enterWith({});
    this.sampler.time.setContext(labels);
  }

  started(): void {}

  close(): void {
    this.#frame.disable();
  }
}

class Hooks implements Contexts {
  readonly kind = 'hooks';
  readonly #storage = new AsyncLocalStorage<Labels>();
  readonly #hook = createHook({ before: () => this.#tell(this.#storage.getStore() ?? NO_LABELS) });
  #told: Labels = NO_LABELS;
  #hooked = false;

  constructor(private readonly sampler: TimeSampler) {}

  current(): Labels {
    return this.#storage.getStore() ?? NO_LABELS;
  }

  run<T>(labels: Labels, call: () => T): T {
    if (!this.sampler.started) return call();
    this.#begin();
    const before = this.#told;
    this.#tell(labels);
    try {
      return this.#storage.run(labels, call);
    } finally {
      this.#tell(before);
    }
  }

  enter(labels: Labels): void {
    if (!this.sampler.started) return;
    this.#begin();
    this.#storage.enterWith(labels);
    this.#tell(labels);
  }

  started(): void {
    this.#told = NO_LABELS;
  }

  close(): void {
    this.#hook.disable();
    this.#storage.disable();
    this.#hooked = false;
  }

  #begin(): void {
    if (this.#hooked) return;
    this.#hooked = true;
    this.#hook.enable();
  }

  #tell(labels: Labels): void {
    if (labels === this.#told || !this.sampler.started) return;
    this.#told = labels;
    this.sampler.time.setContext(labels);
  }
}
