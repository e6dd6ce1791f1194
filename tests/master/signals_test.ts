import assert from "node:assert/strict";
import {
  listenToSignals,
  type SignalAction,
} from "../../src/master/signals.ts";
import { eventually } from "../harness/eventually.ts";

async function actionsOf(
  signals: readonly Deno.Signal[],
  terminal: boolean,
): Promise<SignalAction[]> {
  const actions: SignalAction[] = [];
  using _listening = listenToSignals((action) => actions.push(action), {
    terminal,
  });
  for (const [i, signal] of signals.entries()) {
    Deno.kill(Deno.pid, signal);
    await eventually(() => assert.equal(actions.length, i + 1));
  }
  return actions;
}

Deno.test("each signal has its action", async () => {
  assert.deepEqual(
    await actionsOf(
      ["SIGTERM", "SIGQUIT", "SIGTTIN", "SIGTTOU", "SIGHUP"],
      false,
    ),
    ["stop", "quit", "more", "fewer", "replace"],
  );
});

Deno.test("the second interrupt is impatient", async () => {
  assert.deepEqual(await actionsOf(["SIGINT", "SIGINT"], false), [
    "stop",
    "quit",
  ]);
});

Deno.test("a terminal that hangs up stops the program", async () => {
  assert.deepEqual(await actionsOf(["SIGHUP"], true), ["stop"]);
});
