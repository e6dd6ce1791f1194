import { ArgumentError } from "../errors.ts";
import { isJobId } from "../job/message.ts";
import { checkQueueName } from "../job/policy.ts";

/** What is needed to find a job's outcome. */
export interface JobHandle {
  readonly id: string;
  readonly queue: string;
  /** From when on it could run, in milliseconds since 1970. */
  readonly dueMs: number;
  /** Whether its outcome is kept. */
  readonly kept: boolean;
}

const TIME = /^[0-9a-z]{1,10}$/;
const NOT_KEPT = "-";

/** Prints `<queue>/<id>/<time>`; users take it as opaque. */
export function printHandle({ id, queue, dueMs, kept }: JobHandle): string {
  const text = `${queue}/${id}/${Math.round(dueMs).toString(36)}`;
  return kept ? text : `${text}/${NOT_KEPT}`;
}

/**
 * Reads what {@linkcode printHandle} printed.
 *
 * @throws {ArgumentError} If it is something else.
 */
export function parseHandle(text: string): JobHandle {
  const [queue, id, time, mark, ...rest] = String(text).split("/");
  if (
    !isJobId(id) || time === undefined || !TIME.test(time) ||
    (mark !== undefined && mark !== NOT_KEPT) || rest.length > 0
  ) {
    throw new ArgumentError(
      `Cannot use ${JSON.stringify(text)} as the handle of a job: ` +
        "it must be what job.handle gave",
    );
  }
  checkQueueName(queue);
  return { id, queue, dueMs: parseInt(time, 36), kept: mark === undefined };
}
