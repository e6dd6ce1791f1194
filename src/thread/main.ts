/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/// <reference lib="deno.unstable" />
/**
 * The entry of the job thread, a Web Worker: the only place where job code
 * runs. It has no connection to the broker.
 *
 * @module
 */
import { provideJobContext } from "../job_context.ts";
import { readPredecessors } from "../job/predecessors.ts";
import { errorData } from "../job/outcome.ts";
import type { Middleware } from "../job/middleware.ts";
import { ImportAccess } from "../loader/access.ts";
import { JobFunctions } from "../loader/functions.ts";
import { IMPORTS_ARE_UNCHECKED } from "../loader/module_hooks.ts";
import { ModuleLoader, type ModuleLoaderOptions } from "../loader/load.ts";
import { confine } from "./confine.ts";
import { Executor } from "./execute.ts";
import { installGuard } from "./guard.ts";
import { JobSpans } from "./job_spans.ts";
import { LogShare } from "./log_share.ts";
import { loadMiddleware, withMiddleware } from "./middleware.ts";
import { provideOwnLibrary } from "./own_library.ts";
import { PortJobStore } from "./port_job_store.ts";
import type { FromThread, ToThread } from "./protocol.ts";
import { JobRunner } from "./runner.ts";
import { StartPermit } from "./start_permit.ts";

type Start = Extract<ToThread, { kind: "start" }>;

const WARNINGS_PER_SECOND = 10;
/** As many results as the log shows; with `-v` it shows all. */
const SHOWN_PER_SECOND = 100;

self.onmessage = async ({ data }: MessageEvent<Start>) => {
  // Job code can reach this door; from here on it leads nowhere.
  self.onmessage = null;
  // Job code could put a method of its own in the place of this one.
  const post: (message: FromThread) => void = data.port.postMessage
    .bind(data.port);
  try {
    await serve(data, post, await importer(data));
    post({ kind: "ready" });
  } catch (error) {
    post({ kind: "fatal", error: errorData(error) });
  }
};

async function serve(
  { options, lease, port }: Start,
  post: (message: FromThread) => void,
  importModule: ModuleLoaderOptions["importModule"],
): Promise<void> {
  const { use } = options;
  const access = new ImportAccess(options);
  const loader = new ModuleLoader({
    importModule,
    stale: (module) => post({ kind: "stale", module }),
  });
  const permit = new StartPermit(lease);
  const warnings = new LogShare(WARNINGS_PER_SECOND);
  const shown = new LogShare(shownPerSecond(options.verbosity));
  const store = new PortJobStore(post);
  const middleware: Middleware[] = [];
  const executor: Executor = new Executor({
    functions: new JobFunctions(
      access,
      loader,
      (found) => withMiddleware(found, middleware, () => executor.current()),
    ),
    rules: options,
    spans: JobSpans.open(),
    mayStart: () => permit.mayStart(),
    wantsShown: () => shown.take(Date.now()),
    unlock: (batch, index) => store.unlock(batch, index),
    predecessors: (names) =>
      readPredecessors(names, (queue, ids) => store.results(queue, ids)),
    warn: (text) => {
      if (warnings.take(Date.now())) post({ kind: "warning", text });
    },
    post,
  });
  provideJobContext({ current: () => executor.current()?.current, store });
  installGuard({
    current: () => executor.current(),
    uncaught: (thrown, job) => executor.uncaught(thrown, job),
  });
  provideOwnLibrary();
  if (options.sandbox !== undefined) confine(options.sandbox);
  const { concurrency } = options;
  const runner = new JobRunner({ executor, permit, concurrency, post });
  port.onmessage = ({ data }: MessageEvent<ToThread>) => {
    switch (data.kind) {
      case "batch":
        return runner.add(data);
      case "abort":
        return runner.abort(data);
      case "cancelled":
        return runner.cancelled(data);
      case "ping":
        return post({
          kind: "pong",
          ping: data.ping,
          steadyMs: performance.now(),
        });
      case "reported":
        return runner.reported(data);
      case "answer":
        return store.answered(data);
      case "refusal":
        return store.refused(data);
      case "changed":
        return store.changed(data);
    }
  };
  // Named by the operator, so they need not be what jobs may call.
  const named = new ImportAccess({ ...options, modules: use });
  // If one does not load, no job runs: it is tried again by a new worker.
  const once = new ModuleLoader({ importModule, stale: () => {} });
  middleware.push(...await loadMiddleware(use, named, once));
}

/**
 * How modules are imported: by the runtime itself, but in the compiled program,
 * where it can't, by a loader of our own.
 */
async function importer(
  { options, port }: Start,
): Promise<ModuleLoaderOptions["importModule"]> {
  if (!Deno.build.standalone) return undefined;
  const { LinkedModules } = await import("../loader/linked_modules.ts");
  const { port1, port2 } = new MessageChannel();
  const confined = options.sandbox !== undefined && IMPORTS_ARE_UNCHECKED;
  const modules = new LinkedModules(port1, options.root, confined, () => {
    const message: FromThread = { kind: "modules", port: port2 };
    port.postMessage(message, [port2]);
  });
  return (url) => modules.import(url);
}

function shownPerSecond(verbosity: number): number {
  if (verbosity < 0) return 0;
  return verbosity > 0 ? Infinity : SHOWN_PER_SECOND;
}
