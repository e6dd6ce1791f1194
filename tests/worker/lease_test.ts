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
    lease.renewed("q", lease.moment());
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
  lease.renewed("q", sent);
  now.steady += 1_001;
  assert.equal(lease.inDoubt, true);
});

Deno.test("its age is that of the oldest, by the clock that says more", () => {
  const now = turnable();
  const lease = new Lease(now);
  assert.equal(lease.ageMs, 0);
  lease.renewed("old", lease.moment());
  now.steady += 3_000;
  lease.renewed("new", lease.moment());
  assert.equal(lease.ageMs, 3_000);
  now.wall += 4_000;
  assert.equal(lease.ageMs, 4_000);
  lease.idle("old");
  lease.idle("new");
  assert.equal(lease.ageMs, 0);
});

Deno.test("a lease on nothing is never in doubt, and starts with the first job", () => {
  const now = turnable();
  const lease = new Lease(now);
  now.wall += 3_600_000;
  assert.equal(lease.inDoubt, false);
  lease.renewed("q", lease.moment());
  now.wall += 5_001;
  assert.equal(lease.inDoubt, true);
  lease.idle("q");
  assert.equal(lease.inDoubt, false);
});

Deno.test("of the leases in several queues the oldest counts", () => {
  const now = turnable();
  const lease = new Lease(now);
  const sent = lease.moment();
  now.steady += 4_000;
  lease.renewed("a", lease.moment());
  // Its answer comes after that of a later renewal of another queue.
  lease.renewed("b", sent);
  now.steady += 1_001;
  assert.equal(lease.inDoubt, true);
  lease.idle("b");
  assert.equal(lease.inDoubt, false);
});

Deno.test("an answer that comes late makes a lease no older", () => {
  const now = turnable();
  const lease = new Lease(now);
  const sent = lease.moment();
  now.steady += 4_000;
  lease.renewed("q", lease.moment());
  lease.renewed("q", sent);
  now.steady += 1_001;
  assert.equal(lease.inDoubt, false);
});

Deno.test("the job thread is told when to stop by its own steady clock, never too late", () => {
  const now = turnable();
  const lease = new Lease(now);
  const steady = () => new Float64Array(lease.shared)[1];
  assert.equal(steady(), Infinity);
  lease.renewed("q", lease.moment());
  // It began so much later, so it shows less.
  lease.threadIsBehind(1_200);
  assert.equal(steady(), now.steady + 5_000 - 1_200);
  lease.idle("q");
  assert.equal(steady(), Infinity);
});
