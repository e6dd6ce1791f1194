import assert from "node:assert/strict";
import { failAttempt } from "../../src/job/attempt.ts";
import { readHistory } from "../../src/job/history.ts";
import { decodeMessage } from "../../src/job/message.ts";
import { decodeFailedEntry } from "../../src/job/outcome.ts";

const JOB = '{"v":1,"id":"p.1","job":"./x.ts#f","retries":9}';
const RUN = { worker: "w-1", startMs: 1_700_000_000_000 };

/** The message after so many failed attempts. */
function afterAttempts(count: number, error: string): string {
  let text = JOB;
  for (let i = 0; i < count; i++) {
    const end = failAttempt(
      text,
      decodeMessage(text),
      { name: "TypeError", message: error },
      { run: RUN },
    );
    assert.ok(end.kind === "retry");
    text = end.message;
  }
  return text;
}

Deno.test("a job that never failed carries no history", () => {
  assert.equal(decodeMessage(JOB).history, undefined);
});

Deno.test("each failed attempt is remembered with its worker, times and error", () => {
  const before = Date.now();
  const { history = [] } = decodeMessage(afterAttempts(2, "no"));
  assert.deepEqual(
    history.map(({ endMs: _, ...attempt }) => attempt),
    [1, 2].map((attempt) => ({ attempt, ...RUN, error: "TypeError: no" })),
  );
  for (const { endMs } of history) {
    assert.ok(endMs >= before && endMs <= Date.now());
  }
});

Deno.test("an attempt that took its worker along is remembered without it", () => {
  const error = { name: "WorkerDiedError", message: "gone" };
  const end = failAttempt(JOB, decodeMessage(JOB), error);
  assert.ok(end.kind === "retry");
  const [{ attempt, worker, startMs }] = decodeMessage(end.message).history!;
  assert.deepEqual([attempt, worker, startMs], [1, undefined, undefined]);
});

Deno.test("an entry of the failed set has the last attempt too", () => {
  const text = afterAttempts(9, "no");
  const end = failAttempt(text, decodeMessage(text), {
    name: "RangeError",
    message: "the last",
  });
  assert.ok(end.kind === "failed");
  const { history } = decodeFailedEntry(end.entry);
  assert.deepEqual(history!.map(({ attempt }) => attempt), [6, 7, 8, 9, 10]);
  assert.equal(history!.at(-1)!.error, "RangeError: the last");
});

Deno.test("a history stays short, however often and verbosely a job fails", () => {
  const text = afterAttempts(9, "x".repeat(100_000));
  assert.ok(text.length < 2000, `${text.length} characters`);
  const { history } = decodeMessage(text);
  assert.deepEqual(history!.map(({ attempt }) => attempt), [5, 6, 7, 8, 9]);
  assert.ok(history!.every(({ error }) => error.endsWith("xxx...")));
});

Deno.test("what is no history is none, and what is no attempt is left out", () => {
  for (const value of [7, "x", {}, [], [7, null, {}], [{ attempt: 1 }]]) {
    assert.equal(readHistory(value), undefined, JSON.stringify(value));
  }
  const good = { attempt: 1, end: 7, error: "no", worker: 9, start: "x" };
  assert.deepEqual(readHistory([null, good, { ...good, error: {} }]), [
    { attempt: 1, endMs: 7, error: "no" },
  ]);
});
