/**
 * What `mqk run --use` names: loaded once, run around every job.
 *
 * @module
 */
import {
  type Middleware,
  type MiddlewareJob,
  runWithin,
} from "../job/middleware.ts";
import type { ImportAccess } from "../loader/access.ts";
import type { JobFunction } from "../loader/callable.ts";
import type { ModuleLoader } from "../loader/load.ts";
import { LoadError } from "../loader/load_error.ts";
import { shorten } from "../loader/locate.ts";
import type { RunningJob } from "./running_job.ts";

/**
 * The default exports of modules, in their order.
 *
 * @throws {LoadError} If one can't be loaded, or exports no function.
 */
export async function loadMiddleware(
  modules: readonly string[],
  access: ImportAccess,
  loader: ModuleLoader,
): Promise<Middleware[]> {
  const middleware: Middleware[] = [];
  for (const module of modules) {
    const exports = await loader.load(access.resolve(module), module);
    if (typeof exports.default !== "function") {
      throw new LoadError(
        `Cannot use middleware ${shorten(module)}: its default export must ` +
          "be a function (job, next) => Promise; it exports " +
          (Object.keys(exports).join(", ") || "nothing"),
      );
    }
    middleware.push(exports.default as Middleware);
  }
  return middleware;
}

/** A job's function within middleware; `current` is the job that calls it. */
export function withMiddleware(
  found: JobFunction,
  middleware: readonly Middleware[],
  current: () => RunningJob | undefined,
): JobFunction {
  if (middleware.length === 0) return found;
  const { call, self } = found;
  return {
    self: undefined,
    call: (...args) =>
      runWithin(
        middleware,
        middlewareJob(current()!),
        () => Reflect.apply(call, self, args),
      ),
  };
}

function middlewareJob({ batch, message, current }: RunningJob): MiddlewareJob {
  return {
    id: current.id,
    attempt: current.attempt,
    after: current.after,
    get signal() {
      return current.signal;
    },
    reference: message.job,
    args: message.args,
    queue: batch.queue,
    report: (value) => current.report(value),
  };
}
