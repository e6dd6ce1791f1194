import assert from "node:assert/strict";
import { StartGate } from "../../src/master/start_gate.ts";

Deno.test("the first start is alone, later ones come together", async () => {
  const gate = new StartGate(2);
  const entered: number[] = [];
  const permits = [1, 2, 3, 4].map(async (n) => {
    const permit = await gate.enter(false);
    entered.push(n);
    return permit;
  });
  const first = await permits[0];
  assert.deepEqual(entered, [1]);
  gate.open();
  await permits[1];
  assert.deepEqual(entered, [1, 2]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  await permits[2];
  assert.deepEqual(entered, [1, 2, 3]);
});

Deno.test("the successor of a dead worker goes first", async () => {
  const gate = new StartGate(1);
  const permit = await gate.enter(false);
  const entered: string[] = [];
  const later = gate.enter(false).then(() => entered.push("later"));
  const urgent = gate.enter(true).then((permit) => {
    entered.push("urgent");
    permit[Symbol.dispose]();
  });
  permit[Symbol.dispose]();
  await Promise.all([later, urgent]);
  assert.deepEqual(entered, ["urgent", "later"]);
});
