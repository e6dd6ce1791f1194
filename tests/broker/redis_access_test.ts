/**
 * Ways to a Redis server: encrypted, with certificates, over a socket, as a
 * user with few rights, and beside another installation.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BrokerError, connect } from "../../mod.ts";
import {
  Certificates,
  type Certified,
  SERVER_NAME,
} from "../harness/certificates.ts";
import { FakeClock } from "../harness/fake_clock.ts";
import { mqk } from "../harness/mqk_process.ts";
import { freePort, RedisServer } from "../harness/redis_server.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A server that asks for a certificate, and its DSN without parameters. */
async function encrypted(
  { ca }: Certificates,
  { cert, key }: Certified,
  clients: "yes" | "no",
): Promise<{ server: RedisServer; dsn: string }> {
  const port = freePort();
  const server = await RedisServer.start({
    config: [
      ...["--tls-port", String(port), "--tls-ca-cert-file", ca],
      ...["--tls-cert-file", cert, "--tls-key-file", key],
      ...["--tls-auth-clients", clients],
    ],
  });
  return { server, dsn: `rediss://127.0.0.1:${port}` };
}

/** A certificate for two days that begin so many days from now. */
function issuedAt(day: number, own: Certificates, dir: TempDir): Certified {
  using clock = new FakeClock(dir);
  clock.set(day * 86_400);
  return own.issue(`day ${day}`, 2, clock.env);
}

/** Sends a job with the command, lets it run, and reads its result. */
async function roundTrip(dsn: string, ...args: string[]): Promise<void> {
  const sent = await mqk(
    ["invoke", "mqk:calculator#sum", "20", "22", "-s", dsn, ...args],
  );
  assert.equal(sent.code, 0, sent.stderr);
  const run = await mqk(["run", "-bq", "-w", "1", "-s", dsn, ...args]);
  assert.equal(run.code, 0, run.stderr);
  const option = (name: string) =>
    args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
  await using client = connect(dsn, {
    prefix: option("--prefix"),
    tlsCa: option("--tls-ca"),
  });
  assert.equal(await client.job(sent.stdout.trim()).result(), 42);
}

async function refused(dsn: string, reason: RegExp): Promise<void> {
  await using client = connect(dsn);
  await assert.rejects(client.invoke("mqk:calculator#sum", 1, 2), (error) => {
    assert.ok(error instanceof BrokerError, `${error}`);
    assert.match(error.message, reason);
    return true;
  });
  const { code, stderr } = await mqk(["run", "-s", dsn, "-w", "1"]);
  assert.equal(code, 1);
  assert.match(stderr, reason);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
}

Deno.test("jobs pass over an encrypted connection with an authority of one's own", async () => {
  await using dir = new TempDir();
  const own = new Certificates(dir);
  const { server, dsn } = await encrypted(own, own.issue("server"), "no");
  await using _server = server;
  await roundTrip(`${dsn}?ca=${own.ca}`);
  await roundTrip(dsn, "--tls-ca", own.ca);
});

Deno.test("a server that wants a certificate gets that of the DSN", async () => {
  await using dir = new TempDir();
  const own = new Certificates(dir);
  const { server, dsn } = await encrypted(own, own.issue("server"), "yes");
  await using _server = server;
  const { cert, key } = own.issue("client");
  await roundTrip(
    `${dsn}?ca=${own.ca}&cert=${cert}&key=${key}&servername=${SERVER_NAME}`,
  );
  await refused(
    `${dsn}?ca=${own.ca}`,
    /Cannot reach Redis at .*certificate of this client: CertificateRequired/,
  );
  const old = issuedAt(-3, own, dir);
  await refused(
    `${dsn}?ca=${own.ca}&cert=${old.cert}&key=${old.key}`,
    /Cannot reach Redis at .*certificate of this client: CertificateExpired/,
  );
});

Deno.test("a certificate that can't be trusted is one clear line", async () => {
  await using dir = new TempDir();
  const own = new Certificates(dir);
  const { server, dsn } = await encrypted(own, own.issue("server"), "no");
  await using _server = server;
  await refused(dsn, /Cannot reach Redis at 127\.0\.0\.1:\d+: .*certificate/);
  await refused(
    `${dsn}?ca=${own.ca}&servername=other.test`,
    /Cannot reach Redis at 127\.0\.0\.1:\d+: .*(certificate|name)/,
  );
  await refused(
    `${dsn}?ca=${dir.path}/missing.pem`,
    /Cannot reach Redis at .*missing\.pem/,
  );
});

Deno.test("a certificate that has expired, or is not valid yet, is said to be", async () => {
  await using dir = new TempDir();
  const own = new Certificates(dir);
  const date = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
  const cases = [
    [issuedAt(-3, own, dir), `expired at ${date}`],
    [issuedAt(1, own, dir), `is not valid before ${date}`],
  ] as const;
  for (const [certified, reason] of cases) {
    const { server, dsn } = await encrypted(own, certified, "no");
    await using _server = server;
    const at = dsn.replace("rediss://", "");
    await refused(
      `${dsn}?ca=${own.ca}`,
      new RegExp(`Cannot reach Redis at ${at}: its certificate ${reason}`),
    );
  }
});

Deno.test("jobs pass through a socket, in a database of their own", async () => {
  await using dir = new TempDir();
  const path = `${dir.path}/redis.sock`;
  await using server = await RedisServer.start({
    config: ["--unixsocket", path],
  });
  await roundTrip(`unix:${path}?db=3`);
  await roundTrip(`redis://127.0.0.1:${server.port}/4`);
  const space = String(await server.call("INFO", "keyspace"));
  assert.match(space, /db3:/);
  assert.match(space, /db4:/);
  assert.doesNotMatch(space, /db0:/);
});

Deno.test("a user with the rights of the manual is enough, also with an odd password", async () => {
  await using server = await RedisServer.start();
  const manual = await Deno.readTextFile(
    new URL("../../docs/operations.md", import.meta.url),
  );
  const [, rights] = /^ACL SETUSER app on >password (.*)$/m.exec(manual)!;
  const password = "p@ss/w:rd%";
  await server.call(
    ...["ACL", "SETUSER", "app", "on", `>${password}`],
    ...rights.split(" "),
  );
  await roundTrip(
    `redis://app:${encodeURIComponent(password)}@127.0.0.1:${server.port}`,
  );
  await refused(
    `redis://app:wrong@127.0.0.1:${server.port}`,
    /Cannot reach Redis at 127\.0\.0\.1:\d+: WRONGPASS/,
  );
});

Deno.test("installations with different prefixes share a server and meet nowhere", async () => {
  await using server = await RedisServer.start();
  await using one = connect(server.dsn, { prefix: "one" });
  await one.invoke("mqk:calculator#sum", 1, 2);
  await roundTrip(server.dsn, "--prefix", "two");
  await roundTrip(`${server.dsn}?prefix=three`);
  const keys = await server.call("KEYS", "*") as string[];
  for (const key of keys) assert.match(key, /^(one|two|three):/);
  const waiting = await server.call("LLEN", "one:{default}:ready");
  assert.equal(waiting, 1);
  const failed = await mqk([
    "failed",
    "list",
    "-s",
    server.dsn,
    "--prefix",
    "two",
  ]);
  assert.equal(failed.code, 0);
});
