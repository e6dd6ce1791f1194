import assert from "node:assert/strict";
import {
  addParameters,
  clusterDsn,
  parseDsn,
  printDsn,
} from "../../src/broker/dsn.ts";
import { parseRedisDsn } from "../../src/broker/redis_dsn.ts";
import { hidePassword } from "../../src/hide_password.ts";
import { ArgumentError } from "../../src/errors.ts";

Deno.test("a DSN of Redis says where the server is, and how to get in", () => {
  assert.deepEqual(parseRedisDsn("redis://localhost"), {
    server: "localhost:6379",
    place: { host: "localhost", port: 6379 },
    user: undefined,
    password: undefined,
    database: 0,
    tls: undefined,
    prefix: "mqk",
    replicas: 0,
  });
  const { server, place, user, password, database } = parseRedisDsn(
    "redis://app%40shop:p%2Fa%3Ass@[::1]:7000/12",
  );
  assert.deepEqual([server, place], [
    "[::1]:7000",
    { host: "::1", port: 7000 },
  ]);
  assert.deepEqual([user, password, database], ["app@shop", "p/a:ss", 12]);
});

Deno.test("a DSN may name a socket, a database and a prefix", () => {
  const address = parseRedisDsn(
    "unix:/run/my%20redis.sock?db=1&prefix=shop:eu&user=app&password=secret",
  );
  assert.equal(address.server, "/run/my redis.sock");
  assert.deepEqual(address.place, { path: "/run/my redis.sock" });
  const { database, prefix, user, password } = address;
  assert.deepEqual([database, prefix, user, password], [
    ...[1, "shop:eu", "app", "secret"],
  ]);
});

Deno.test("a DSN may name sentinels and a master", () => {
  const dsn = parseDsn(
    "rediss+sentinel://app:p%40ss@one,two.test:7000,[::1]:7001/shop?db=2&ca=/ca",
  );
  const address = parseRedisDsn(printDsn(dsn));
  assert.deepEqual(address.place, {
    masterName: "shop",
    sentinels: [
      { host: "one", port: 26379 },
      { host: "two.test", port: 7000 },
      { host: "::1", port: 7001 },
    ],
  });
  const { user, password, database, tls } = address;
  assert.deepEqual([user, password, database, tls?.ca], [
    ...["app", "p@ss", 2, "/ca"],
  ]);
});

Deno.test("a DSN may name nodes of a cluster, or several DSNs do", () => {
  const dsn = parseDsn("rediss+cluster://app:p%40ss@one,[::1]:7001?ca=/ca");
  const several = ["rediss://app:p%40ss@one?ca=/ca", "rediss://[::1]:7001"];
  const joined = clusterDsn(several.map((text) => parseDsn(text)));
  assert.deepEqual(joined, dsn);
  assert.deepEqual(clusterDsn([joined]), dsn);
  const { place, user, password, tls, server } = parseRedisDsn(printDsn(dsn));
  assert.deepEqual(place, {
    seeds: [{ host: "one", port: 6379 }, { host: "::1", port: 7001 }],
  });
  assert.deepEqual([user, password, tls?.ca, server], [
    ...["app", "p@ss", "/ca", "cluster one,[::1]:7001"],
  ]);
  assert.ok(!hidePassword(printDsn(dsn)).includes("p%40ss"));
  for (const node of ["unix:/run/redis.sock", "sqlite:a.sqlite"]) {
    assert.throws(() => clusterDsn([parseDsn(node)]), /with a cluster/);
  }
});

Deno.test("files of a DSN are found from anywhere", () => {
  const dsn = parseDsn("rediss://host?ca=ca.pem&cert=c.pem&key=c.key", "/srv");
  const again = parseDsn(printDsn(dsn), "/elsewhere");
  assert.deepEqual(again, dsn);
  assert.equal(again.kind, "redis");
  assert.deepEqual(parseRedisDsn(printDsn(again)).tls, {
    ca: "/srv/ca.pem",
    cert: "/srv/c.pem",
    key: "/srv/c.key",
    serverName: undefined,
  });
});

Deno.test("what is said beside a DSN counts more than what is in it", () => {
  const dsn = addParameters(
    parseDsn("rediss://host/3?prefix=old"),
    { prefix: "new", ca: "ca.pem" },
    "/srv",
  );
  const { prefix, tls, database } = parseRedisDsn(printDsn(dsn));
  assert.deepEqual([prefix, tls?.ca, database], ["new", "/srv/ca.pem", 3]);
});

for (
  const [text, reason] of [
    ["redis://host?prefx=a", /knows no "prefx"/],
    ["redis://:geheim@host/one", /database must be a number/],
    ["redis://host?prefix=a{b}", /prefix must match/],
    ["redis://host?ca=ca.pem", /"ca" is for rediss:/],
    ["rediss://host?cert=c.pem", /belong together/],
    ["redis://user:geheim%zz@host", /percent-encoded/],
    ["unix:redis.sock", /required is .*unix:\/path/],
    ["redis:///2", /required is/],
    ["redis+cluster://:geheim@host,other/2", /required is|no other database/],
    ["redis+cluster://:geheim@host?db=2", /no other database/],
  ] as const
) {
  Deno.test(`a DSN like ${text} is refused with the reason`, () => {
    assert.throws(
      () => parseDsn(text),
      (error: Error) =>
        error instanceof ArgumentError && reason.test(error.message) &&
        !error.message.includes("geheim"),
    );
  });
}

Deno.test("a file has no prefix and no certificate", () => {
  const file = parseDsn("sqlite:/srv/queue.sqlite");
  assert.throws(
    () => addParameters(file, { prefix: "a" }),
    /Cannot use prefix with the file \/srv\/queue.sqlite/,
  );
  assert.equal(addParameters(file, {}), file);
});

Deno.test("the password of a socket is hidden as well", () => {
  assert.equal(
    hidePassword("unix:/a.sock?user=u&password=secret&db=1"),
    "unix:/a.sock?user=u&password=***&db=1",
  );
});
