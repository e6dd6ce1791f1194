import assert from "node:assert/strict";
import type { Test } from "./scene.ts";

/** Texts that a decoder, a number or a C string in between would spoil. */
const TEXTS: readonly (readonly [string, string])[] = [
  ["an empty text", ""],
  ["a blank", " "],
  ["an empty list", "[]"],
  ["an empty object", "{}"],
  ["null", "null"],
  ["a number with more digits than a double has", "9007199254740993"],
  ["digits with a zero in front", "007"],
  ["a number with an exponent", "1e5"],
  ["a decimal number", "1.0"],
  ["a negative number", "-0"],
  ["text that is no JSON", "{not json"],
  ["quotes and backslashes", `"\\"'\\u0000\\`],
  ["lines", "a\r\nb\n"],
  ["a NUL", "a\0b"],
  ["nothing but a NUL", "\0"],
  ["control characters", "\x01\x1f\x7f"],
  ["line separators", "\u2028\u2029"],
  ["a byte order mark", "\ufeffa\ufeff"],
  ["emoji", "🦕👩‍👩‍👧"],
  ["umlauts, composed and not", "\u00fcu\u0308"],
  ["1,001 nested lists", "[".repeat(1001) + "]".repeat(1001)],
  ["words of SQL", `'); DROP TABLE job; --`],
  ["placeholders", "? ?1 :name $name %s {}"],
];

/** Cases that show that a broker reads nothing of what it stores. */
export function valuesCases(test: Test): void {
  test("every text survives as a message, byte for byte, through each state", async (s) => {
    const texts = TEXTS.map(([, text]) => text);
    // Equal times of due jobs leave their order open, so each has its own.
    await s.broker.enqueue(texts.map((message, i) => ({
      id: s.newId(),
      queue: s.queue,
      message,
      delayMs: 1 + i,
    })));
    await s.pass(1000);
    const worker = s.worker();
    const first = await worker.reserve();
    same(first.messages, texts);
    await worker.release(...first.tokens);
    const second = await worker.reserve();
    same(second.messages, texts);
    await worker.settle(...second.tokens.map((token, i) => ({
      kind: "retry" as const,
      token,
      message: texts[i],
      delayMs: 1 + i,
      alone: i % 2 === 0,
    })));
    await s.pass(1000);
    const ready = await worker.reserve({ idle: false });
    same(ready.messages, texts.filter((_, i) => i % 2 === 1));
    for (const text of texts.filter((_, i) => i % 2 === 0)) {
      const { tokens, messages, kind } = await worker.reserve({ idle: true });
      same(messages, [text]);
      assert.equal(kind, "suspect");
      await worker.begin(tokens[0]);
    }
    await worker.die();
    await s.counts({
      suspect: Math.floor(texts.length / 2),
      crashed: Math.ceil(texts.length / 2),
    });
    same((await s.drain()).sort(), texts.toSorted());
  });

  test("every text survives as an outcome, byte for byte", async (s) => {
    const ids = await s.push(...TEXTS.map(([, text]) => text));
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    await worker.settle(...tokens.map((token, i) => ({
      kind: "done" as const,
      token,
      id: ids[i],
      outcome: TEXTS[i][1],
    })));
    same(
      await s.broker.results(s.queue, ids),
      TEXTS.map(([, text]) => text),
    );
    await s.broker.record(
      s.queue,
      ids.map((id, i) => ({ id, outcome: TEXTS.at(-1 - i)![1] })),
    );
    same(
      await s.broker.results(s.queue, ids),
      TEXTS.map(([, text]) => text).toReversed(),
    );
  });

  test("every text survives as an entry of the failed set, and out of it", async (s) => {
    await s.push(...TEXTS.map(([, text]) => text));
    const worker = s.worker();
    const { tokens } = await worker.reserve();
    for (const [i, token] of tokens.entries()) {
      await s.store.advance(1);
      await worker.settle({ kind: "failed", token, entry: TEXTS[i][1] });
    }
    const records = await s.jobs("failed");
    same(records.map(({ text }) => text), TEXTS.map(([, text]) => text));
    for (const record of records) {
      assert.equal(await s.inspector.replay(record, record.text), "replayed");
    }
    same(await s.drain(), TEXTS.map(([, text]) => text));
  });
}

/** As `deepEqual`, naming the text that differs. */
function same(
  actual: readonly (string | null)[],
  expected: readonly string[],
): void {
  assert.equal(actual.length, expected.length);
  for (const [i, text] of expected.entries()) {
    if (actual[i] === text) continue;
    const name = TEXTS.find((pair) => pair[1] === text)?.[0];
    assert.equal(
      JSON.stringify(actual[i]?.slice(0, 200)),
      JSON.stringify(text.slice(0, 200)),
      name,
    );
    assert.fail(name);
  }
}
