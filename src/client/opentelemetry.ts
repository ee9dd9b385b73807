// SPDX-License-Identifier: Apache-2.0
// trace_id and span_id on samples. OpenTelemetry's API is the application's or is not there: whoever sets up tracing
// leaves a context manager in a place of the process that all copies of the API share, and that is looked at first.
import { type Contexts, type Labels, NO_LABELS } from './labels.js';
import { loadOfApplication } from './load.js';

interface SpanContext {
  traceId: string;
  spanId: string;
  traceFlags: number;
}
interface Span {
  spanContext(): SpanContext;
}
interface OtelContext {
  setValue(key: symbol, value: unknown): OtelContext;
}
interface ContextManager {
  active(): OtelContext;
  with(
    context: OtelContext,
    call: (...args: unknown[]) => unknown,
    self?: unknown,
    ...args: unknown[]
  ): unknown;
}
/** The part of @opentelemetry/api that is used. */
interface Api {
  trace: { getSpan(context: OtelContext): Span | undefined };
  isSpanContextValid(context: SpanContext): boolean;
}

const PLACE = Symbol.for('opentelemetry.js.api.1');
/** The key that @opentelemetry/core makes for it. */
const SUPPRESS = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const SAMPLED = 1;

function contextManager(): ContextManager | null {
  const place = (globalThis as Record<symbol, { context?: ContextManager } | undefined>)[PLACE];
  const manager = place?.context;
  return typeof manager?.with === 'function' && typeof manager.active === 'function' ? manager : null;
}

/** Requests of this library make no spans of their own. */
export function untraced<T>(call: () => T): T {
  const manager = contextManager();
  if (manager === null) return call();
  return manager.with(manager.active().setValue(SUPPRESS, true), call) as T;
}

/** Labels the code that runs inside of a sampled span, for as long as it is attached. */
export class TraceLabels {
  #api: Api | null = null;
  #manager: ContextManager | null = null;
  #detach: (() => void) | null = null;
  /** Labels of a span on top of others: code goes in and out of one span many times. */
  #known = new WeakMap<Span, { base: Labels; labels: Labels }>();

  /** Asked again and again, because tracing may be set up later than profiling. */
  attach(contexts: () => Contexts, script: string | undefined): void {
    const manager = contextManager();
    if (manager === null || manager === this.#manager) return;
    this.detach();
    this.#api ??= loadOfApplication<Api>('@opentelemetry/api', script);
    const api = this.#api;
    if (api === null || typeof api.trace?.getSpan !== 'function') return;
    const original = manager.with;
    this.#manager = manager;
    let attached = true;
    const labelled = (context: OtelContext) => this.#labels(api, context, contexts().current());
    const wrapped: ContextManager['with'] = function (this: ContextManager, context, call, self, ...args) {
      let labels: Labels | null = null;
      try {
        if (attached) labels = labelled(context);
      } catch {
        // A span that is none costs its labels, not the request.
      }
      if (labels === null) return original.call(this, context, call, self, ...args);
      return contexts().run(labels, () => original.call(this, context, call, self, ...args));
    };
    manager.with = wrapped;
    this.#detach = () => {
      attached = false;
      // Whoever wrapped it after that keeps what they made; it goes through here, and nothing happens.
      if (manager.with === wrapped) manager.with = original;
    };
  }

  detach(): void {
    this.#detach?.();
    this.#detach = null;
    this.#manager = null;
  }

  /** Null when they stay what they are. */
  #labels(api: Api, context: OtelContext, current: Labels): Labels | null {
    const span = api.trace.getSpan(context);
    const told = span?.spanContext();
    if (
      span === undefined ||
      told === undefined ||
      (told.traceFlags & SAMPLED) === 0 ||
      !api.isSpanContextValid(told)
    ) {
      if (current.trace_id === undefined) return null;
      const { trace_id, span_id, ...rest } = current;
      return Object.freeze(rest);
    }
    if (current.span_id === told.spanId && current.trace_id === told.traceId) return null;
    const known = this.#known.get(span);
    if (known?.base === current) return known.labels;
    const labels = Object.freeze({ ...(current ?? NO_LABELS), trace_id: told.traceId, span_id: told.spanId });
    this.#known.set(span, { base: current, labels });
    return labels;
  }
}
