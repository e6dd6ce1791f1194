import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";

/**
 * What a process does on these signals, one after the other. It is a process
 * of its own because `deno test` ends at an interrupt.
 */
async function actionsOf(
  signals: readonly Deno.Signal[],
  ...args: string[]
): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      import.meta.resolve("./prints_signals.ts"),
      ...args,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let output = "";
  const read = child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (output += text) }),
  );
  const lines = () => output.split("\n").slice(0, -1);
  await eventually(() => assert.equal(lines().length, 1));
  for (const [i, signal] of signals.entries()) {
    child.kill(signal);
    await eventually(() => assert.equal(lines().length, i + 2));
  }
  await child.stdin.close();
  await read;
  assert.equal((await child.status).code, 0);
  return lines().slice(1);
}

Deno.test("each signal has its action", async () => {
  assert.deepEqual(
    await actionsOf(["SIGTERM", "SIGQUIT", "SIGTTIN", "SIGTTOU", "SIGHUP"]),
    ["stop", "quit", "more", "fewer", "replace"],
  );
});

Deno.test("the second interrupt is impatient", async () => {
  assert.deepEqual(await actionsOf(["SIGINT", "SIGINT"]), ["stop", "quit"]);
});

Deno.test("a terminal that hangs up stops the program", async () => {
  assert.deepEqual(await actionsOf(["SIGHUP"], "--terminal"), ["stop"]);
});
