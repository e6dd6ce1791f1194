import assert from "node:assert/strict";
import { DrainGrant } from "../../src/master/drain_grant.ts";

Deno.test("one worker at a time may drain, in the order of asking", () => {
  const granted: string[] = [];
  const grant = new DrainGrant((worker) => granted.push(worker));
  for (const worker of ["a", "b", "b", "c"]) grant.ask(worker);
  assert.deepEqual(granted, ["a"]);
  grant.end("b");
  assert.deepEqual(granted, ["a"]);
  grant.end("a");
  assert.deepEqual(granted, ["a", "c"]);
  grant.end("c");
  grant.ask("b");
  assert.deepEqual(granted, ["a", "c", "b"]);
});

Deno.test("a worker that was never idle since its last suspect may drain for another one", () => {
  const granted: string[] = [];
  const grant = new DrainGrant((worker) => granted.push(worker));
  grant.ask("a");
  grant.ask("b");
  grant.ask("a");
  assert.deepEqual(granted, ["a", "a"]);
  grant.end("a");
  assert.deepEqual(granted, ["a", "a", "b"]);
});
