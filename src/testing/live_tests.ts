/**
 * Which test the calling code belongs to. There is one default client and one
 * slot for the current job in a process, so what tests put there has to be
 * shared among them here.
 *
 * @module
 */
import type { Client } from "../client/client.ts";
import { provideStandIn } from "../client/default_client.ts";
import { type JobContext, provideJobContexts } from "../job_context.ts";

/** What a test has instead of a broker and a worker. */
export interface LiveTest {
  readonly client: Client;
  readonly context: JobContext;
  /** Only its own jobs are redirected to it. */
  readonly standalone: boolean;
}

const live = new Set<LiveTest>();
let provided = false;

/**
 * Lets the jobs of a test, and, if it does not stand alone, all other code of
 * the process use its client, until it is disposed.
 *
 * @throws {Error} If another test has all other code already.
 */
export function goLive(test: LiveTest): Disposable {
  if (!test.standalone && [...live].some((other) => !other.standalone)) {
    throw new Error(
      "Cannot redirect invoke() to two testMqk() at once: dispose the first, " +
        "or give { standalone: true } and use its client",
    );
  }
  if (!provided) {
    provided = true;
    provideStandIn(() => ownTest()?.client);
    provideJobContexts(() => ownTest()?.context);
  }
  live.add(test);
  return { [Symbol.dispose]: () => live.delete(test) };
}

/** The test whose job calls, else the one that has all other code. */
function ownTest(): LiveTest | undefined {
  let other: LiveTest | undefined;
  for (const test of live) {
    if (test.context.current() !== undefined) return test;
    if (!test.standalone) other = test;
  }
  return other;
}
