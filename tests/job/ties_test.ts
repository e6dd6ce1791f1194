import assert from "node:assert/strict";
import { decodeMessage } from "../../src/job/message.ts";
import { tiesIn, tiesOf } from "../../src/job/ties.ts";

Deno.test("most jobs are tied to nothing", () => {
  assert.equal(
    tiesOf(decodeMessage('{"v":1,"id":"p.1","job":"x"}')),
    undefined,
  );
});

Deno.test("a job is tied to its unique key and its group", () => {
  const text = '{"v":1,"id":"p.1","job":"x","group":"g",' +
    '"unique":{"key":"k","until":"end"}}';
  const ties = { id: "p.1", unique: "k", group: "g" };
  assert.deepEqual(tiesOf(decodeMessage(text)), ties);
  assert.deepEqual(tiesIn(text), ties);
});

Deno.test("what a message is tied to is found though it can't be read", () => {
  const text = '{"v":99,"id":"p.1","ttl":"x","unique":{"key":"k","more":1}}';
  assert.deepEqual(tiesIn(text), {
    id: "p.1",
    unique: "k",
    group: undefined,
  });
  for (const other of ["", "[", "null", "7", '{"v":1}', '{"id":3}']) {
    assert.equal(tiesIn(other), undefined, other);
  }
});
