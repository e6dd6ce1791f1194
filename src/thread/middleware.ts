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
import { stream, streamedValues } from "./streamed.ts";

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
    call: (...args) => {
      const job = current()!;
      return runWithin(
        middleware,
        middlewareJob(job),
        async () => await whole(await Reflect.apply(call, self, args), job),
      );
    },
  };
}

/** The result of a job; of one that streams, when it has streamed all. */
async function whole(returned: unknown, job: RunningJob): Promise<unknown> {
  if (typeof returned !== "object" || returned === null) return returned;
  const values = streamedValues(returned);
  return values === undefined ? returned : await stream(values, job);
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
