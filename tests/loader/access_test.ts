import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ImportAccess, type ImportRules } from "../../src/loader/access.ts";
import { LoadError } from "../../src/loader/load_error.ts";
import { TempDir } from "../harness/temp_dir.ts";

/** A root with jobs, beside a file that is not below it. */
async function withRoot(
  check: (root: string, folder: TempDir) => void,
): Promise<void> {
  await using folder = new TempDir();
  for (
    const name of [
      "secret.ts",
      "root/jobs/mail.ts",
      "root/jobs/a b.ts",
      "root/jobs/node_modules/x/mod.ts",
    ]
  ) folder.write(name, "export default () => {};");
  check(join(folder.path, "root"), folder);
}

function access(root: string, rules: Partial<ImportRules> = {}): ImportAccess {
  return new ImportAccess({ root, modules: [], allowImport: [], ...rules });
}

/** Each is refused with one line that says what is required. */
function assertRefused(
  access: ImportAccess,
  required: RegExp,
  modules: readonly string[],
): void {
  for (const module of modules) {
    assert.throws(() => access.resolve(module), (error: Error) => {
      assert.ok(error instanceof LoadError, String(error));
      assert.match(error.message, required, module);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    }, module);
  }
}

Deno.test("a file below the root is imported by its real path", () =>
  withRoot((root) => {
    const jobs = access(root);
    const url = pathToFileURL(join(root, "jobs/mail.ts")).href;
    for (
      const module of [
        "./jobs/mail.ts",
        "./jobs/../jobs/mail.ts",
        "./other/%2e%2e/jobs/mail.ts",
        join(root, "jobs/mail.ts"),
        url,
      ]
    ) assert.equal(jobs.resolve(module), url, module);
    assert.match(jobs.resolve("./jobs/a b.ts"), /a%20b\.ts$/);
  }));

Deno.test("what lies outside the root is refused, however it is written", () =>
  withRoot((root, folder) => {
    assertRefused(access(root), /must lie below the root/, [
      "../secret.ts",
      "./../secret.ts",
      "./%2e%2e/secret.ts",
      "./jobs/%2E%2E/..\\..\\secret.ts",
      join(folder.path, "secret.ts"),
      pathToFileURL(join(folder.path, "secret.ts")).href,
      "/etc/passwd",
      "C:\\jobs\\mail.ts",
      `${root}-other/mail.ts`,
      "../not_there.ts",
      "./",
    ]);
  }));

Deno.test("a link that leads out of the root is refused, one that stays inside is not", () =>
  withRoot((root, folder) => {
    Deno.symlinkSync(join(folder.path, "secret.ts"), join(root, "out.ts"));
    Deno.symlinkSync(folder.path, join(root, "up"));
    Deno.symlinkSync(join(root, "jobs"), join(root, "tasks"));
    const jobs = access(root);
    assertRefused(jobs, /must lie below the root/, [
      "./out.ts",
      "./up/secret.ts",
    ]);
    const same = jobs.resolve("./jobs/mail.ts");
    assert.equal(jobs.resolve("./tasks/mail.ts"), same);
    assert.equal(jobs.resolve("./up/root/jobs/mail.ts"), same);
  }));

Deno.test("a root that is itself a link works", () =>
  withRoot((root, folder) => {
    const current = join(folder.path, "current");
    Deno.symlinkSync(root, current);
    const url = pathToFileURL(join(root, "jobs/mail.ts")).href;
    const jobs = access(current);
    assert.equal(jobs.resolve("./jobs/mail.ts"), url);
    assert.equal(jobs.resolve(join(current, "jobs/mail.ts")), url);
    assert.equal(jobs.resolve(join(root, "jobs/mail.ts")), url);
  }));

Deno.test("what is not there, or no file path, is refused with the reason", () =>
  withRoot((root) => {
    const jobs = access(root);
    assertRefused(jobs, /Cannot find module .*does not exist/, [
      "./jobs/male.ts",
    ]);
    assertRefused(jobs, /node_modules/, ["./jobs/node_modules/x/mod.ts"]);
    assertRefused(jobs, /no query/, ["./jobs/mail.ts?1", "./jobs/mail.ts#x"]);
    assertRefused(jobs, /not a path/, [
      "./jobs%2fmail.ts",
      "file://host/jobs/mail.ts",
    ]);
    assertRefused(jobs, /neither a path nor a URL/, ["http://"]);
  }));

Deno.test("other kinds of URLs are refused", () =>
  withRoot((root) => {
    const jobs = access(root, { allowImport: ["https://jobs.example"] });
    assertRefused(jobs, /file below the root, an https: URL/, [
      "data:text/javascript,export default 1",
      "blob:https://jobs.example/1b2c",
      "npm:left-pad@1.0.0",
      "jsr:@std/async",
      "node:fs",
      "ftp://jobs.example/a.ts",
    ]);
  }));

Deno.test("a remote module must lie under an allowed URL, by whole segments", () =>
  withRoot((root) => {
    const jobs = access(root, {
      allowImport: [
        "https://jobs.example/v1/",
        "https://all.example",
        "http://localhost:8080/jobs",
      ],
    });
    for (
      const module of [
        "https://jobs.example/v1/a.ts",
        "https://jobs.example/v1/x/../a.ts?debug",
        "https://JOBS.example:443/v1/a.ts",
        "https://all.example/any/a.ts",
        "http://localhost:8080/jobs/a.ts",
      ]
    ) assert.equal(jobs.resolve(module), new URL(module).href);
    assertRefused(jobs, /must lie under an --allow-import URL/, [
      "https://jobs.example/v10/a.ts",
      "https://jobs.example/a.ts",
      "https://jobs.example/v1/../a.ts",
      "https://jobs.example/v1/%2e%2e/a.ts",
      "https://jobs.example:444/v1/a.ts",
      "https://jobs.example.evil.example/v1/a.ts",
      "http://localhost:8081/jobs/a.ts",
      "http://127.0.0.1:8080/jobs/a.ts",
    ]);
    assertRefused(jobs, /http: is for this machine only/, [
      "http://jobs.example/v1/a.ts",
      "http://localhost.example:8080/jobs/a.ts",
    ]);
    assertRefused(jobs, /user name or password/, [
      "https://user@jobs.example/v1/a.ts",
      "https://:secret@jobs.example/v1/a.ts",
    ]);
    assertRefused(jobs, /encoded slash/, [
      "https://jobs.example/v1/..%2f..%2fa.ts",
      "https://jobs.example/v1/..%5ca.ts",
    ]);
    assertRefused(access(root), /need --allow-import/, [
      "https://jobs.example/v1/a.ts",
    ]);
  }));

Deno.test("a URL that can't be allowed is refused at the start", () =>
  withRoot((root) => {
    for (
      const url of ["jobs.example", "file:///", "http://jobs.example/", "x:y"]
    ) {
      assert.throws(
        () => access(root, { allowImport: [url] }),
        /Cannot allow imports from .*: it must be (an )?https:/,
        url,
      );
    }
    assert.throws(() => access(join(root, "nowhere")), /Cannot use root/);
  }));

Deno.test("with named modules only these, allowed remote ones and mqk: can be called", () =>
  withRoot((root, folder) => {
    folder.write("root/jobs/other.ts", "");
    const jobs = access(root, {
      modules: ["jobs/mail.ts", "https://named.example/a.ts", "./missing.ts"],
      allowImport: ["https://jobs.example/"],
    });
    assert.match(jobs.resolve("./jobs/mail.ts"), /mail\.ts$/);
    jobs.resolve("https://jobs.example/a.ts");
    jobs.resolve("https://named.example/a.ts");
    assert.equal(jobs.resolve("mqk:calculator"), "mqk:calculator");
    assertRefused(jobs, /only the modules named on mqk run: \.\/jobs\/mail/, [
      "./jobs/other.ts",
    ]);
    assertRefused(jobs, /must lie under an --allow-import/, [
      "https://named.example/b.ts",
    ]);
  }));
