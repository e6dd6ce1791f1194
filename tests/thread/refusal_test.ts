import assert from "node:assert/strict";
import { refusalOf } from "../../src/thread/refusal.ts";

const ROOT = "/srv/app";
const NOTHING = {
  env: false,
  ffi: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
};
const SANDBOX = { permissions: NOTHING, readable: [ROOT] };

/** As the runtime says it, or a program that a job has started. */
function required(permission: string): Error {
  return new Error(
    `Requires ${permission} access to "example.com:443", run again with the ` +
      `--allow-${permission} flag`,
  );
}

Deno.test("what a sandbox refuses is final and names the flag that opens it", () => {
  assert.deepEqual(
    refusalOf(required("net"), { root: ROOT, sandbox: SANDBOX }),
    {
      message: 'Requires net access to "example.com:443": mqk run opens it ' +
        "with --allow-net=example.com:443",
      final: true,
    },
  );
});

Deno.test("without a sandbox only an import can be refused; other words are the job's own", () => {
  assert.equal(refusalOf(required("net"), { root: ROOT }), undefined);
  assert.equal(refusalOf(required("import"), { root: ROOT })?.final, true);
});
