import assert from "node:assert/strict";
import { join } from "node:path";
import {
  defaultDsn,
  findRoot,
  parseDsn,
  printDsn,
} from "../../src/broker/dsn.ts";
import { hidePassword } from "../../src/hide_password.ts";
import { ArgumentError } from "../../src/errors.ts";
import { TempDir } from "../harness/temp_dir.ts";

Deno.test("redis:// and rediss:// name a server, and stay as they were written", () => {
  for (
    const url of [
      "redis://localhost",
      "redis://localhost:6380/2",
      "redis://:secret@localhost:6379",
      "rediss://user:p%40ss@[::1]:6379/0",
    ]
  ) {
    assert.deepEqual(parseDsn(url), { kind: "redis", url });
    assert.equal(printDsn(parseDsn(url)), url);
  }
});

Deno.test("sqlite: names a file, relative to the given directory", () => {
  const path = (text: string) => {
    const dsn = parseDsn(text, "/srv/app");
    return dsn.kind === "sqlite" && dsn.path;
  };
  assert.equal(path("sqlite:queue.sqlite"), "/srv/app/queue.sqlite");
  assert.equal(path("sqlite:./data/../q.db"), "/srv/app/q.db");
  assert.equal(path("sqlite:/var/q.db"), "/var/q.db");
  assert.equal(path("sqlite:///var/q.db"), "/var/q.db");
  assert.equal(path("sqlite:with space#1?.db"), "/srv/app/with space#1?.db");
});

Deno.test("a DSN that was printed reads as the same from anywhere", () => {
  const dsn = parseDsn("sqlite:queue.sqlite", "/srv/app");
  assert.deepEqual(parseDsn(printDsn(dsn), "/elsewhere"), dsn);
});

Deno.test("what is no DSN is refused with what is required, never with its password", () => {
  for (
    const text of [
      "",
      "localhost:6379",
      "http://localhost",
      "sqlite:",
      "redis:localhost",
      "redis://user:secret@ho st",
      "mysql://user:secret@host/db",
    ]
  ) {
    assert.throws(() => parseDsn(text), (error: Error) => {
      assert.ok(error instanceof ArgumentError, `${text}: ${error}`);
      assert.match(error.message, /required is .*sqlite:PATH/);
      assert.ok(!error.message.includes("secret"), error.message);
      return true;
    });
  }
});

Deno.test("a password is hidden wherever it stands in a text", () => {
  for (
    const [text, shown] of [
      ["redis://:secret@host", "redis://:***@host"],
      ["redis://user:secret@host:1/2", "redis://user:***@host:1/2"],
      [
        "Cannot reach rediss://u:se:cr@et@host/0: refused",
        "Cannot reach rediss://u:***@host/0: refused",
      ],
      [
        "redis://a:secret@x and redis://b:secret@y",
        "redis://a:***@x and redis://b:***@y",
      ],
      ["redis://u:sec/ret@host", "redis://u:***@host"],
      ["redis://user@host:6379/0", "redis://user@host:6379/0"],
      ["mail a@example.com", "mail a@example.com"],
    ]
  ) {
    assert.equal(hidePassword(text), shown);
  }
});

Deno.test("the root is the nearest folder with a deno.json or deno.jsonc, else the folder itself", async () => {
  await using dir = new TempDir();
  const outer = dir.path;
  const inner = join(outer, "jobs", "deep");
  Deno.mkdirSync(inner, { recursive: true });
  assert.equal(findRoot(inner), inner);
  dir.write("deno.json", "{}");
  assert.equal(findRoot(inner), outer);
  assert.equal(findRoot(outer), outer);
  dir.write("jobs/deno.jsonc", "{}");
  assert.equal(findRoot(inner), join(outer, "jobs"));
});

Deno.test("without a DSN it is MQK_DSN, else the embedded file below the root", () => {
  const before = Deno.env.get("MQK_DSN");
  try {
    Deno.env.set("MQK_DSN", "redis://host");
    assert.deepEqual(defaultDsn("/srv/app"), {
      kind: "redis",
      url: "redis://host",
    });
    for (const none of [() => Deno.env.set("MQK_DSN", ""), unset]) {
      none();
      assert.deepEqual(defaultDsn("/srv/app"), {
        kind: "sqlite",
        path: "/srv/app/.mqk/queue.sqlite",
      });
    }
  } finally {
    if (before === undefined) unset();
    else Deno.env.set("MQK_DSN", before);
  }
});

function unset(): void {
  Deno.env.delete("MQK_DSN");
}
