import process from "node:process";
import timers from "node:timers";
import { registerHooks } from "../loader/module_hooks.ts";

/** Who owns the code that runs, and what to do about what escapes it. */
export interface GuardParts<Job> {
  /** The job on whose behalf the calling code runs. */
  current(): Job | undefined;
  /** Something failed that no code waits for: a job's, or the caller's. */
  uncaught(thrown: unknown, job?: Job): void;
}

type Callback = (...args: unknown[]) => unknown;

/**
 * Keeps job code from ending its thread, from moving its neighbours to
 * another folder, and from failing where nobody sees it. To be called before
 * job code loads.
 *
 * It is no sandbox: it is for what jobs do by mistake.
 */
export function installGuard<Job>(parts: GuardParts<Job>): void {
  refuse(Deno, "exit", "Deno.exit", ENDS);
  refuse(process, "exit", "process.exit", ENDS);
  // What `import { exit } from "node:process"` calls in the end.
  refuse(process, "reallyExit", "process.exit", ENDS);
  refuse(process, "abort", "process.abort", ENDS);
  refuse(globalThis, "close", "self.close", ENDS);
  refuse(Deno, "chdir", "Deno.chdir", MOVES);
  refuse(process, "chdir", "process.chdir", MOVES);
  leaveStandardInput();
  guardTimers(parts);
  guardNamedImports();
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    parts.uncaught(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    parts.uncaught(event.error ?? new Error(event.message));
  });
}

const ENDS = "it would end all jobs beside it; a job ends when its function " +
  "returns or throws";
const MOVES = "it would move all jobs beside it; use absolute paths";

function refuse(
  object: object,
  property: string,
  name: string,
  reason: string,
): void {
  Object.defineProperty(object, property, {
    value: () => {
      throw new Error(`A job can't call ${name}: ${reason}`);
    },
  });
}

/** The worker gets its orders there: whoever reads it would take them away. */
function leaveStandardInput(): void {
  Object.defineProperties(Deno.stdin, {
    read: { value: () => Promise.resolve(null) },
    readSync: { value: () => null },
    readable: { value: ReadableStream.from([]) },
  });
  for (const name of ["prompt", "confirm", "alert"]) {
    Object.defineProperty(globalThis, name, { value: () => null });
  }
}

/**
 * The runtime reports what a timer throws without saying whose timer it was.
 * So timers catch it themselves.
 */
function guardTimers<Job>({ current, uncaught }: GuardParts<Job>): void {
  const apply = (
    set: Callback,
    self: unknown,
    [callback, ...rest]: unknown[],
  ) => {
    const job = current();
    if (job === undefined || typeof callback !== "function") {
      return Reflect.apply(set, self, [callback, ...rest]);
    }
    const guarded = function (this: unknown, ...args: unknown[]) {
      try {
        Reflect.apply(callback, this, args);
      } catch (thrown) {
        uncaught(thrown, job);
      }
    };
    return Reflect.apply(set, self, [guarded, ...rest]);
  };
  for (const name of TIMERS) {
    const set = (globalThis as Record<string, unknown>)[name];
    if (typeof set !== "function") continue;
    const value = new Proxy(set as Callback, { apply });
    for (const owner of [globalThis, timers]) {
      Object.defineProperty(owner, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }
}

const TIMERS = ["setTimeout", "setInterval", "setImmediate"];
/** What is guarded of Node's modules, by the names of their exports. */
const GUARDED_EXPORTS: Readonly<Record<string, readonly string[]>> = {
  process: ["abort", "chdir", "exit"],
  timers: TIMERS,
};

/**
 * `import { chdir } from "node:process"` does not look at the object that is
 * guarded, as `require` does. So job modules import one that looks there.
 */
function guardNamedImports(): void {
  registerHooks?.({
    resolve(specifier, context, next) {
      const name = specifier.replace(/^node:/, "");
      const guarded = Object.hasOwn(GUARDED_EXPORTS, name) &&
        context.conditions.includes("import") &&
        !context.parentURL?.startsWith(GUARD_SCHEME);
      return guarded
        ? { url: GUARD_SCHEME + name, format: "module", shortCircuit: true }
        : next(specifier, context);
    },
    load(url, context, next) {
      if (!url.startsWith(GUARD_SCHEME)) return next(url, context);
      const name = url.slice(GUARD_SCHEME.length);
      const source = `import guarded from "node:${name}";
        export * from "node:${name}";
        export default guarded;
        export const { ${GUARDED_EXPORTS[name].join(", ")} } = guarded;`;
      return { format: "module", source, shortCircuit: true };
    },
  });
}

const GUARD_SCHEME = "mqk-guard:";
