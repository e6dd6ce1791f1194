import assert from "node:assert/strict";
import { QueueOrder } from "../../src/worker/queue_order.ts";

/** How often each queue comes first in so many turns. */
function firsts(order: QueueOrder, turns: number): Record<string, number> {
  const count: Record<string, number> = {};
  for (let turn = 0; turn < turns; turn++) {
    const [first] = order.turn(0);
    count[first] = (count[first] ?? 0) + 1;
  }
  return count;
}

Deno.test("without weights the order is that in which queues were named", () => {
  const order = new QueueOrder(["b", "a", "c"]);
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual(order.turn(turn), ["b", "a", "c"]);
  }
});

Deno.test("with weights each queue is first as often as its weight says", () => {
  const order = new QueueOrder(["low", "high", "mid"], {
    low: 1,
    high: 5,
    mid: 2,
  });
  assert.deepEqual(firsts(order, 80), { low: 10, high: 50, mid: 20 });
});

Deno.test("a queue with a weight comes first evenly, not in a row", () => {
  const order = new QueueOrder(["a", "b"], { a: 3, b: 1 });
  const seen = Array.from({ length: 8 }, () => order.turn(0)[0]).join("");
  assert.equal(seen, "aabaaaba");
});

Deno.test("in each turn all queues are asked, the first one before the others", () => {
  const order = new QueueOrder(["a", "b", "c"], { a: 5, b: 3, c: 1 });
  for (let turn = 0; turn < 20; turn++) {
    assert.deepEqual(order.turn(0).toSorted(), ["a", "b", "c"]);
  }
});

Deno.test("a queue of which nothing can be had is left out until its time", () => {
  const order = new QueueOrder(["a", "b"]);
  assert.equal(order.nextMs, Infinity);
  order.close("a", 1000, 0);
  assert.deepEqual(order.turn(999), ["b"]);
  assert.equal(order.nextMs, 1000);
  assert.deepEqual(order.turn(1000), ["a", "b"]);
  assert.equal(order.nextMs, Infinity);
});

Deno.test("a queue that is to be asked again is asked meanwhile as well", () => {
  const order = new QueueOrder(["a", "b"]);
  order.close("a", 2000, 0);
  order.askAgain("b", 1000);
  assert.equal(order.nextMs, 1000);
  assert.deepEqual(order.turn(999), ["b"]);
  assert.equal(order.nextMs, 1000);
  assert.deepEqual(order.turn(1000), ["b"]);
  assert.equal(order.nextMs, 2000, "it is asked now");
  order.askAgain("b", 1500);
  order.askAgain("b", undefined);
  assert.equal(order.nextMs, 2000);
});

Deno.test("a queue that was full opens as soon as fewer of its jobs are held", () => {
  let held = 2;
  const order = new QueueOrder(["a", "b"], undefined, () => held);
  order.close("a", 1000, 2);
  assert.deepEqual(order.open(0), ["b"]);
  held = 3;
  assert.deepEqual(order.open(0), ["b"]);
  held = 1;
  assert.deepEqual(order.open(0), ["a", "b"]);
});

Deno.test("a queue that was closed for long does not come first for as long", () => {
  const order = new QueueOrder(["a", "b"], { a: 1, b: 1 });
  order.close("a", 1000, 0);
  for (let turn = 0; turn < 100; turn++) assert.deepEqual(order.turn(0), ["b"]);
  const seen = Array.from({ length: 6 }, () => order.turn(1000)[0]).join("");
  assert.equal(seen, "ababab");
});
