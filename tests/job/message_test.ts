import assert from "node:assert/strict";
import {
  decodeMessage,
  encodeMessage,
  encodeWithArguments,
  isJobId,
  type Message,
  messageReference,
  UndecodableMessageError,
  UnknownVersionError,
} from "../../src/job/message.ts";

const PLAIN: Message = {
  id: "p1.7",
  uid: undefined,
  job: "./calc.ts#sum",
  args: [1, "two"],
  ttl: 60,
  retries: 3,
  backoff: "exponential",
  attempt: 1,
  result: true,
  unique: undefined,
  group: undefined,
  after: undefined,
  onFailure: undefined,
  sentMs: undefined,
  history: undefined,
  trace: undefined,
};

Deno.test("a message with all defaults is stored without them", () => {
  assert.equal(
    encodeMessage(PLAIN),
    '{"v":1,"id":"p1.7","job":"./calc.ts#sum","args":[1,"two"]}',
  );
});

Deno.test("a message is decoded as it was encoded, whatever differs from the defaults", () => {
  for (
    const change of [
      {},
      { id: undefined, uid: "u-1" },
      { ttl: 0.25 },
      { retries: 0 },
      { backoff: { fixed: 0 } },
      { attempt: 4 },
      { result: false },
      { sentMs: 1_764_130_000_123 },
      { trace: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } },
      { unique: { key: "a.b", until: "start" as const } },
      { group: "tenant-7" },
      { after: ["q/p.1"], onFailure: "skip" as const },
      { history: [{ attempt: 1, endMs: 7, error: "Error: no" }] },
      { args: [] },
      { args: ["\u0000", "🦕", "\u2028", "9007199254740993", "", '"\\'] },
      { args: [[[]], { a: null, "": [{}] }] },
      { job: "./größe.ts#Größe.messen" },
    ]
  ) {
    const message: Message = { ...PLAIN, ...change };
    assert.deepEqual(decodeMessage(encodeMessage(message)), message);
  }
});

Deno.test("arguments that are JSON already are stored as they are", () => {
  assert.deepEqual(
    decodeMessage(encodeWithArguments(PLAIN, '[ 1,"two" ]')),
    PLAIN,
  );
});

Deno.test("one pushed by hand needs no more than a version and a job", () => {
  assert.deepEqual(decodeMessage('{"v":1,"job":"sum"}'), {
    ...PLAIN,
    id: undefined,
    job: "sum",
    args: [],
  });
});

Deno.test("fields that this version does not know are ignored", () => {
  const text = '{"v":1,"job":"sum","tenant":"a"}';
  assert.equal(decodeMessage(text).job, "sum");
  assert.ok(!("tenant" in decodeMessage(text)));
});

Deno.test("a trace that names none is another program's field", () => {
  for (const trace of ['"00-1"', "7", "null", '["a",1]', '{"traceparent":1}']) {
    const message = decodeMessage(`{"v":1,"job":"sum","trace":${trace}}`);
    assert.equal(message.trace, undefined);
  }
});

const UNDECODABLE: readonly (readonly [string, RegExp])[] = [
  ["", /not JSON/],
  ["hello", /not JSON/],
  ['{"v":1,"job":"sum"', /not JSON/],
  ["[]", /not a JSON object/],
  ["null", /not a JSON object/],
  ["7", /not a JSON object/],
  ["{}", /"v" must be 1, got undefined/],
  ['{"v":"1","job":"sum"}', /"v" must be 1, got "1"/],
  ['{"v":0,"job":"sum"}', /"v" must be 1, got 0/],
  ['{"v":1}', /"job" must be text/],
  ['{"v":1,"job":7}', /"job" must be text/],
  ['{"v":1,"job":"sum","id":7}', /"id" must be text/],
  ['{"v":1,"job":"sum","uid":[]}', /"uid" must be text/],
  ['{"v":1,"job":"sum","args":{}}', /"args" must be a list/],
  ['{"v":1,"job":"sum","args":null}', /"args" must be a list/],
  ['{"v":1,"job":"sum","attempt":0}', /"attempt"/],
  ['{"v":1,"job":"sum","attempt":1.5}', /"attempt"/],
  ['{"v":1,"job":"sum","attempt":"1"}', /"attempt"/],
  ['{"v":1,"job":"sum","ttl":-1}', /ttl -1/],
  ['{"v":1,"job":"sum","ttl":"60"}', /ttl "60"/],
  ['{"v":1,"job":"sum","retries":-1}', /retries -1/],
  ['{"v":1,"job":"sum","backoff":"linear"}', /backoff/],
  ['{"v":1,"job":"sum","backoff":null}', /backoff/],
  ['{"v":1,"job":"sum","result":0}', /result/],
  ['{"v":1,"job":"sum","sent":"now"}', /"sent" must be a number/],
  ['{"v":1,"job":"sum","group":7}', /"group" must be text/],
  ['{"v":1,"job":"sum","after":["x"]}', /"after" must be a list/],
  ['{"v":1,"job":"sum","onFailure":"skip"}', /"after" must be a list/],
  ['{"v":1,"job":"sum","after":[],"onFailure":1}', /"onFailure" must be/],
  ['{"v":1,"job":"sum","unique":"key"}', /"unique" must be/],
  ['{"v":1,"job":"sum","unique":{"key":"k","until":"x"}}', /"unique" must be/],
];

for (const [text, message] of UNDECODABLE) {
  Deno.test(`message ${text || "(empty)"} can't be read, with the reason`, () => {
    assert.throws(() => decodeMessage(text), (error: Error) => {
      assert.ok(error instanceof UndecodableMessageError, error.name);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("a message of a later version is told apart from one that can't be read", () => {
  assert.throws(
    () => decodeMessage('{"v":2,"work":"sum"}'),
    (error: Error) =>
      error instanceof UnknownVersionError &&
      /version 2.*reads 1/.test(error.message),
  );
});

Deno.test("a job whose reference can't be read is a message that can't be read", () => {
  assert.deepEqual(messageReference(PLAIN), {
    module: "./calc.ts",
    path: ["sum"],
  });
  assert.throws(
    () => messageReference({ ...PLAIN, job: "./calc.ts#a.b.c" }),
    UndecodableMessageError,
  );
});

Deno.test("a job id is a producer and a plain number", () => {
  for (const id of ["p.0", "a-Z_9.128", "x".repeat(64) + ".999999999999999"]) {
    assert.equal(isJobId(id), true, id);
  }
  for (
    const id of [
      "",
      "p",
      "p.",
      ".1",
      "p.01",
      "p.-1",
      "p.1.5",
      "p.1e3",
      "a:b.1",
      "x".repeat(65) + ".1",
      "p.1234567890123456",
      "p.1\n",
      7,
      undefined,
      null,
    ]
  ) {
    assert.equal(isJobId(id), false, String(id));
  }
});
