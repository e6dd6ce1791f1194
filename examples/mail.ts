/**
 * Sends mails (files in the folder that is its argument): a mail of two calls
 * with the same key is sent once, and a wrong address fails at once.
 *
 *     deno task mqk run               in one terminal
 *     deno run -A mail.ts /tmp/out    in another
 */
import { resolve } from "node:path";
import { invoke, JobFailedError } from "@mqk/core";
import type { send } from "./jobs/mail.ts";

const outbox = resolve(Deno.args[0] ?? ".");
const job = "./jobs/mail.ts#send";

const welcome = { to: "ann@example.com", subject: "Welcome", outbox };
const policy = { job, ttl: 10, retries: 5, idempotencyKey: "welcome-ann" };
const first = await invoke<typeof send>(policy, welcome);
const second = await invoke<typeof send>(policy, welcome);
console.log("one job for both calls:", first.id === second.id);
console.log("ann:", await first.result());

const wrong = await invoke<typeof send>(job, { ...welcome, to: "nobody" });
try {
  await wrong.result();
} catch (error) {
  if (!(error instanceof JobFailedError)) throw error;
  console.log("nobody:", (error.cause as Error).message);
}
