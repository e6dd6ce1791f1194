import assert from "node:assert/strict";
import { threadPermissions } from "../../src/worker/thread_permissions.ts";
import { TestThread } from "./test_thread.ts";

/** Serves modules, or redirects to them, on a port of its own. */
function serve(
  answer: (path: string) => string | URL,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    ({ url }) => {
      const body = answer(new URL(url).pathname);
      return body instanceof URL
        ? Response.redirect(body)
        : new Response(body, {
          headers: { "content-type": "text/javascript" },
        });
    },
  );
}

Deno.test("a remote module runs if it is allowed, and so must be what it leads to", async () => {
  await using foreign = serve(() => 'export default () => "foreign";');
  const elsewhere = `http://127.0.0.1:${foreign.addr.port}/x.js`;
  await using allowed = serve((path) => {
    switch (path) {
      case "/jobs/redirects.js":
        return new URL(elsewhere);
      case "/jobs/imports.js":
        return `export { default } from "${elsewhere}";`;
      default:
        return 'export default () => "allowed";';
    }
  });
  const base = `http://127.0.0.1:${allowed.addr.port}/jobs`;
  const options = { allowImport: [base], modules: [], use: [] };
  await using thread = await TestThread.start(options, {
    deno: { permissions: threadPermissions(options) },
  });

  assert.equal(await thread.call(`${base}/plain.js`), '"allowed"');
  assert.match(
    (await thread.failing(elsewhere)).message,
    /must lie under an --allow-import URL/,
  );
  for (const job of [`${base}/redirects.js`, `${base}/imports.js`]) {
    const { message } = await thread.failing(job);
    assert.match(message, /Requires import access/, job);
    assert.match(message, new RegExp(`127.0.0.1:${foreign.addr.port}`));
  }
  // It may do all else that it could before.
  assert.equal(await thread.call("./calculator.ts#sum", 1, 2), "3");
});

Deno.test("the job thread may import from allowed and named hosts, and Deno's own", () => {
  const { import: hosts, ...others } = threadPermissions({
    allowImport: ["https://jobs.example/v1", "http://[::1]:8080/"],
    use: ["https://used.example/m.ts"],
    modules: [
      "./jobs/mail.ts",
      "https://named.example:444/a.ts",
      "mqk:calculator",
    ],
  });
  assert.ok(Array.isArray(hosts));
  assert.deepEqual(hosts.slice(-4), [
    "jobs.example:443",
    "[::1]:8080",
    "named.example:444",
    "used.example:443",
  ]);
  assert.ok(hosts.includes("jsr.io:443"));
  assert.deepEqual(new Set(Object.values(others)), new Set(["inherit"]));
});
