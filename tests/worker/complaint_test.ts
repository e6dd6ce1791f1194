import assert from "node:assert/strict";
import { BrokerUnavailableError } from "../../src/broker/broker.ts";
import { BrokerError } from "../../src/errors.ts";
import { Complaint } from "../../src/worker/complaint.ts";

const LOST = new BrokerUnavailableError("the connection was lost");
const REFUSED = new BrokerUnavailableError("WRONGPASS");

Deno.test("a connection that is lost is complained of when it does not come back", () => {
  const complaint = new Complaint();
  assert.equal(complaint.due(LOST, 0), false);
  assert.equal(complaint.due(REFUSED, 50), true);
  const later = new Complaint();
  assert.equal(later.due(LOST, 0), false);
  assert.equal(later.due(LOST, 60_000), false, "it came back in between");
});

Deno.test("what the broker refuses is complained of at once", () => {
  assert.equal(new Complaint().due(new BrokerError("NOPERM"), 0), true);
});

Deno.test("what fails on and on is complained of once a minute", () => {
  const complaint = new Complaint();
  const said: number[] = [];
  for (let nowMs = 0; nowMs < 200_000; nowMs += 1_000) {
    if (complaint.due(REFUSED, nowMs)) said.push(nowMs);
  }
  assert.deepEqual(said, [1_000, 61_000, 121_000, 181_000]);
});
