/** Modules from a server, the same in both programs. */
import assert from "node:assert/strict";
import { Project } from "./project.ts";

type Answer = string | URL | Response;

/** Serves modules on a port of its own; counts how often each was asked for. */
class ModuleServer implements AsyncDisposable {
  readonly asked = new Map<string, number>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: (path: string) => Answer, tls?: Deno.TlsCertifiedKeyPem) {
    this.#server = Deno.serve(
      { port: 0, hostname: "localhost", onListen: () => {}, ...tls },
      ({ url }) => {
        const { pathname } = new URL(url);
        this.asked.set(pathname, (this.asked.get(pathname) ?? 0) + 1);
        const body = answer(pathname);
        if (body instanceof Response) return body;
        if (body instanceof URL) return Response.redirect(body);
        return new Response(body, {
          headers: { "content-type": "application/typescript" },
        });
      },
    ) as Deno.HttpServer<Deno.NetAddr>;
  }

  get port(): number {
    return this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A Deno cache of the project alone, so that each test begins with none. */
const own = (project: Project) => ({ DENO_DIR: `${project.dir.path}/.deno` });

Deno.test("remote modules are kept until --reload, and used when their host is down", async () => {
  await using project = Project.open({});
  let version = 1;
  let port: number;
  let base: string;
  {
    await using server: ModuleServer = new ModuleServer((path): Answer => {
      switch (path) {
        case "/jobs/moved.ts":
          return new URL(`http://localhost:${server.port}/jobs/main.ts`);
        case "/jobs/main.ts":
          return `import { n } from "./part.ts";
import { m } from "/jobs/other.ts";
export const all = (x: number): number[] => [x, n, m];`;
        default:
          return `export const n: number = ${version}, m = n;`;
      }
    });
    port = server.port;
    base = `http://localhost:${port}/jobs`;
    const args = ["--allow-import", base];
    await project.run(args, own(project)).then(async (mqk) => {
      assert.deepEqual(
        await project.call(`${base}/moved.ts#all`, 0),
        [0, 1, 1],
      );
      assert.deepEqual(await project.call(`${base}/main.ts#all`, 0), [0, 1, 1]);
      mqk.signal("SIGTERM");
      await mqk.exitCode();
    });
    assert.equal(server.asked.get("/jobs/part.ts"), 1);

    version = 2;
    const mqk = await project.run([...args, "--reload"], own(project));
    assert.deepEqual(await project.call(`${base}/main.ts#all`, 0), [0, 2, 2]);
    mqk.signal("SIGTERM");
    await mqk.exitCode();
  }
  await project.run(["--allow-import", base], own(project));
  assert.deepEqual(await project.call(`${base}/main.ts#all`, 0), [0, 2, 2]);
});

Deno.test("what a server can do wrong fails the job with one line, and the worker lives on", async () => {
  await using project = Project.open({
    "good.ts": "export default () => Deno.pid;",
  });
  await using foreign = new ModuleServer(() => "export default () => 1;");
  await using server: ModuleServer = new ModuleServer((path): Answer => {
    switch (path) {
      case "/loop.ts":
        return new URL(`http://localhost:${server.port}/loop.ts`);
      case "/away.ts":
        return new URL(`http://localhost:${foreign.port}/x.ts`);
      case "/imports.ts":
        return `export * from "http://localhost:${foreign.port}/x.ts";`;
      case "/page.ts":
        return new Response("<html>", {
          headers: { "content-type": "text/html" },
        });
      case "/cut.ts":
        return new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(new TextEncoder().encode("export "));
              controller.error(new Error("closed"));
            },
          }),
        );
      default:
        return new Response("no", { status: 404 });
    }
  });
  const base = `http://localhost:${server.port}`;
  await project.run(["--allow-import", `${base}/`], own(project));

  const names = ["loop", "away", "imports", "page", "cut", "absent"];
  for (const name of names) {
    const { message } = await project.failing(`${base}/${name}.ts`);
    assert.match(message, /^Cannot /, name);
    assert.ok(!message.includes("\n"), message);
  }
  assert.equal(foreign.asked.size, 0);
  assert.equal(typeof await project.call("./good.ts"), "number");
});

Deno.test("a server that does not answer fails its job in time, and neighbours run", async () => {
  await using project = Project.open({ "good.ts": "export default () => 1;" });
  using listener = Deno.listen({ hostname: "localhost", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const base = `http://localhost:${port}`;
  await project.run(["--allow-import", `${base}/`], own(project));
  // Under deno run imports wait for each other, what is loaded does not.
  assert.equal(await project.call("./good.ts"), 1);
  const hanging = project.failing(`${base}/hangs.ts`);
  assert.equal(await project.call("./good.ts"), 1);
  const { message } = await hanging;
  assert.match(message, /^Cannot load module .* in \d+ s$/);
});

/** Writes a key and a certificate for `localhost`, which is its own authority. */
async function certify(folder: string): Promise<Deno.TlsCertifiedKeyPem> {
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
      ...["-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ],
    stderr: "null",
  }).output();
  assert.ok(success, "openssl could not make a certificate");
  return {
    key: Deno.readTextFileSync(`${folder}/key.pem`),
    cert: Deno.readTextFileSync(`${folder}/cert.pem`),
    keyFormat: "pem",
  };
}

const adds = (name: string) =>
  name === "/a.ts"
    ? 'export { default } from "./b.ts";'
    : "export default (n: number) => n + 1;";

Deno.test("modules come over HTTPS with a certificate of one's own, and not with another", async () => {
  await using project = Project.open({});
  const { path } = project.dir;
  await using server = new ModuleServer(adds, await certify(path));
  const trusted = `${path}/trusted.pem`;
  Deno.copyFileSync(`${path}/cert.pem`, trusted);
  await using changed = new ModuleServer(adds, await certify(path));
  const [base, changedBase] = [server, changed]
    .map(({ port }) => `https://localhost:${port}`);
  await project.run(
    ["--allow-import", `${base}/`, "--allow-import", `${changedBase}/`],
    { ...own(project), DENO_CERT: trusted },
  );
  assert.equal(await project.call(`${base}/a.ts`, 1), 2);
  const { message } = await project.failing(`${changedBase}/a.ts`);
  assert.match(message, /^Cannot load module .*certificate/);
  assert.ok(!message.includes("\n"), message);
  assert.equal(changed.asked.size, 0);
});
