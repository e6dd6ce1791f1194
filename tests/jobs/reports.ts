/** Jobs that report while they run, or stream what they yield. */
import { currentJob, jobContext as offered } from "../../src/job_context.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Reports 1 to `count`, each when the one before is stored. */
export async function counts(count: number): Promise<string> {
  for (let n = 1; n <= count; n++) await currentJob().report(n);
  return "counted";
}

/** Reports in one go, in a function that never awaits. */
export function countsAtOnce(count: number): string {
  const job = currentJob();
  for (let n = 1; n <= count; n++) void job.report(n);
  return "counted";
}

/** Computes, without a pause, until a file is there. */
export function reportsAndComputes(path: string): string {
  void currentJob().report("begun");
  for (;;) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      // Not yet.
    }
  }
}

export async function reportsBadly(): Promise<void> {
  await currentJob().report({ when: new Date(0) });
}

export async function reportsMuch(length: number): Promise<string> {
  await currentJob().report("x".repeat(length));
  return "stored";
}

let kept: ReturnType<typeof currentJob> | undefined;

export function keepsItself(): void {
  kept = currentJob();
}

/** Reports as a job that has ended. */
export async function reportsTooLate(): Promise<string> {
  return await kept!.report(1).then(() => "reported", String);
}

/** Fails in its first attempts, each after one update. */
export async function failsAfterUpdate(attempts: number): Promise<string> {
  const { attempt } = currentJob();
  await currentJob().report(`attempt ${attempt}`);
  if (attempt <= attempts) throw new Error("not yet");
  return "done";
}

export async function* lines(
  count: number,
  pauseMs = 0,
): AsyncGenerator<string, number> {
  for (let n = 1; n <= count; n++) {
    if (pauseMs > 0) await pause(pauseMs);
    yield `line ${n} of ${currentJob().id}`;
  }
  return count;
}

export function* numbers(count: number): Generator<number | Promise<number>> {
  for (let n = 1; n <= count; n++) yield n % 2 === 0 ? n : Promise.resolve(n);
}

export async function body(): Promise<ReadableStream<string>> {
  await pause(1);
  return ReadableStream.from(["a", "b"]);
}

/** Streams without end; says in the file that it was ended. */
export async function* endless(path: string): AsyncGenerator<number> {
  try {
    for (let n = 1;; n++) {
      await pause(1);
      yield n;
    }
  } finally {
    await pause(1);
    Deno.writeTextFileSync(path, "ended", { append: true });
  }
}

export function* endlessAtOnce(path: string): Generator<number> {
  try {
    for (let n = 1;; n++) yield n;
  } finally {
    Deno.writeTextFileSync(path, "ended", { append: true });
  }
}

export async function* yieldsBadly(path: string): AsyncGenerator<unknown> {
  try {
    yield await Promise.resolve(1);
    yield new Map();
  } finally {
    Deno.writeTextFileSync(path, "ended", { append: true });
  }
}

export async function* throwsLater(): AsyncGenerator<number> {
  yield await Promise.resolve(1);
  throw new RangeError("no more");
}

/** Follows another job through its worker's broker. */
export async function follows(queue: string, id: string): Promise<unknown> {
  const { updates } = offered()!.store;
  const heard = Promise.withResolvers<void>();
  await using _watch = await updates.watch(queue, id, heard.resolve);
  await heard.promise;
  return await updates.read(queue, id, undefined, 10);
}
