/**
 * Reports each failed attempt to Sentry, or to any server that takes its
 * envelopes. The DSN is that of a project: https://KEY@HOST/PROJECT.
 *
 *     SENTRY_DSN=https://key@example.com/1 deno task mqk run --use middleware/sentry.ts
 *
 * {@link https://develop.sentry.dev/sdk/data-model/envelopes/}
 */
import type { Middleware, MiddlewareJob } from "@mqk/core";

/** A report may take this long, so that it holds no job up. */
const REPORT_WITHIN_MS = 2000;

const dsn = URL.parse(Deno.env.get("SENTRY_DSN") ?? "");

const reportErrors: Middleware = async (job, next) => {
  try {
    return await next();
  } catch (error) {
    await captureException(error, job);
    // It is still the job's failure: it is tried again as its policy says.
    throw error;
  }
};
export default reportErrors;

/** Sends one event. Never throws: a report must not change what a job does. */
async function captureException(
  thrown: unknown,
  job: MiddlewareJob,
): Promise<void> {
  if (dsn === null) return;
  try {
    const response = await fetch(envelopeUrl(dsn), {
      method: "POST",
      headers: {
        "content-type": "application/x-sentry-envelope",
        "x-sentry-auth":
          `Sentry sentry_version=7, sentry_client=mqk-example/1, sentry_key=${dsn.username}`,
      },
      body: envelope(thrown, job),
      signal: AbortSignal.timeout(REPORT_WITHIN_MS),
    });
    await response.body?.cancel();
  } catch (error) {
    console.error(`Cannot report to Sentry: ${error}`);
  }
}

function envelopeUrl({ protocol, host, pathname }: URL): string {
  const end = pathname.lastIndexOf("/");
  const project = pathname.slice(end + 1);
  return `${protocol}//${host}${
    pathname.slice(0, end)
  }/api/${project}/envelope/`;
}

/** A header, an item's header and the item: a line of JSON each. */
function envelope(thrown: unknown, job: MiddlewareJob): string {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const event_id = crypto.randomUUID().replaceAll("-", "");
  const sent_at = new Date().toISOString();
  const event = {
    event_id,
    timestamp: Date.now() / 1000,
    platform: "javascript",
    level: "error",
    transaction: job.reference,
    tags: { queue: job.queue, attempt: job.attempt },
    exception: { values: [{ type: error.name, value: error.message }] },
    extra: { job: job.id, arguments: job.args, stack: error.stack },
  };
  return [{ event_id, sent_at }, { type: "event" }, event]
    .map((line) => JSON.stringify(line)).join("\n");
}
