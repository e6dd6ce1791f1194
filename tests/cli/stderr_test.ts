import assert from "node:assert/strict";
import { type ByteSink, StderrLines } from "../../src/cli/stderr.ts";

/** A sink that takes nothing until it is opened, then a few bytes at a time. */
class SlowSink implements ByteSink {
  readonly #opened = Promise.withResolvers<void>();
  text = "";

  open(): void {
    this.#opened.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#opened.promise;
    const length = Math.min(bytes.length, 1000);
    this.text += new TextDecoder().decode(bytes.subarray(0, length));
    return length;
  }
}

Deno.test("lines leave in order and whole, however little the sink takes", async () => {
  const sink = new SlowSink();
  const lines = new StderrLines(sink);
  const written = Array.from({ length: 500 }, (_, i) => `line ${i}`);
  for (const line of written) lines.write(line);
  sink.open();
  await lines.flush();
  assert.equal(sink.text, written.join("\n") + "\n");
});

Deno.test("a line is refused when too much waits, one that must arrive is not", async () => {
  const sink = new SlowSink();
  const lines = new StderrLines(sink);
  const line = "x".repeat(99_999);
  let taken = 0;
  while (lines.offer(line)) taken++;
  lines.write("a report\n");
  assert.equal(taken, 11);
  sink.open();
  await lines.flush();
  assert.equal(sink.text.length, taken * 100_000 + "a report\n".length);
  assert.ok(lines.offer("there is room again"));
  await lines.flush();
});

Deno.test("a closed stderr stops nothing", async () => {
  const lines = new StderrLines({
    write: () => Promise.reject(new Deno.errors.BrokenPipe()),
  });
  lines.write("lost");
  await lines.flush();
  assert.ok(lines.offer("lost as well"));
  await lines.flush();
});
