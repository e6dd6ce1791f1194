import type { WorkerConfig } from "../master/orders.ts";
import type { ThreadOptions } from "../thread/protocol.ts";
import { type ModuleFolders, moduleFolders } from "./module_thread.ts";
import { sandboxOf, threadPermissions } from "./thread_permissions.ts";

/**
 * The Web Worker while its program is loaded, which takes as long as to load
 * the rest of a worker, and goes on beside that.
 */
export class LoadingThread {
  readonly options: ThreadOptions;
  /** In the compiled program. */
  readonly folders: ModuleFolders | undefined;
  readonly thread: globalThis.Worker;
  /** Rejects if the thread dies, at whatever time. */
  readonly death: Promise<never>;

  /** Begins to load. */
  constructor(config: WorkerConfig) {
    this.folders = Deno.build.standalone ? moduleFolders() : undefined;
    this.options = threadOptions(config, this.folders);
    this.thread = new globalThis.Worker(
      new URL("../thread/main.ts", import.meta.url),
      {
        type: "module",
        name: "job thread",
        deno: { permissions: threadPermissions(config, this.options.sandbox) },
      },
    );
    this.death = new Promise((_, reject) => {
      this.thread.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    // It is heard of when the thread is started.
    this.death.catch(() => {});
  }
}

/** What the thread is told: not the DSN, which job code could find there. */
function threadOptions(
  config: WorkerConfig,
  folders: ModuleFolders | undefined,
): ThreadOptions {
  const { root, modules, use, allowImport, concurrency, fast, verbosity } =
    config;
  return {
    worker: config.name,
    root,
    modules,
    use,
    allowImport,
    reloadBeforeMs: config.reloadBeforeMs,
    concurrency,
    fast,
    verbosity,
    realRoot: realPath(root),
    sandbox: sandboxOf(config, folders?.runFolder),
  };
}

/** Nothing if it is not there: the thread says so in its own words. */
function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}
