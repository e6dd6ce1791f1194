/** Jobs that the tests of `@mqk/core/testing` run. */
import {
  currentJob,
  invoke,
  jobs,
  NoRetry,
  predecessors,
  RetryAfter,
} from "../../../mod.ts";

/** What ran, by the name that a test gave it. */
export const ran: string[] = [];

const self = jobs<typeof import("./orders.ts")>("./orders.ts");

export function note(name: string): number {
  return ran.push(name);
}

export async function seen(): Promise<unknown> {
  const before = currentJob();
  await Promise.resolve();
  const { id, attempt, signal } = currentJob();
  return { id, attempt, same: before.signal === signal };
}

export function failsUntil(attempt: number, name: string): string {
  const current = currentJob().attempt;
  ran.push(`${name} ${current}`);
  if (current < attempt) throw new TypeError(`attempt ${current}`);
  return name;
}

export function neverAgain(): void {
  throw new NoRetry("it is of no use");
}

export function comesBack(seconds: number): number {
  const { attempt } = currentJob();
  if (attempt === 1) throw new RetryAfter(seconds);
  return attempt;
}

export async function sendsMore(depth: number, name: string): Promise<number> {
  ran.push(`${name} ${depth}`);
  if (depth === 0) return 0;
  const job = await self.sendsMore(depth - 1, name);
  return await job.result() + 1;
}

export async function sendsAndForgets(name: string): Promise<void> {
  await Promise.resolve();
  void invoke("./orders.ts#note", name);
}

export function untilAborted(name: string): Promise<never> {
  const { signal, attempt } = currentJob();
  ran.push(`${name} ${attempt}`);
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

export async function before(): Promise<unknown[]> {
  return (await predecessors()).map(({ value, status }) => value ?? status);
}
