/**
 * Tests of code that sends jobs, and of the jobs themselves, without a server
 * and without a process: {@linkcode testMqk} takes the broker's place.
 *
 * ```ts
 * import { invoke } from "@mqk/core";
 * import { testMqk } from "@mqk/core/testing";
 * import assert from "node:assert/strict";
 *
 * Deno.test("a sum is sent, and is right", async () => {
 *   await using mqk = testMqk();
 *   const job = await invoke("mqk:calculator#sum", 1, 2); // your code
 *   assert.deepEqual(mqk.jobs()[0].args, [1, 2]);
 *   await mqk.run();
 *   assert.equal(await job.result(), 3);
 * });
 * ```
 *
 * @module
 */
export type { FailedJob } from "./src/testing/failed_job.ts";
export type { SentJob } from "./src/testing/sent_jobs.ts";
export {
  type TestMqk,
  testMqk,
  type TestOptions,
} from "./src/testing/test_mqk.ts";
