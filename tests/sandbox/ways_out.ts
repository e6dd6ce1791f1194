/**
 * Ways out of the sandbox, as job code would try them. Each either throws, or
 * returns what it got.
 *
 * @module
 */
import * as childProcess from "node:child_process";
import * as fs from "node:fs";
import http from "node:http";
import net from "node:net";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import v8 from "node:v8";

/** What the ways need to know, and could guess. */
export interface Facts {
  /** The folder above the root. */
  readonly folder: string;
  readonly root: string;
  /** Of the broker, or any other. */
  readonly port: number;
}

type Way = (facts: Facts) => unknown;

// deno-lint-ignore no-explicit-any
const load = (url: string, type?: string): Promise<any> =>
  import(url, type === undefined ? undefined : { with: { type } });
const file = (path: string) => `file://${path}`;
const outside = ({ folder }: Facts) => `${file(folder)}/secret.ts`;
// deno-lint-ignore no-explicit-any
const internals = () => (Deno as any)[(Deno as any).internal];
const secretOf = (module: { secret: string }) => module.secret;

function answer(
  // deno-lint-ignore no-explicit-any
  worker: any,
  listen: (got: (value: unknown) => void, failed: (e: unknown) => void) => void,
): Promise<unknown> {
  return new Promise((resolve, reject) => listen(resolve, reject))
    .finally(() => worker.terminate());
}

function webWorker(code: string, permissions?: unknown): Promise<unknown> {
  const worker = new Worker(`data:text/javascript,${code}`, {
    type: "module",
    ...(permissions !== undefined && { deno: { permissions } }),
  } as WorkerOptions);
  return answer(worker, (got, failed) => {
    worker.onmessage = ({ data }) => got(data);
    worker.onerror = (event) => {
      event.preventDefault();
      failed(new Error(event.message));
    };
  });
}

async function nodeWorker(code: string): Promise<unknown> {
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(code, { eval: true });
  return answer(worker, (got, failed) => {
    worker.on("message", got);
    worker.on("error", failed);
  });
}

const READ_SECRET = ({ folder }: Facts) =>
  `postMessage(Deno.readTextFileSync("${folder}/secret.ts"))`;

/** Files, folders, and what the system says of processes. */
export const reading: Record<string, Way> = {
  "a file": ({ folder }) => Deno.readTextFileSync(`${folder}/secret.ts`),
  "a file, by Node": ({ folder }) =>
    fs.readFileSync(`${folder}/secret.ts`, "utf8"),
  "a file, upwards": () => Deno.readTextFileSync("jobs/../../secret.ts"),
  "a file, fetched": async ({ folder }) =>
    await (await fetch(`${file(folder)}/secret.ts`)).text(),
  "the folder above": ({ folder }) =>
    [...Deno.readDirSync(folder)].map(({ name }) => name),
  "a built-in of the process": ({ folder }) =>
    process.getBuiltinModule("fs").readFileSync(`${folder}/secret.ts`, "utf8"),
  "a file, by node:sqlite": ({ folder }) =>
    new DatabaseSync(`${folder}/secret.ts`, { readOnly: true }).location(),
};

/** Under `/proc` and `/dev`, also where reading is open. */
export const special: Record<string, Way> = {
  "own environment": () => Deno.readTextFileSync("/proc/self/environ"),
  "the master's environment": () =>
    Deno.readTextFileSync(`/proc/${Deno.ppid}/environ`),
  "the master's arguments": () =>
    Deno.readTextFileSync(`/proc/${Deno.ppid}/cmdline`),
  "the master's arguments, by Node": () =>
    fs.readFileSync(`/proc/${process.ppid}/cmdline`, "utf8"),
  "the master's arguments, by a link": () =>
    Deno.readTextFileSync("jobs/arguments"),
  "the master's arguments, as text": async () =>
    (await load(`file:///proc/${Deno.ppid}/cmdline`, "text")).default,
  "the master's arguments, as bytes": async () =>
    new TextDecoder().decode(
      (await load(`file:///proc/${Deno.ppid}/cmdline`, "bytes")).default,
    ),
  "the master's environment, as text": async () =>
    (await load(`file:///proc/${Deno.ppid}/environ`, "text")).default,
  "own environment, as text of a link": async ({ root }) =>
    (await load(`${file(root)}/jobs/environment`, "text")).default,
  "an open file": () => Deno.openSync("/proc/self/fd/0").close(),
  "an open file, by /dev": () => Deno.openSync("/dev/fd/0").close(),
  "an open file, by Node": () => fs.openSync("/proc/self/fd/3", "r"),
  "the memory": () => Deno.openSync("/proc/self/mem").close(),
  "the memory, by number": () => Deno.openSync(`/proc/${Deno.pid}/mem`).close(),
  "the memory map": () => Deno.readTextFileSync("/proc/self/maps"),
};

/** Code that lies outside the root. */
export const importing: Record<string, Way> = {
  "a module": async (facts) => secretOf(await load(outside(facts))),
  "a module, statically": async ({ root }) =>
    secretOf(await load(`${file(root)}/jobs/reaches_out.ts`)),
  "a module, by a link": async ({ root }) =>
    secretOf(await load(`${file(root)}/jobs/leads_out.ts`)),
  "a file as JSON": async ({ folder }) =>
    (await load(`${file(folder)}/secret.json`, "json")).default.secret,
  "a file as text": async ({ folder }) =>
    (await load(`${file(folder)}/secret.json`, "text")).default,
  "a file as bytes": async ({ folder }) =>
    (await load(`${file(folder)}/secret.json`, "bytes")).default.length,
  "eval": async (facts) =>
    secretOf(await (0, eval)(`import("${outside(facts)}?eval")`)),
  "direct eval": async (facts) =>
    secretOf(await eval(`import("${outside(facts)}?direct")`)),
  "new Function": async (facts) =>
    secretOf(await new Function(`return import("${outside(facts)}?f")`)()),
  "the constructor of async functions": async (facts) => {
    const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
    return secretOf(
      await new AsyncFunction(`return import("${outside(facts)}?a")`)(),
    );
  },
  "a data: module": async (facts) =>
    secretOf(
      await load(`data:text/javascript,export * from "${outside(facts)}?data"`),
    ),
  "a blob: module": async (facts) =>
    secretOf(
      await load(URL.createObjectURL(
        new Blob([`export * from "${outside(facts)}?blob"`], {
          type: "text/javascript",
        }),
      )),
    ),
  "a timer with a text": (facts) =>
    new Promise((resolve, reject) => {
      Object.assign(globalThis, { resolve, reject });
      // deno-lint-ignore no-explicit-any
      const set = setTimeout as any;
      set(`import("${outside(facts)}?t").then(resolve, reject)`, 1);
    }),
  "the core of the runtime": async (facts) =>
    secretOf(
      await internals().core.evalContext(
        `import("${outside(facts)}?core")`,
        `${file(facts.root)}/x.js`,
      )[0],
    ),
  "a script": async ({ root, ...facts }) => {
    const { default: vm } = await import("node:vm");
    return secretOf(
      await vm.runInThisContext(
        `import("${outside({ root, ...facts })}?vm")`,
        { filename: `${file(root)}/x.js` },
      ),
    );
  },
  "a script of the process": async ({ root, ...facts }) =>
    secretOf(
      await process.getBuiltinModule("vm").runInThisContext(
        `import("${outside({ root, ...facts })}?pvm")`,
        { filename: `${file(root)}/x.js` },
      ),
    ),
  "a script of a named export": async ({ root, ...facts }) => {
    const { getBuiltinModule } = await import("node:process");
    return secretOf(
      await getBuiltinModule("vm").runInThisContext(
        `import("${outside({ root, ...facts })}?nvm")`,
        { filename: `${file(root)}/x.js` },
      ),
    );
  },
  "a compiled function": async ({ root, ...facts }) => {
    const { default: vm } = await import("node:vm");
    return secretOf(
      await vm.compileFunction(
        `return import("${outside({ root, ...facts })}?c")`,
        [],
        { filename: `${file(root)}/x.js` },
      )(),
    );
  },
  "require": async ({ root, folder }) => {
    const { createRequire } = await import("node:module");
    return createRequire(`${root}/x.cjs`)(`${folder}/secret.cjs`).secret;
  },
  "an import in a CommonJS module": async ({ root, ...facts }) => {
    const { createRequire } = await import("node:module");
    const { load } = createRequire(`${root}/x.cjs`)("./jobs/imports.cjs");
    return secretOf(await load(`${outside({ root, ...facts })}?cjs`));
  },
  "an import that a lexer overlooks": async ({ root, ...facts }) => {
    const { createRequire } = await import("node:module");
    const { load } = createRequire(`${root}/x.cjs`)("./jobs/hides.cjs");
    return secretOf(await load(`${outside({ root, ...facts })}?hidden`));
  },
  "a compiled CommonJS module": async ({ root, ...facts }) => {
    // deno-lint-ignore no-explicit-any
    const { Module } = await import("node:module") as any;
    const made = new Module("made");
    made._compile(
      `module.exports = import("${outside({ root, ...facts })}?m")`,
      `${root}/made.cjs`,
    );
    return secretOf(await made.exports);
  },
};

/** Other processes, threads, libraries and the program itself. */
export const leaving: Record<string, Way> = {
  "a program": () => new Deno.Command("true").outputSync().code,
  "a program, by Node": () => childProcess.execFileSync("/bin/true").length,
  "a shell": () => childProcess.execSync("true").length,
  "a fork": () => childProcess.fork("jobs.ts").pid,
  "a signal to the master": () => Deno.kill(Deno.ppid, "SIGTERM"),
  "a signal to the master, by Node": () =>
    process.kill(process.ppid, "SIGTERM"),
  "a native library": () => Deno.dlopen("libc.so.6", {}),
  "a native addon": () => process.dlopen({ exports: {} }, "/tmp/x.node"),
  "a Web Worker": (facts) => webWorker(READ_SECRET(facts)),
  "a Web Worker with more": (facts) =>
    webWorker(READ_SECRET(facts), { read: true }),
  "a Web Worker with all": (facts) => webWorker(READ_SECRET(facts), "inherit"),
  "a Node worker": ({ folder }) =>
    nodeWorker(
      `require("worker_threads").parentPort.postMessage(
         require("fs").readFileSync("${folder}/secret.ts", "utf8"))`,
    ),
  "the inspector": async () => {
    const inspector = await import("node:inspector");
    const session = new inspector.Session();
    session.connect();
  },
  "the inspector's port": async () => (await import("node:inspector")).open(0),
  "a heap snapshot in a file": () => v8.writeHeapSnapshot(),
  "asking for more": ({ folder }) => {
    const { state } = Deno.permissions.requestSync({
      name: "read",
      path: folder,
    });
    throw new Error(`Requires a yes, not ${state}`);
  },
  "the messages of its thread": () => {
    MessagePort.prototype.postMessage = function () {
      throw this;
    };
  },
  "the events of its thread": () => {
    Object.defineProperty(MessageEvent.prototype, "data", {
      get() {
        throw this.target;
      },
    });
  },
};

/** The network, the broker's port among it. */
export const connecting: Record<string, Way> = {
  "a connection": async ({ port }) => (await Deno.connect({ port })).close(),
  "a connection with TLS": async ({ port }) =>
    (await Deno.connectTls({ port })).close(),
  "a request": async ({ port }) =>
    (await fetch(`http://127.0.0.1:${port}/`)).status,
  "a connection, by Node": ({ port }) =>
    new Promise((resolve, reject) => {
      const socket = net.connect(port, "127.0.0.1", () => resolve("connected"));
      socket.on("error", reject);
    }),
  "a request, by Node": ({ port }) =>
    new Promise((resolve, reject) => {
      http.get(`http://127.0.0.1:${port}/`, () => resolve("answered"))
        .on("error", reject);
    }),
  "a WebSocket": ({ port }) =>
    new Promise((resolve) => {
      new WebSocket(`ws://127.0.0.1:${port}/`).onopen = () => resolve("open");
    }),
  "a listener": () => Deno.listen({ port: 0 }).close(),
  "a name": () => Deno.resolveDns("example.com", "A"),
  "a socket file": async () =>
    (await Deno.connect({ transport: "unix", path: "/tmp/x.sock" })).close(),
};

/** The file of the queues, where it lies below the root. */
export const queueFile: Record<string, Way> = {
  "it": ({ root }) => Deno.readTextFileSync(`${root}/.mqk/queue.sqlite`),
  "its log": ({ root }) =>
    Deno.readTextFileSync(`${root}/.mqk/queue.sqlite-wal`),
  "it, by Node": () => fs.readFileSync(".mqk/queue.sqlite", "latin1"),
  "it, as text": async ({ root }) =>
    (await load(`${file(root)}/.mqk/queue.sqlite`, "text")).default,
  "it, as bytes": async ({ root }) =>
    (await load(`${file(root)}/.mqk/queue.sqlite`, "bytes")).default.length,
  "it, by node:sqlite": ({ root }) =>
    new DatabaseSync(`${root}/.mqk/queue.sqlite`, { readOnly: true })
      .location(),
  "it, attached": ({ root }) =>
    new DatabaseSync(":memory:").exec(
      `ATTACH '${root}/.mqk/queue.sqlite' AS queue`,
    ),
  "its folder": ({ root }) =>
    [...Deno.readDirSync(`${root}/.mqk`)].map(({ name }) => name),
  "a copy of it": ({ root }) =>
    Deno.copyFileSync(`${root}/.mqk/queue.sqlite`, `${root}/copy`),
  "a link to it": ({ root }) =>
    Deno.linkSync(`${root}/.mqk/queue.sqlite`, `${root}/copy`),
  "a symbolic link to it": ({ root }) =>
    Deno.symlinkSync(`${root}/.mqk/queue.sqlite`, `${root}/copy`),
  "another name for it": ({ root }) =>
    Deno.renameSync(`${root}/.mqk`, `${root}/copy`),
  "to remove it": ({ root }) => Deno.removeSync(`${root}/.mqk/queue.sqlite`),
  "to write it": ({ root }) =>
    Deno.writeTextFileSync(`${root}/.mqk/queue.sqlite`, ""),
};

/** All that a job finds around it; a secret must not be in it. */
export const around: Record<string, Way> = {
  "the environment": () => Deno.env.toObject(),
  "the environment, by Node": () => ({ ...process.env }),
  "the arguments": () => [Deno.args, process.argv, process.execArgv],
  "the resources": () => internals().core?.resources(),
  "what its resources hold": () => {
    const found: unknown[] = [];
    for (let rid = 3; rid < 200; rid++) {
      try {
        const bytes = new Uint8Array(1000);
        internals().core.readSync(rid, bytes);
        found.push([rid, new TextDecoder().decode(bytes)]);
      } catch {
        // There is none, or it can't be read.
      }
    }
    return found;
  },
  "what open files hold": () => {
    const found: unknown[] = [];
    for (let fd = 3; fd < 200; fd++) {
      try {
        const bytes = new Uint8Array(1000);
        fs.readSync(fd, bytes, 0, 1000, 0);
        found.push([fd, new TextDecoder().decode(bytes)]);
      } catch {
        // There is none, or it can't be read.
      }
    }
    return found;
  },
  "the global object": () =>
    Reflect.ownKeys(globalThis).map((key) => {
      try {
        return Deno.inspect(Reflect.get(globalThis, key), { depth: 6 });
      } catch {
        return String(key);
      }
    }),
  "the heap": async () => {
    let text = "";
    for await (const chunk of v8.getHeapSnapshot()) text += chunk;
    const at = text.indexOf(["s3", "cret"].join(""));
    return at === -1 ? "nothing" : text.slice(at - 50, at + 50);
  },
};

const WAYS: Record<string, Record<string, Way>> = {
  around,
  connecting,
  importing,
  leaving,
  queueFile,
  reading,
  special,
};

/** Job: tries one way. */
export async function attempt(
  group: string,
  name: string,
  facts: Facts,
): Promise<string> {
  const got = await WAYS[group][name](facts);
  return `got ${JSON.stringify(got)}`;
}
