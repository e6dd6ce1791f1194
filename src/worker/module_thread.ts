import { join } from "node:path";
import type { ThreadOptions } from "../thread/protocol.ts";

/** What the module thread of the compiled program needs to start. */
export interface ModuleThreadOptions extends
  Pick<
    ThreadOptions,
    "root" | "modules" | "use" | "allowImport" | "reloadBeforeMs" | "sandbox"
  > {}

/** Where the module thread keeps what it makes. */
export interface ModuleFolders {
  /** What all workers of a user share. */
  readonly cacheFolder: string;
  /** What this process alone has: the modules that it imports. */
  readonly runFolder: string;
}

/** Chooses the folders of this process, whose own one ends with it. */
export function moduleFolders(): ModuleFolders {
  const cacheFolder = chosenCacheFolder();
  const own = `${Deno.pid}-${crypto.randomUUID()}`;
  const runFolder = join(cacheFolder, "run", own);
  globalThis.addEventListener("unload", () => {
    try {
      Deno.removeSync(runFolder, { recursive: true });
    } catch {
      // It was not made.
    }
  });
  return { cacheFolder, runFolder };
}

/**
 * Starts the thread that makes modules ready for the job thread, which talks
 * to it over `port`. Only the compiled program needs one: it can't import
 * TypeScript, remote modules or packages by itself.
 */
export function startModuleThread(
  options: ModuleThreadOptions,
  { cacheFolder, runFolder }: ModuleFolders,
  port: MessagePort,
  died: (reason: string) => void,
): void {
  const thread = new globalThis.Worker(
    new URL("../loader/module_thread.ts", import.meta.url),
    { type: "module", name: "module thread" },
  );
  thread.onerror = (event) => {
    event.preventDefault();
    died(event.message);
  };
  const { root, modules, use, allowImport, reloadBeforeMs, sandbox } = options;
  thread.postMessage({
    port,
    root,
    // It asks of remote modules alone whether they are named.
    modules: [...modules, ...use],
    allowImport,
    reloadBeforeMs,
    sandbox,
    cacheFolder,
    runFolder,
    runtime: new URL("../loader/linked.ts", import.meta.url).href,
    core: new URL("../../mod.ts", import.meta.url).href,
  }, [port]);
}

/**
 * `MQK_CACHE_DIR`, else the folder for caches of this user and system. A user
 * without a home has a cache that ends with the process.
 */
function chosenCacheFolder(): string {
  const variable = Deno.env.get("MQK_CACHE_DIR");
  if (variable) return variable;
  const home = Deno.env.get("HOME");
  switch (Deno.build.os) {
    case "windows": {
      const local = Deno.env.get("LOCALAPPDATA");
      if (local) return join(local, "mqk", "cache");
      break;
    }
    case "darwin":
      if (home) return join(home, "Library", "Caches", "mqk");
      break;
    default: {
      const cache = Deno.env.get("XDG_CACHE_HOME") ||
        (home && join(home, ".cache"));
      if (cache) return join(cache, "mqk");
    }
  }
  return Deno.makeTempDirSync({ prefix: "mqk_cache_" });
}
