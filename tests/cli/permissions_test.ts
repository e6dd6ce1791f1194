import assert from "node:assert/strict";
import { resolve } from "node:path";
import {
  chosenPermissions,
  SandboxCommand,
  type SandboxOptions,
} from "../../src/cli/permissions.ts";

const NONE = {
  env: false,
  ffi: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
};

/** What these arguments open, and which others are left. */
function parse(...args: string[]) {
  const command = new SandboxCommand("run").argument("[module...]")
    .addSandboxOptions().exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse(args, { from: "user" });
  return {
    permissions: chosenPermissions(command.opts<SandboxOptions>()),
    modules: command.args,
  };
}

Deno.test("without a flag there is no sandbox", () => {
  assert.equal(parse("jobs.ts").permissions, undefined);
});

Deno.test("a flag opens its kind and closes all others", () => {
  assert.deepEqual(parse("--allow-net").permissions, { ...NONE, net: true });
  assert.deepEqual(parse("--allow-ffi", "--allow-run").permissions, {
    ...NONE,
    ffi: true,
    run: true,
  });
});

Deno.test("a list follows =, never as the next argument, and lists add up", () => {
  const { permissions, modules } = parse(
    "--allow-net=a.example,b.example:443",
    "--allow-net=[::1]:80,10.0.0.0/8,*.c.example",
    "--allow-env",
    "jobs.ts",
    "--",
    "--allow-read",
  );
  assert.deepEqual(permissions, {
    ...NONE,
    net: [
      "a.example",
      "b.example:443",
      "[::1]:80",
      "10.0.0.0/8",
      "*.c.example",
    ],
    env: true,
  });
  assert.deepEqual(modules, ["jobs.ts", "--allow-read"]);
  const all = parse("--allow-net=a.example", "--allow-net", "--allow-net=b");
  assert.equal(all.permissions?.net, true);
});

Deno.test("paths are resolved against the working directory, names of programs are not", () => {
  const { permissions } = parse(
    "--allow-read=./data,/etc/hosts",
    "--allow-write=out",
    "--allow-ffi=lib.so",
    "--allow-run=git,./tool",
  );
  assert.deepEqual(permissions, {
    ...NONE,
    read: [resolve("data"), resolve("/etc/hosts")],
    write: [resolve("out")],
    ffi: [resolve("lib.so")],
    run: ["git", resolve("./tool")],
  });
});

for (
  const [argument, line] of [
    ["--allow-net=http://x", /'http:\/\/x' is invalid.*not a URL/],
    ["--allow-net=x:99999", /HOST:PORT/],
    ["--allow-net=a,,b", /must not name nothing/],
    ["--allow-read=", /must not name nothing/],
    ["--allow-env=A=B", /names of variables/],
    ["--allow-sys=bogus", /hostname/],
    ["--deny-net=x", /--deny-net: the runtime.*--allow-net=/],
    ["--deny-read", /--deny-read.*--allow-read=/],
  ] as const
) {
  Deno.test(`${argument} is refused with a line that says what is required`, () => {
    assert.throws(() => parse(argument), (error: Error) => {
      assert.match(error.message, line);
      assert.doesNotMatch(error.message, /\n|\0/);
      return true;
    });
  });
}
