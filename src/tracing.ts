/**
 * Traces, by OpenTelemetry. What receives the spans is the runtime itself,
 * started with `OTEL_DENO=true`, or what a program has registered.
 *
 * All copies of the package `@opentelemetry/api` meet in one slot of
 * `globalThis`, and this looks there as well. It does without the package, which
 * would be loaded by all who trace nothing.
 *
 * @module
 */

/** What names a span for another process, e.g. its `traceparent`. */
export type TraceContext = Readonly<Record<string, string>>;

/** What a span says, by the conventions of OpenTelemetry. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** How a span begins. */
export interface SpanStart {
  /** What sends a message, what runs it, and all else. */
  readonly kind: keyof typeof SpanKind;
  readonly attributes: SpanAttributes;
  /** The span above it; left out: the one that is active. */
  readonly parent?: TraceContext;
  /** When it began, in milliseconds since 1970. Default: now. */
  readonly startMs?: number;
}

/** An error, as data or itself. */
export interface SpanError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
}

/** Of `@opentelemetry/api`, as the interfaces below. */
const SLOT = Symbol.for("opentelemetry.js.api.1");
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");
const SpanKind = { internal: 0, producer: 3, consumer: 4 } as const;
const STATUS_ERROR = 2;

interface Registered {
  readonly trace: { getTracer(name: string): Tracer };
  readonly context: {
    active(): Context;
    with<T>(context: Context, run: () => T): T;
  };
  readonly propagation: {
    inject(
      context: Context,
      carrier: Record<string, string>,
      setter: {
        set(carrier: Record<string, string>, key: string, value: string): void;
      },
    ): void;
    extract(
      context: Context,
      carrier: TraceContext,
      getter: {
        keys(carrier: TraceContext): string[];
        get(carrier: TraceContext, key: string): string | undefined;
      },
    ): Context;
  };
}

interface Tracer {
  startSpan(
    name: string,
    options: {
      readonly kind: number;
      readonly attributes: SpanAttributes;
      readonly startTime?: number;
    },
    context: Context,
  ): Span;
}

interface Span {
  setAttributes(attributes: SpanAttributes): void;
  setStatus(status: { readonly code: number; readonly message: string }): void;
  recordException(error: SpanError): void;
  end(endTime?: number): void;
}

interface Context {
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

function registered(): Registered | undefined {
  const { [SLOT]: found } = globalThis as { [SLOT]?: Partial<Registered> };
  return found?.trace && found.context && found.propagation &&
    found as Registered;
}

/** Whether anybody receives spans. */
export function isTracing(): boolean {
  return registered() !== undefined;
}

/** Makes the spans of this library. */
export class Tracing {
  readonly #api: Registered;
  readonly #tracer: Tracer;

  private constructor(api: Registered) {
    this.#api = api;
    this.#tracer = api.trace.getTracer("mqk");
  }

  /** Nothing if nobody receives spans. */
  static open(): Tracing | undefined {
    const api = registered();
    return api && new Tracing(api);
  }

  /** Begins a span. */
  start(name: string, start: SpanStart): OpenSpan {
    const { attributes, startMs: startTime } = start;
    const above = this.#above(start.parent);
    const kind = SpanKind[start.kind];
    const options = { kind, attributes, startTime };
    const span = this.#tracer.startSpan(name, options, above);
    return new OpenSpan(this.#api, span, above.setValue(SPAN, span));
  }

  #above(parent: TraceContext | undefined): Context {
    const { context, propagation } = this.#api;
    if (parent === undefined) return context.active();
    const nothing = context.active().deleteValue(SPAN);
    return propagation.extract(nothing, parent, {
      keys: Object.keys,
      get: (carrier, key) => carrier[key],
    });
  }
}

/** A span that has begun. */
export class OpenSpan {
  readonly #api: Registered;
  readonly #span: Span;
  readonly #context: Context;

  constructor(api: Registered, span: Span, context: Context) {
    this.#api = api;
    this.#span = span;
    this.#context = context;
  }

  /** Names it for another process. */
  get context(): TraceContext {
    const carrier: Record<string, string> = {};
    this.#api.propagation.inject(this.#context, carrier, {
      set: (carrier, key, value) => carrier[key] = value,
    });
    return carrier;
  }

  /** Runs something whose spans lie below this one. */
  run<T>(run: () => T): T {
    return this.#api.context.with(this.#context, run);
  }

  /** Adds to what it says. */
  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(attributes);
  }

  /** Says that it went wrong. */
  fail(error: SpanError): void {
    const { name, message } = error;
    this.#span.recordException(error);
    this.#span.setAttributes({ "error.type": name });
    this.#span.setStatus({ code: STATUS_ERROR, message });
  }

  /** @param endMs In milliseconds since 1970. Default: now. */
  end(endMs?: number): void {
    this.#span.end(endMs);
  }
}
