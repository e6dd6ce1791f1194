import { AsyncLocalStorage } from "node:async_hooks";
import { currentJob, type Middleware } from "../../../mod.ts";

const storage = new AsyncLocalStorage<string[]>();

/** What middleware put around the job that calls. */
export function marks(): readonly string[] {
  return storage.getStore() ?? [];
}

/** Marks what runs within. */
export function marking(mark: string): Middleware {
  return async (_job, next) => {
    const result = await storage.run([...marks(), mark], next);
    return Array.isArray(result) ? [...result, `after ${mark}`] : result;
  };
}

const outer = marking("outer");

/** Also says what it sees of the job. */
const middleware: Middleware = (job, next) => {
  const { id, attempt, reference, args, queue } = job;
  if (reference.endsWith("#seen")) {
    const same = job.signal === currentJob().signal;
    return Promise.resolve({ id, attempt, reference, args, queue, same });
  }
  return outer(job, next);
};
export default middleware;
