import { JobCancelledError, TtlExceededError } from "../errors.ts";
import type { CurrentJob } from "../job_context.ts";
import type { Message } from "../job/message.ts";
import type { ClaimedBatch } from "./claimed_batch.ts";
import type { AbortReason } from "./protocol.ts";

/** One attempt, from when it is claimed until it has ended. */
export class RunningJob {
  readonly batch: ClaimedBatch;
  readonly index: number;
  readonly message: Message;
  /** Why its signal aborted: the first reason counts. */
  abortedBy: AbortReason | undefined;
  /** What it let escape: a floating rejection, a throwing timer. */
  uncaught: { readonly thrown: unknown } | undefined;
  ended = false;
  #controller: AbortController | undefined;
  #current: CurrentJob | undefined;

  constructor(batch: ClaimedBatch, index: number, message: Message) {
    this.batch = batch;
    this.index = index;
    this.message = message;
  }

  /** Its name for people. */
  get name(): string {
    return this.message.id ?? this.message.uid ?? "without id";
  }

  /** What job code sees of it; few jobs ask. */
  get current(): CurrentJob {
    return this.#current ??= this.#makeCurrent();
  }

  /** Aborts its signal. */
  abort(reason: AbortReason): void {
    this.abortedBy ??= reason;
    this.#controller?.abort(abortError(this.abortedBy, this.message));
  }

  #makeCurrent(): CurrentJob {
    const { id, uid, attempt } = this.message;
    const signal = () => this.#signal();
    return {
      id: id ?? uid ?? "",
      attempt,
      get signal() {
        return signal();
      },
    };
  }

  #signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.abortedBy !== undefined) this.abort(this.abortedBy);
    }
    return this.#controller.signal;
  }
}

/** The error that a job gets as the reason of its signal. */
export function abortError(reason: AbortReason, message: Message): Error {
  switch (reason) {
    case "ttl":
      return new TtlExceededError(
        `The attempt exceeded its ttl of ${message.ttl} s`,
      );
    case "shutdown":
      return new DOMException("The worker shuts down", "AbortError");
    case "cancel":
      return new JobCancelledError(
        `Job ${message.id ?? ""} was cancelled`,
      );
    case "lease":
      return new DOMException("The worker lost its lease", "AbortError");
  }
}
