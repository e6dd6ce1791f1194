/** Traces of real processes, as a collector gets them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../mod.ts";
import { decodeMessage } from "../src/job/message.ts";
import { openBroker } from "../src/broker/open.ts";
import { MqkProcess } from "./harness/mqk_process.ts";
import { OtlpCollector } from "./harness/otlp_collector.ts";
import { RedisServer } from "./harness/redis_server.ts";
import { TempDir } from "./harness/temp_dir.ts";

const JOBS = `
import { invoke } from "@mqk/core";
export async function relay(url: string) {
  const text = await (await fetch(url)).text();
  await invoke("./jobs.ts#quick", 1);
  return text;
}
export function quick(n: number) { return n + 1; }
export function fails() { throw new TypeError("no luck"); }
export async function* parts(url: string) {
  yield 1;
  yield await (await fetch(url)).text();
}
`;

/** A service whose handler sends a job and answers with its result. */
const SHOP = `
import { invoke, invokeMany } from "@mqk/core";
const [url] = Deno.args;
const server = Deno.serve({ port: 0, hostname: "127.0.0.1" }, async () => {
  const relay = await invoke("./jobs.ts#relay", url);
  return new Response(String(await relay.result()));
});
const { port } = server.addr;
console.log(await (await fetch(\`http://127.0.0.1:\${port}/buy\`)).text());
await server.shutdown();
const policy = { retries: 1, backoff: { fixed: 0.01 } };
const fails = await invoke({ job: "./jobs.ts#fails", ...policy });
await fails.result().catch(() => {});
for await (const _ of (await invoke("./jobs.ts#parts", url)).updates());
const many = [1, 2].map((n) => ({ job: "./jobs.ts#quick", args: [n] }));
for (const job of await invokeMany(many)) await job.result();
`;

function project(): TempDir {
  const dir = new TempDir();
  const core = import.meta.resolve("../mod.ts");
  dir.write("deno.json", JSON.stringify({ imports: { "@mqk/core": core } }));
  dir.write("jobs.ts", JOBS);
  dir.write("shop.ts", SHOP);
  return dir;
}

function service(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("hello"),
  );
}

/** Runs the shop and workers until all is done and all spans are sent. */
async function traceShop(
  dsn: string,
  ...options: string[]
): Promise<OtlpCollector> {
  const collector = new OtlpCollector();
  await using dir = project();
  await using called = service();
  {
    const run = ["-s", dsn, "-w", "1", "--root", dir.path, ...options];
    await using mqk = MqkProcess.start(run, dir.path, collector.env);
    await mqk.ready();
    const url = `http://127.0.0.1:${called.addr.port}/`;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", "shop.ts", url],
      cwd: dir.path,
      env: { ...collector.env, MQK_DSN: dsn },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    mqk.signal("SIGTERM");
    assert.equal(await mqk.exitCode(), 0, mqk.stderr.join("\n"));
  }
  return collector;
}

function checkShop(collector: OtlpCollector): void {
  // From the request to the service, through the job, to what that fetches.
  const request = collector.spans.find(({ kind }) => kind === "server")!;
  const send = collector.one("send default", request);
  const wait = collector.one("wait default", send);
  const process = collector.one("process default", send);
  const fetches = collector.one("GET", process);
  const second = collector.one("send default", process);
  const quick = collector.one("process default", second);
  for (const span of [send, wait, process, fetches, second, quick]) {
    assert.equal(span.traceId, request.traceId);
  }
  assert.equal(send.kind, "producer");
  assert.equal(process.kind, "consumer");
  const id = send.attributes["messaging.message.id"];
  assert.match(String(id), /^\w+\.0$/);
  assert.deepEqual(send.attributes, {
    "messaging.system": "mqk",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
    "messaging.destination.name": "default",
    "messaging.message.id": id,
    "messaging.mqk.reference": "./jobs.ts#relay",
  });
  assert.deepEqual({ ...process.attributes, "messaging.mqk.attempt": 1 }, {
    "messaging.system": "mqk",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": "default",
    "messaging.message.id": id,
    "messaging.mqk.reference": "./jobs.ts#relay",
    "messaging.mqk.attempt": 1,
    "messaging.mqk.outcome": "done",
  });
  // The sender's milliseconds are whole ones.
  assert.ok(wait.startMs >= send.startMs - 1 && wait.startMs <= send.endMs);
  assert.ok(Math.abs(process.startMs - wait.endMs) < 20);
  assert.ok(process.startMs <= fetches.startMs);
  assert.ok(process.endMs >= fetches.endMs);
  assert.ok(!process.failed);
}

function checkFailure(collector: OtlpCollector): void {
  const attempts = collector.spans.filter(({ exceptions }) =>
    exceptions.includes("no luck")
  );
  assert.deepEqual(
    attempts.map(({ attributes, failed }) => [
      attributes["messaging.mqk.outcome"],
      attributes["error.type"],
      Number(attributes["messaging.mqk.attempt"]),
      failed,
    ]),
    [["retry", "TypeError", 1, true], ["failed", "TypeError", 2, true]],
  );
  // A job has waited once, and both attempts lie below the call.
  const [first, second] = attempts;
  assert.equal(first.parentSpanId, second.parentSpanId);
  const waits = collector.spans.filter(({ name, parentSpanId }) =>
    name === "wait default" && parentSpanId === first.parentSpanId
  );
  assert.equal(waits.length, 1);
}

function checkOthers(collector: OtlpCollector): void {
  const parts = collector.spans.find(({ kind, attributes }) =>
    kind === "consumer" &&
    attributes["messaging.mqk.reference"] === "./jobs.ts#parts"
  )!;
  // What a generator does after its first value, it does within its span.
  assert.equal(collector.one("GET", parts).kind, "client");
  const many = collector.spans.find(({ attributes }) =>
    attributes["messaging.batch.message_count"] !== undefined
  )!;
  const ran = collector.spans.filter(({ kind, parentSpanId }) =>
    kind === "consumer" && parentSpanId === many.spanId
  );
  assert.equal(Number(many.attributes["messaging.batch.message_count"]), 2);
  assert.equal(ran.length, 2);
}

Deno.test("Redis: one trace shows a request, its job's wait and run, and what that calls", async () => {
  await using redis = await RedisServer.start();
  await using collector = await traceShop(redis.dsn);
  checkShop(collector);
  checkFailure(collector);
  checkOthers(collector);
});

Deno.test("SQLite: one trace shows a request, its job's wait and run, and what that calls", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  await using collector = await traceShop(dsn);
  checkShop(collector);
  checkFailure(collector);
  checkOthers(collector);
});

Deno.test("jobs in a sandbox and in fast mode are traced as well", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  await using collector = await traceShop(dsn, "--fast", "--allow-net");
  checkShop(collector);
});

Deno.test("a job that was sent without a trace begins one", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  await using collector = new OtlpCollector();
  {
    await using client = connect(dsn);
    await client.invoke("mqk:calculator#sum", 1, 2);
  }
  const burst = ["-s", dsn, "-w", "1", "--burst"];
  await using mqk = MqkProcess.start(burst, folder.path, collector.env);
  assert.equal(await mqk.exitCode(), 0, mqk.stderr.join("\n"));
  assert.deepEqual(collector.spans.map(({ name }) => name), [
    "process default",
  ]);
  assert.equal(collector.spans[0].parentSpanId, "");
});

Deno.test("a message names a trace only where somebody receives spans", async () => {
  await using folder = new TempDir();
  const dsn = `sqlite:${join(folder.path, "queue.sqlite")}`;
  await using collector = new OtlpCollector();
  const invoke = ["invoke", "mqk:calculator#sum", "1", "2", "-s", dsn];
  for (const env of [{}, collector.env]) {
    await using mqk = MqkProcess.command(invoke, folder.path, env);
    assert.equal(await mqk.exitCode(), 0, mqk.stderr.join("\n"));
  }
  await using broker = await openBroker(dsn);
  const all = { limit: 9, bytes: 9e6, known: 0, idle: true };
  const { messages } = await broker.reserve("test", "default", all);
  const [without, within] = messages.map(decodeMessage);
  assert.equal(without.trace, undefined);
  const { traceId, spanId } = collector.one("send default");
  assert.deepEqual(within.trace, { traceparent: `00-${traceId}-${spanId}-01` });
});
