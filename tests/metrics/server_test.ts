import assert from "node:assert/strict";
import { MetricsServer } from "../../src/metrics/server.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

function failing(): never {
  throw new Error("Cannot reach redis://app:secret@host/0: no route");
}

Deno.test("metrics are text for Prometheus, with odd names escaped", async () => {
  await using server = new MetricsServer(LOOPBACK, {
    metrics: () => [{
      name: "a_total",
      help: "As.",
      type: "counter",
      values: [{ labels: { name: 'x"\\\n' }, value: 2 }],
    }],
    health: () => [],
  });
  const response = await fetch(server.url);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=/);
  assert.equal(
    await response.text(),
    '# HELP a_total As.\n# TYPE a_total counter\na_total{name="x\\"\\\\\\n"} 2\n',
  );
});

Deno.test("health is 200 or 503, and says why", async () => {
  const reasons: string[] = [];
  const source = { metrics: () => [], health: () => reasons };
  await using server = new MetricsServer(LOOPBACK, source);
  const url = new URL("/healthz", server.url);
  const well = await fetch(url);
  assert.deepEqual([well.status, await well.json()], [200, { status: "ok" }]);
  reasons.push("it is stopping");
  const ill = await fetch(url);
  assert.deepEqual([ill.status, await ill.json()], [
    503,
    { status: "unavailable", reasons: ["it is stopping"] },
  ]);
});

Deno.test("what can't be looked at is 503, without a password", async () => {
  const source = { metrics: failing, health: failing };
  await using server = new MetricsServer(LOOPBACK, source);
  for (const path of ["/metrics", "/healthz"]) {
    const response = await fetch(new URL(path, server.url));
    assert.equal(response.status, 503);
    const line = await response.text();
    assert.match(line, /^Cannot reach redis:.*no route\n$/);
    assert.doesNotMatch(line, /secret/);
  }
});

Deno.test("there is nothing else, and nothing can be sent to it", async () => {
  const source = { metrics: () => [], health: () => [] };
  await using server = new MetricsServer(LOOPBACK, source);
  const other = await fetch(new URL("/", server.url));
  assert.deepEqual([other.status, await other.text()], [
    404,
    "There is /metrics and /healthz\n",
  ]);
  const post = await fetch(server.url, { method: "POST", body: "x" });
  await post.body?.cancel();
  assert.equal(post.status, 405);
});

Deno.test("a taken port is an error that names it", async () => {
  const source = { metrics: () => [], health: () => [] };
  await using server = new MetricsServer(LOOPBACK, source);
  const port = Number(new URL(server.url).port);
  assert.throws(
    () => new MetricsServer({ ...LOOPBACK, port }, source),
    {
      message: `Cannot serve metrics at 127.0.0.1:${port}: ` +
        "another program listens there",
    },
  );
});
