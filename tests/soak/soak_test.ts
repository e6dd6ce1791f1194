import assert from "node:assert/strict";
import type { BrokerKind } from "../guarantees/site.ts";
import { accountOf, type Evidence, type Line } from "./evidence.ts";
import { planFaults } from "./plan.ts";
import { soak } from "./soak.ts";

const SMOKE_MINUTES = 0.2;
/** A plan of them has a kill of a worker, and several other faults. */
const SMOKE_SEEDS: Readonly<Record<BrokerKind, number>> = {
  redis: 7,
  sqlite: 10,
};

for (const broker of ["redis", "sqlite"] satisfies BrokerKind[]) {
  Deno.test(`a fleet under random faults accounts for every job (${broker})`, async () => {
    const lines: string[] = [];
    const account = await soak({
      broker,
      seed: SMOKE_SEEDS[broker],
      minutes: SMOKE_MINUTES,
      print: (line) => lines.push(line),
    });
    const log = lines.join("\n");
    assert.deepEqual(account.violations, [], log);
    assert.ok(account.done > 20, log);
  });
}

Deno.test("the same seed plans the same faults, another one others", () => {
  const plan = planFaults(7, "redis", 600_000);
  assert.deepEqual(planFaults(7, "redis", 600_000), plan);
  assert.notDeepEqual(planFaults(8, "redis", 600_000), plan);
  assert.ok(plan.length > 200);
  assert.equal(new Set(plan.map(({ kind }) => kind)).size, 15);
  const embedded = planFaults(7, "sqlite", 600_000);
  assert.ok(embedded.every(({ kind }) => !kind.endsWith("Redis")));
});

function line(what: Line["what"], id: string, pid: number, attempt = 1): Line {
  return { what, id, attempt, pid, kind: "quick" };
}

/** One job that was done in worker 1, and one that had to fail. */
const GOOD: Evidence = {
  confirmed: new Map([["p.0", "quick"], ["p.1", "failing"]]),
  heard: [{ id: "p.0", kind: "quick", text: "p.0" }],
  lines: [line("start", "p.0", 1), line("end", "p.0", 1)],
  failed: [{
    id: "p.1",
    kind: "failing",
    attempts: 2,
    error: "Error: this one always fails",
  }],
  violated: new Set(),
  kills: 0,
  left: [],
};
const FAILED = GOOD.failed[0];

Deno.test("an account of jobs that all ended as they must has no violations", () => {
  assert.deepEqual(accountOf(GOOD), {
    done: 1,
    failed: 1,
    repeated: 0,
    violations: [],
  });
});

const FALSE: Readonly<Record<string, [Partial<Evidence>, RegExp]>> = {
  "a confirmed job that never ended": [
    { lines: [line("start", "p.0", 1)] },
    /quick p.0 is lost/,
  ],
  "a job that had to fail and is not in the failed set": [
    { failed: [] },
    /failing p.1 is not in the failed set/,
  ],
  "a failed job that had to be done": [
    { failed: [FAILED, { ...FAILED, id: "p.0", kind: "quick" }] },
    /quick p.0 failed: Error/,
  ],
  "a job that is twice in the failed set": [
    { failed: [FAILED, FAILED] },
    /failing p.1 failed twice/,
  ],
  "a failed job with a wrong reason": [
    { failed: [{ ...FAILED, error: "TypeError: x" }] },
    /failed for a wrong reason: TypeError: x/,
  ],
  "a charge for a crash that nobody caused": [
    { failed: [{ ...FAILED, error: "WorkerDiedError: the worker died" }] },
    /failed for a wrong reason: WorkerDiedError/,
  ],
  "an attempt too few": [
    { failed: [{ ...FAILED, attempts: 1 }] },
    /failed after 1 attempts/,
  ],
  "a repeat in a worker that lived": [
    { lines: [...GOOD.lines, line("start", "p.0", 2)] },
    /quick p.0 ran again, though worker 1 lived/,
  ],
  "a result of another job": [
    { heard: [{ id: "p.0", kind: "quick", text: "p.1" }] },
    /a client heard of quick p.0: p.1/,
  ],
  "a job that is still held": [
    { left: ["default has 1 held"] },
    /left at the end: default has 1 held/,
  ],
};

for (const [what, [part, violation]] of Object.entries(FALSE)) {
  Deno.test(`the account shows ${what}`, () => {
    const { violations } = accountOf({ ...GOOD, ...part });
    assert.equal(violations.length, 1);
    assert.match(violations[0], violation);
  });
}

Deno.test("a repeat after a kill, or beside a job that took the worker with it, is explained", () => {
  const again = [...GOOD.lines, line("start", "p.0", 2)];
  const killed = accountOf({ ...GOOD, lines: again, violated: new Set([1]) });
  assert.deepEqual([killed.repeated, killed.violations], [1, []]);
  const eats: Line = { ...line("start", "p.2", 1), kind: "eats" };
  const eaten = accountOf({ ...GOOD, lines: [eats, ...again] });
  assert.deepEqual([eaten.repeated, eaten.violations], [1, []]);
});
