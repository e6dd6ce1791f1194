import type { JobFunction } from "../loader/callable.ts";
import {
  type OpenSpan,
  type SpanAttributes,
  type SpanError,
  Tracing,
} from "../tracing.ts";
import type { EndedOtherwise } from "./protocol.ts";
import type { RunningJob } from "./running_job.ts";

/** Makes a span of each attempt, below the one in which its job was sent. */
export class JobSpans {
  readonly #tracing: Tracing;

  private constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Nothing if nobody receives spans. */
  static open(): JobSpans | undefined {
    const tracing = Tracing.open();
    return tracing && new JobSpans(tracing);
  }

  /** An attempt begins; before the first one, the job has waited. */
  start(job: RunningJob): JobSpan {
    const { batch, message } = job;
    const { trace: parent, sentMs, attempt } = message;
    const attributes: SpanAttributes = {
      "messaging.system": "mqk",
      "messaging.destination.name": batch.queue,
      "messaging.message.id": job.name,
      "messaging.mqk.reference": message.job,
    };
    const nowMs = Date.now();
    // Clocks differ: what was sent in the future has not waited.
    if (
      parent !== undefined && sentMs !== undefined && sentMs < nowMs &&
      attempt === 1
    ) {
      this.#tracing.start(`wait ${batch.queue}`, {
        kind: "internal",
        attributes,
        parent,
        startMs: sentMs,
      }).end(nowMs);
    }
    return new JobSpan(
      this.#tracing.start(`process ${batch.queue}`, {
        kind: "consumer",
        attributes: {
          ...attributes,
          "messaging.operation.name": "process",
          "messaging.operation.type": "process",
          "messaging.mqk.attempt": attempt,
        },
        parent: parent ?? {},
      }),
    );
  }
}

/** The span of an attempt that runs. */
export class JobSpan {
  readonly #span: OpenSpan;

  constructor(span: OpenSpan) {
    this.#span = span;
  }

  /** The job's function; the spans of what it calls lie below this one. */
  within({ self, call }: JobFunction): JobFunction {
    return {
      self,
      call: (...args) => this.run(() => Reflect.apply(call, self, args)),
    };
  }

  /** Runs something on behalf of the job. */
  run<T>(run: () => T): T {
    return this.#span.run(run);
  }

  /** The attempt has ended. */
  end(
    how: Pick<EndedOtherwise, "kind"> & { readonly error?: SpanError },
  ): void {
    this.#span.set({ "messaging.mqk.outcome": how.kind });
    if (how.error !== undefined) this.#span.fail(how.error);
    this.#span.end();
  }
}
