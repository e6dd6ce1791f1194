/** Jobs that use what the job thread offers. */
import { currentJob, jobContext as offered } from "../../src/job_context.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function whoAmI(): string {
  const { id, attempt } = currentJob();
  return `${id} ${attempt}`;
}

/** Asks before and after its turn is over. */
export async function whoAmIStill(): Promise<string[]> {
  const before = whoAmI();
  await pause(5);
  return [before, whoAmI()];
}

let afterEnd: Promise<string> | undefined;

/** Leaves code behind that asks when this job is over. */
export function asksTooLate(): void {
  afterEnd = pause(20).then(whoAmI).catch(String);
}

export function whatItHeard(): Promise<string> | undefined {
  return afterEnd;
}

/** Returns at once, or later: only its value tells. */
export function whoAmISometimes(later: boolean): string | Promise<string[]> {
  return later ? whoAmIStill() : whoAmI();
}

/** Runs until its signal aborts, then ends in the way that is asked for. */
export async function untilAborted(end: string): Promise<string> {
  const { signal } = currentJob();
  await new Promise((resolve) => {
    if (signal.aborted) resolve(0);
    signal.addEventListener("abort", resolve);
  });
  if (end === "reject") signal.throwIfAborted();
  if (end === "NoRetry") {
    throw Object.assign(new Error("given up"), { name: "NoRetry" });
  }
  return String(signal.reason);
}

export async function abortListenerThrows(): Promise<string> {
  currentJob().signal.addEventListener("abort", () => {
    throw new Error("thrown by a listener");
  });
  await untilAborted("resolve");
  return "looks done";
}

export async function enqueues(queue: string): Promise<unknown> {
  try {
    return await offered()!.store.enqueue([
      { id: "p.7", queue, message: "{}" },
    ]);
  } catch (error) {
    const { name, message } = error as Error;
    const { uncertain } = error as { uncertain?: string[] };
    return { name, message, uncertain };
  }
}

export async function watches(): Promise<readonly number[] | undefined> {
  const heard = Promise.withResolvers<readonly number[] | undefined>();
  await using _watch = await offered()!.store.watchResults(
    "default",
    "p",
    heard.resolve,
  );
  return await heard.promise;
}
