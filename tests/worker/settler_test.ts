import assert from "node:assert/strict";
import { Flight } from "../../src/worker/flight.ts";
import type { Ending, Holdings } from "../../src/worker/holdings.ts";
import { Settler } from "../../src/worker/settler.ts";
import { eventually } from "../harness/eventually.ts";

Deno.test("what ends while a settle is under way is settled together, in order", async () => {
  const sent: string[][] = [];
  const gates: (() => void)[] = [];
  const settle = (endings: readonly Ending[]) => {
    sent.push(endings.map(({ settlement }) => settlement.token));
    return new Promise<void>((resolve) => gates.push(resolve));
  };
  const settler = new Settler(
    { settle } as Holdings,
    (error) => assert.fail(`${error}`),
  );
  const flight = new Flight(1, "q", {
    kind: "ready",
    tokens: ["a", "b", "c"],
    messages: ["", "", ""],
    suspects: 0,
    cancels: 0,
  }, 0);
  const ending = (token: string): Ending => ({
    flight,
    index: 0,
    settlement: { kind: "done", token },
  });
  settler.add([ending("a")]);
  settler.add([ending("b")]);
  settler.add([ending("c")]);
  assert.deepEqual(sent, [["a"]]);
  gates[0]();
  await eventually(() => assert.deepEqual(sent, [["a"], ["b", "c"]]));
  gates[1]();
  await settler.flush();
});

Deno.test("full batches are sent beside each other, three at a time", async () => {
  const sent: number[] = [];
  const gates: (() => void)[] = [];
  const settle = (endings: readonly Ending[]) => {
    sent.push(endings.length);
    return new Promise<void>((resolve) => gates.push(resolve));
  };
  const settler = new Settler(
    { settle } as Holdings,
    (error) => assert.fail(`${error}`),
  );
  const settlement = { kind: "done", token: "t" } as const;
  const ending: Ending = { flight: {} as Flight, index: 0, settlement };
  for (let batch = 0; batch < 4; batch++) settler.add(Array(500).fill(ending));
  settler.add([ending]);
  assert.deepEqual(sent, [500, 500, 500]);
  gates[0]();
  await eventually(() => assert.deepEqual(sent, [500, 500, 500, 500]));
  for (const gate of gates.slice(1)) gate();
  await eventually(() => assert.deepEqual(sent, [500, 500, 500, 500, 1]));
  gates[4]();
  await settler.flush();
});

Deno.test("one settle takes at most a mebibyte of outcomes", async () => {
  const sizes: number[] = [];
  const settle = (endings: readonly Ending[]) => {
    sizes.push(endings.length);
    return Promise.resolve();
  };
  const settler = new Settler(
    { settle } as Holdings,
    (error) => assert.fail(`${error}`),
  );
  const settlement = {
    kind: "done",
    token: "t",
    id: "p.1",
    outcome: "x".repeat(600_000),
  } as const;
  settler.add(
    [1, 2, 3].map(() => ({ flight: {} as Flight, index: 0, settlement })),
  );
  await settler.flush();
  assert.deepEqual(sizes, [1, 1, 1]);
});

Deno.test("flush resolves after nothing was added", async () => {
  const settler = new Settler(
    {} as Holdings,
    (error) => assert.fail(`${error}`),
  );
  settler.add([]);
  await settler.flush();
});

Deno.test("after a settle that was given up the next one is sent", async () => {
  const sent: number[] = [];
  const settle = async (endings: readonly Ending[]) => {
    sent.push(endings.length);
    await Promise.resolve();
    if (sent.length === 1) throw new Error("cut off");
  };
  const errors: unknown[] = [];
  const settler = new Settler(
    { settle } as Holdings,
    (error) => errors.push(error),
  );
  const settlement = { kind: "done", token: "t" } as const;
  const ending: Ending = { flight: {} as Flight, index: 0, settlement };
  settler.add([ending]);
  settler.add([ending, ending]);
  await settler.flush();
  assert.deepEqual(sent, [1, 2]);
  assert.equal(errors.length, 1);
});
