/** A job that waits for the network: ten of them run at once in a worker. */
import { currentJob, RetryAfter } from "@mqk/core";

/** Fetches a page and answers with its title. */
export async function title(url: string): Promise<string> {
  // The signal aborts at the job's ttl and at shutdown, and so does the fetch.
  const response = await fetch(url, { signal: currentJob().signal });
  const text = await response.text();
  if (response.status === 429 || response.status === 503) {
    // The server says when to come back; that uses one of the attempts.
    throw new RetryAfter(Number(response.headers.get("retry-after") ?? 30));
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return /<title>(.*?)<\/title>/s.exec(text)?.[1].trim() ?? "";
}
