import type { Client, Job } from "../../mod.ts";
import { type KindName, kindOf } from "./jobs.ts";

/** Sends `count` jobs of one kind in one batch. */
export function sendJobs(
  client: Client,
  kind: KindName,
  queue: string,
  count: number,
): Promise<Job<unknown>[]> {
  const { retries, ttl } = kindOf(kind);
  return client.invokeMany(
    Array.from({ length: count }, () => ({
      job: `./jobs.ts#${kind}`,
      queue,
      retries,
      ...(ttl !== undefined && { ttl }),
      backoff: { fixed: 1 },
    })),
  );
}
