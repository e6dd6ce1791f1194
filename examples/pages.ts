/**
 * Fetches the pages that are its arguments and prints their titles:
 *
 *     deno task mqk run                              in one terminal
 *     deno run -A pages.ts https://example.com/...   in another
 */
import { invokeMany } from "@mqk/core";
import type { title } from "./jobs/page.ts";

const pages = await invokeMany<typeof title>(
  Deno.args.map((url) => ({
    job: "./jobs/page.ts#title",
    args: [url],
    ttl: 20,
    retries: 4,
  })),
);
for (const [i, page] of pages.entries()) {
  console.log(Deno.args[i], await page.result());
}
