import { hash } from "node:crypto";
import type { UniquePolicy } from "./policy.ts";

/** A unique key, and how long a job has it. */
export interface ChosenKey {
  readonly key: string;
  /** So long from when it is sent; left out: until it starts, or ends. */
  readonly seconds?: number;
  readonly until?: "start" | "end";
}

/** The unique key of a job: by default that of the same call. */
export function chosenKey(
  { key, for: period = "running" }: UniquePolicy,
  job: string,
  argsJson: string,
): ChosenKey {
  const chosen = key ?? hash("sha1", `${job}\n${argsJson}`);
  return typeof period === "number"
    ? { key: chosen, seconds: period }
    : { key: chosen, until: period === "waiting" ? "start" : "end" };
}
