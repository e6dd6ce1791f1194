/**
 * Another process at the same file: `sqlite_child.ts <what> <path> [moment]`.
 *
 * @module
 */
import { SqliteBroker } from "../../src/broker/sqlite/sqlite_broker.ts";

const QUEUE = "q";
const [what, path, moment] = Deno.args;
const dsn = { kind: "sqlite", path } as const;

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

/** Opens files at given moments, and stores one job in each. */
async function open(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    while (Date.now() < Number(moment) + i * 100);
    const dsn = { kind: "sqlite", path: `${path}${i}` } as const;
    await using broker = await SqliteBroker.open(dsn);
    await broker.enqueue([{ id: `${Deno.pid}.0`, queue: QUEUE, message: "m" }]);
  }
}

/** Stores jobs until it is killed; says how many are confirmed. */
async function produce(): Promise<void> {
  const broker = await SqliteBroker.open(dsn);
  for (let n = 0;; n += 10) {
    await broker.enqueue(
      Array.from({ length: 10 }, (_, i) => ({
        id: `p.${n + i}`,
        queue: QUEUE,
        message: String(n + i),
      })),
    );
    say(String(n + 10));
  }
}

/** Stores jobs until it can't; says what stopped it, and what was confirmed. */
async function fill(): Promise<void> {
  await using broker = await SqliteBroker.open(dsn);
  const message = "x".repeat(20_000);
  let confirmed = 0;
  try {
    for (;;) {
      await broker.enqueue([{ id: `p.${confirmed}`, queue: QUEUE, message }]);
      confirmed++;
    }
  } catch (error) {
    const { name, message } = error as Error;
    const { ready } = (await broker.counts([QUEUE]))[0];
    say(JSON.stringify({ name, message, confirmed, ready }));
  }
}

/** Works off jobs until it is killed, and keeps results. */
async function work(): Promise<void> {
  const broker = await SqliteBroker.open(dsn);
  const request = { limit: 7, bytes: 10_000, known: 0, idle: true };
  for (;;) {
    const { tokens, messages } = await broker.reserve("w1", QUEUE, request);
    const done = await broker.settle(
      "w1",
      QUEUE,
      tokens.map((token, i) => ({
        kind: "done",
        token,
        id: `p.${messages[i]}`,
        outcome: messages[i],
      })),
    );
    say(String(done));
  }
}

/** Answers each job of queue `ping` with one of queue `pong`. */
async function echo(): Promise<void> {
  await using broker = await SqliteBroker.open(dsn);
  const never = new AbortController().signal;
  say("ready");
  for (;;) {
    await broker.wait(["ping"], never);
    const { messages } = await broker.take("ping", 10, 1000);
    for (const message of messages) {
      if (message === "end") return;
      await broker.enqueue([{ id: "p.0", queue: "pong", message }]);
    }
  }
}

/** A program that forgets its broker, as one with a default client does. */
async function forget(): Promise<void> {
  const broker = await SqliteBroker.open(dsn, { role: "client" });
  await broker.watchResults(QUEUE, "p", () => {});
  broker.enqueue([{ id: "p.0", queue: QUEUE, message: "m" }])
    .then(() => say("stored"));
}

const commands = { open, produce, fill, work, echo, forget };
await commands[what as keyof typeof commands]();
