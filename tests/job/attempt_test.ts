import assert from "node:assert/strict";
import { failAttempt, failUndecodable } from "../../src/job/attempt.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/job/message.ts";
import { decodeFailedEntry, decodeOutcome } from "../../src/job/outcome.ts";

const ERROR = { name: "Error", message: "no luck" };

const PLAIN: Message = {
  id: "p.1",
  job: "./calc.ts#sum",
  args: [1],
  ttl: 60,
  retries: 3,
  backoff: { fixed: 2 },
  attempt: 1,
  result: true,
  unique: { key: "k", until: "end" },
  group: "g",
  after: ["q/p.0"],
  onFailure: "skip",
  sentMs: 1_764_130_000_123,
};

function fail(
  change: Partial<Message>,
  options?: Parameters<typeof failAttempt>[3],
) {
  const message = { ...PLAIN, ...change };
  return failAttempt(encodeMessage(message), message, ERROR, options);
}

function retried(change: Partial<Message>) {
  const end = fail(change);
  assert.equal(end.kind, "retry");
  return end;
}

function failed(change: Partial<Message>, options?: { final: boolean }) {
  const end = fail(change, options);
  assert.equal(end.kind, "failed");
  return end;
}

Deno.test("a failed attempt is tried again after its backoff, with the next number", () => {
  const { message, delayMs } = retried({ attempt: 2 });
  assert.equal(delayMs, 2_000);
  const { history: _, trace: _none, ...rest } = decodeMessage(message);
  assert.deepEqual(rest, {
    ...PLAIN,
    uid: undefined,
    attempt: 3,
  });
});

Deno.test("exponential backoff counts from the attempt that failed", () => {
  const end = fail({ backoff: "exponential", attempt: 3 }, {
    random: () => 0.5,
  });
  assert.equal(end.kind === "retry" && end.delayMs, 8_000);
});

Deno.test("a job that names its delay overrules the backoff", () => {
  const end = fail({}, { delayMs: 0 });
  assert.equal(end.kind === "retry" && end.delayMs, 0);
});

Deno.test("with 3 retries attempts 1 to 3 are tried again, attempt 4 is the last", () => {
  assert.equal(fail({ attempt: 3 }).kind, "retry");
  assert.equal(fail({ attempt: 4 }).kind, "failed");
  assert.equal(fail({ attempt: 1, retries: 0 }).kind, "failed");
});

Deno.test("a final failure is the last attempt, whatever is left", () => {
  assert.equal(fail({ attempt: 1 }, { final: true }).kind, "failed");
});

Deno.test("the failed set gets the message as it was, the error and the attempts", () => {
  const message = { ...PLAIN, attempt: 4 };
  const text = " " + encodeMessage(message);
  const end = failAttempt(text, message, ERROR);
  assert.ok(end.kind === "failed");
  const { history: _, ...entry } = decodeFailedEntry(end.entry);
  assert.deepEqual(entry, { message: text, error: ERROR, attempts: 4 });
  assert.equal(end.id, "p.1");
  assert.deepEqual(decodeOutcome(end.outcome!), {
    kind: "failed",
    error: ERROR,
    attempts: 4,
  });
});

Deno.test("nobody is told of the failure of a job whose result is not kept", () => {
  const end = failed({ attempt: 4, result: false });
  assert.equal(end.id, undefined);
  assert.equal(end.outcome, undefined);
});

Deno.test("equal messages without an id stay apart once they have failed", () => {
  const one = retried({ id: undefined }).message;
  const other = retried({ id: undefined }).message;
  assert.notEqual(one, other);
  const { uid } = decodeMessage(one);
  assert.ok(uid);
  assert.equal(
    decodeMessage(retried({ id: undefined, uid }).message).uid,
    uid,
    "and keep what tells them apart",
  );
  assert.notEqual(
    failed({ id: undefined, attempt: 4 }).entry,
    failed({ id: undefined, attempt: 4 }).entry,
  );
});

Deno.test("a message with an id that is not one of ours is treated as if without", () => {
  assert.ok(decodeMessage(retried({ id: "order 17" }).message).uid);
  const end = failed({ id: "order 17", attempt: 4 });
  assert.ok(decodeFailedEntry(end.entry).uid);
  assert.equal(end.outcome, undefined);
});

Deno.test("a message that can't be read is kept as it is, with no attempt charged", () => {
  const end = failUndecodable("hello", ERROR);
  assert.ok(end.kind === "failed");
  const { uid, ...entry } = decodeFailedEntry(end.entry);
  assert.deepEqual(entry, { message: "hello", error: ERROR, attempts: 0 });
  assert.ok(uid);
  const twin = failUndecodable("hello", ERROR);
  assert.notEqual(twin.kind === "failed" && twin.entry, end.entry);
});
