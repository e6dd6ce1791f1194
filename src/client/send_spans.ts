import { DEFAULT_QUEUE, type JobSpec } from "../job/policy.ts";
import { type SpanAttributes, type TraceContext, Tracing } from "../tracing.ts";

/** The spans of one client: each call that sends jobs is one. */
export class SendSpans {
  #tracing: Tracing | undefined;

  /**
   * Sends jobs within a span. `send` is told what names it, for the messages;
   * `idOf` finds the id of what was sent, if that is one job.
   */
  async send<T>(
    specs: readonly JobSpec[],
    send: (trace?: TraceContext) => Promise<T>,
    idOf?: (sent: T) => string,
  ): Promise<T> {
    const tracing = this.#tracing ??= Tracing.open();
    if (tracing === undefined) return await send();
    const queue = commonQueue(specs);
    const span = tracing.start(queue === undefined ? "send" : `send ${queue}`, {
      kind: "producer",
      attributes: attributesOf(specs, queue),
    });
    try {
      const sent = await span.run(() => send(span.context));
      if (idOf !== undefined) span.set({ "messaging.message.id": idOf(sent) });
      return sent;
    } catch (error) {
      span.fail(error as Error);
      throw error;
    } finally {
      span.end();
    }
  }
}

function attributesOf(
  specs: readonly JobSpec[],
  queue: string | undefined,
): SpanAttributes {
  return {
    "messaging.system": "mqk",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
    ...(queue !== undefined && { "messaging.destination.name": queue }),
    ...(specs.length === 1
      ? { "messaging.mqk.reference": String(specs[0]?.job) }
      : { "messaging.batch.message_count": specs.length }),
  };
}

/** The queue of all of them; what is wrong with one is said later. */
function commonQueue(specs: readonly JobSpec[]): string | undefined {
  const queues = new Set(specs.map((spec) => spec?.queue ?? DEFAULT_QUEUE));
  const [queue] = queues;
  return queues.size === 1 && typeof queue === "string" ? queue : undefined;
}
