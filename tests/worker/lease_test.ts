import assert from "node:assert/strict";
import { Lease } from "../../src/worker/lease.ts";

function turnable() {
  return {
    wall: 1_000_000,
    steady: 5_000,
    wallMs() {
      return this.wall;
    },
    steadyMs() {
      return this.steady;
    },
  };
}

Deno.test("a lease is in doubt five seconds after its renewal was sent, by either clock", () => {
  for (const clock of ["wall", "steady"] as const) {
    const now = turnable();
    const lease = new Lease(now);
    lease.renewed(lease.moment());
    now[clock] += 4_999;
    assert.equal(lease.inDoubt, false);
    now[clock] += 2;
    assert.equal(lease.inDoubt, true, clock);
  }
});

Deno.test("the age of a lease counts from before the renewal was sent", () => {
  const now = turnable();
  const lease = new Lease(now);
  const sent = lease.moment();
  now.steady += 4_000;
  lease.renewed(sent);
  now.steady += 1_001;
  assert.equal(lease.inDoubt, true);
});

Deno.test("a lease on nothing is never in doubt, and starts with the first job", () => {
  const now = turnable();
  const lease = new Lease(now);
  now.wall += 3_600_000;
  assert.equal(lease.inDoubt, false);
  lease.begun(lease.moment());
  now.wall += 4_000;
  lease.begun(lease.moment());
  now.wall += 1_001;
  assert.equal(lease.inDoubt, true, "a later reserve does not renew old jobs");
  lease.idle();
  assert.equal(lease.inDoubt, false);
});
